"""`validate` and `schema`: the policy language, checked and described; no network."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli.output import log, say
from cleanup.policy import load
from cleanup.policy.schema import schema as policy_schema


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Policy files and folders of them.", show_default=False)
    ],
) -> None:
    """Check policy files: every problem at once, each as file:line:column and what was meant."""
    policy = load(paths)
    rules = f"{len(policy.rules)} rule{'s' * (len(policy.rules) != 1)}"
    log().info(f"{', '.join(policy.files)}: valid; {rules}, {len(policy.protect)} protect entries")


def schema() -> None:
    """Print the JSON Schema of a policy file, for editors."""
    say(json.dumps(policy_schema(), indent=2, ensure_ascii=False))
