"""Everything that speaks the image API; foreign vocabulary ends here.

In reading order: wire (bytes to values) - signing, login, chain, credentials (as whom) - transport (one
request) - client (the calls) - paging, inventory (complete lists) - deletion (one image).
"""
