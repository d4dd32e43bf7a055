"""Everything that speaks the image API; foreign vocabulary ends here.

In reading order: wire (bytes to values) - http (one request, one answer) - auth (as whom) - client (the
calls) - paging, inventory (complete lists) - deletion (one image).
"""
