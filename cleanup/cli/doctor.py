"""`doctor`: endpoint, clock, credentials and permissions, each with what to do about it; read-only."""

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import event_loop as running
from cleanup.cli import fleet
from cleanup.cli.jobs import conclude
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import say
from cleanup.config.settings import Target, Terms
from cleanup.reports.doctor_view import DiagnosisFormat, render_diagnosis

if TYPE_CHECKING:
    from cleanup.doctor import Diagnosis


def doctor(
    connecting: Connecting,
    working: Working,
    format: Annotated[DiagnosisFormat, typer.Option(help="How to show it.")] = DiagnosisFormat.TEXT,  # noqa: A002
) -> None:
    """Check endpoint, clock, credentials and permissions, each with what to do about it.

    Nothing is changed: only GET is sent, and a login to IAM where a password is used.
    """
    terms = working.terms(connecting)
    targets = connecting.fleet(working)
    if targets is None:
        targets = (connecting.target(working),)
    found: dict[str, Diagnosis] = {}

    async def examine(target: Target) -> fleet.Ended:
        found[target.name] = one = await _diagnosed(target, terms)
        return fleet.Ended(target.name, one.exit_code, "")

    ends = running.run_async(lambda: fleet.over(targets, examine))
    in_order = [found[target.name] for target in targets if target.name in found]
    if in_order:
        say(render_diagnosis(in_order, format))
    conclude(end.exit_code for end in ends)


async def _diagnosed(target: Target, terms: Terms) -> "Diagnosis":
    from cleanup.doctor import diagnose

    return await diagnose(target, terms, environment=os.environ, clock=time.monotonic, now=running.now)
