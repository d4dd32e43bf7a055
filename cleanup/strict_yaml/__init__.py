"""A strict YAML reader: values keep their location, nothing is converted, all problems are reported at once."""
