"""What was deleted without its content, registered again."""
