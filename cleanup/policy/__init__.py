"""The policy language: `load` turns YAML files into one checked, frozen Policy or every problem at once."""

from cleanup.policy.durations import format_duration, parse_duration

__all__ = ["format_duration", "parse_duration"]
