"""The reviewed file between deciding and deleting: how it is made, written, sealed and checked."""
