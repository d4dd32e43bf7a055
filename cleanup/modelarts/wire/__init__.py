"""The wire format: bytes in, known values out. Nothing above this knows milliseconds or error codes.

In reading order: values (what one value says) - json_bodies (pages, records) - error_bodies - groups -
image_records (a record as an Image) - image_rows (the records of a listing as rows of a table).
"""
