"""Everything that speaks the image API; foreign vocabulary ends here.

In reading order: wire (bytes to values) - exchange, connection (one request, one answer) - signing,
renewal, login, chain, credentials (as whom) - transport (a request until it is answered) - client (the
calls) - paging, inventory (complete lists) - deletion (one image).
"""
