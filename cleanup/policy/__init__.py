"""The policy language: `load` turns YAML files into one checked, frozen Policy or every problem at once."""

from cleanup.policy.load import load

__all__ = ["load"]
