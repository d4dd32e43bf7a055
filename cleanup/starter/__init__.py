"""A starter policy with its test, made from what an inventory shows. Pure."""
