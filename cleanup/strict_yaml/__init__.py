"""YAML with places: every value knows its line, nothing is guessed, every problem at once. Knows no policy."""
