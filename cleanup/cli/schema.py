"""`schema`: the JSON Schema of a policy file."""

import json

from cleanup.cli.output import say
from cleanup.policy.rules import schema as policy_schema


def schema() -> None:
    """Print the JSON Schema of a policy file, for editors."""
    say(json.dumps(policy_schema(), indent=2, ensure_ascii=False))
