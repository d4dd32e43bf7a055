"""`doctor`: endpoint, clock, credentials and permissions, each with what to do about it; read-only."""

import sys

import msgspec

from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, Working
from cleanup.cli.output import terminal
from cleanup.cli.showing import Showing
from cleanup.cli.sources import settings_in_words
from cleanup.config.settings import Target
from cleanup.doctor import Diagnosis, diagnose
from cleanup.reports.doctor_view import diagnosis
from cleanup.stop import Stop


def doctor(
    connecting: Connecting,
    working: Working,
    showing: Showing,
) -> None:
    """Check endpoint, clock, credentials and permissions, each with what to do about it.

    Nothing is changed: only what reads is sent, and a login to IAM where a password is used. It shows where each
    setting comes from: option, environment, file or default. At the end stand policy documents with the
    permissions to read, to delete and to restore.
    """
    destination = showing.destination()
    settings, targets = working.settings(connecting), connecting.fleet(working)
    found: dict[str, Diagnosis] = {}

    async def work(_: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            diagnosis = await diagnose(target, settings, event_loop.runtime())
            found[target.name] = msgspec.structs.replace(
                diagnosis, settings=settings_in_words(target, settings)
            )
            return jobs.Ended(target, found[target.name].exit_code, "")

        return await jobs.over(targets, one)

    ends = event_loop.read(work)
    if found:
        shown = [found[target.name] for target in targets if target.name in found]
        destination.show([diagnosis(shown, terminal()["width"] if sys.stdout.isatty() else None)])
    if code := jobs.worst(end.exit_code for end in ends):
        raise SystemExit(code)
