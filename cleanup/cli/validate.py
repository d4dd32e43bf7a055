"""`validate`: policy files, checked; no network."""

from pathlib import Path
from typing import Annotated

from cleanup.cli.output import log, say
from cleanup.cli.parsing import Argument, Option
from cleanup.errors import PolicyError
from cleanup.plan import file as plan_file
from cleanup.policy import load
from cleanup.policy.lint import lint, lint_against
from cleanup.reports.formatting import count


def validate(
    paths: Annotated[
        tuple[Path, ...],
        Argument(metavar="PATH", help="Policy files and folders of them."),
    ],
    inventory: Annotated[
        Path | None,
        Option(help="A plan: warn about rules and protect entries that match none of its images."),
    ] = None,
) -> None:
    """Check policy files: every problem at once, each as file:line:column and what was meant.

    What is wrong goes to stdout and exits with 2; what only looks wrong is a warning on stderr.
    """
    images = [line.image for line in plan_file.read(inventory).decisions] if inventory else []
    try:
        policy = load(paths, partial=True)
    except PolicyError as error:
        say(str(error))
        raise SystemExit(error.exit_code) from None
    for doubt in (*lint(policy), *lint_against(policy, images)):
        log().warning(str(doubt))
    entries = f"{len(policy.protect)} protect {'entry' if len(policy.protect) == 1 else 'entries'}"
    say(f"{', '.join(policy.files)}: valid; {count(len(policy.rules), 'rule')}, {entries}")
