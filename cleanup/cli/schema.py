"""`schema`: the JSON Schema of a policy file, or of a targets file."""

import json
from enum import StrEnum
from typing import Annotated

from cleanup.cli.output import say
from cleanup.cli.parsing import Option


class SchemaOf(StrEnum):
    POLICY = "policy"
    TARGETS = "targets"


def schema(
    of: Annotated[
        SchemaOf, Option(help="A policy file, or a targets file, which a configuration is, too.")
    ] = (SchemaOf.POLICY),
) -> None:
    """Print the JSON Schema of a policy file, for editors."""
    if of is SchemaOf.TARGETS:
        from cleanup.config.targets import schema as described
    else:
        from cleanup.policy.rules import schema as described
    say(json.dumps(described(), indent=2, ensure_ascii=False))
