"""The policy language: `load` turns YAML files into one checked, frozen Policy or every problem at once."""

from cleanup.durations import format_duration, parse_duration
from cleanup.policy.load import load

__all__ = ["format_duration", "load", "parse_duration"]
