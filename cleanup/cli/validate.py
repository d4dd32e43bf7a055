"""`validate` and `schema`: the policy language, checked and described; no network."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli.output import log, say
from cleanup.errors import PolicyError
from cleanup.modelarts.wire import decode_image
from cleanup.plan import file as plans
from cleanup.policy import load
from cleanup.policy.lint import lint, lint_against
from cleanup.policy.schema import schema as policy_schema
from cleanup.reports.formatting import count


def validate(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Policy files and folders of them.", show_default=False),
    ],
    inventory: Annotated[
        Path | None,
        typer.Option(help="A plan: warn about rules and protect entries that match none of its images."),
    ] = None,
) -> None:
    """Check policy files: every problem at once, each as file:line:column and what was meant.

    What is wrong goes to stdout and exits with 2; what only looks wrong is a warning on stderr.
    """
    images = [line.image for line in plans.read(inventory, decode_image).decisions] if inventory else []
    try:
        policy = load(paths, partial=True)
    except PolicyError as error:
        say(str(error))
        raise typer.Exit(error.exit_code) from None
    for doubt in (*lint(policy), *lint_against(policy, images)):
        log().warning(str(doubt))
    entries = f"{len(policy.protect)} protect {'entry' if len(policy.protect) == 1 else 'entries'}"
    say(f"{', '.join(policy.files)}: valid; {count(len(policy.rules), 'rule')}, {entries}")


def schema() -> None:
    """Print the JSON Schema of a policy file, for editors."""
    say(json.dumps(policy_schema(), indent=2, ensure_ascii=False))
