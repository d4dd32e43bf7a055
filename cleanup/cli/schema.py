"""`schema`: the JSON Schema of a policy file, of a targets file, or of the JSON documents that reports are."""

import json
from enum import StrEnum
from typing import Annotated, Any, assert_never

from cleanup.cli.output import say
from cleanup.cli.parsing import Argument


class Described(StrEnum):
    """What there is a schema of."""

    POLICY = "policy"
    TARGETS = "targets"
    REPORT = "report"


def schema(
    of: Annotated[
        Described,
        Argument(
            metavar="[policy|targets|report]",
            help="Of a policy file, a targets file or configuration, or what --format json writes.",
        ),
    ] = Described.POLICY,
) -> None:
    """Print the JSON Schema of a policy file, for editors, or of the reports in JSON."""
    say(json.dumps(_made(of), indent=2, ensure_ascii=False))


def _made(of: Described) -> dict[str, Any]:
    match of:
        case Described.POLICY:
            from cleanup.policy.rules import schema as policy_schema

            return policy_schema()
        case Described.TARGETS:
            from cleanup.config.targets import schema as targets_schema

            return targets_schema()
        case Described.REPORT:
            from cleanup.reports.json_schema import report_schema

            return report_schema()
        case _:
            assert_never(of)
