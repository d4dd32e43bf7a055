"""The policy language: `load` turns YAML files into one checked, frozen Policy or every problem at once."""

from cleanup.policy.durations import format_duration, parse_duration
from cleanup.policy.loading import load

__all__ = ["format_duration", "load", "parse_duration"]
