"""Very many images: their fields as columns, and a table that holds a million of them in a quarter of the room. Pure.

Whoever goes through all images asks for the columns that he needs (fields): they are there, or quickly made. An
Image that is asked of a table is made for him, and is gone when he is done with it.
"""
