"""What the commands with much to do come to: each in the file of its name, imported when it is run."""
