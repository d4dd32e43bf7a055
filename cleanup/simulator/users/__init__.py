"""The users of images besides notebooks: what each list and detail call answers, one file a kind."""
