"""`doctor`: endpoint, clock, credentials and permissions, each with what to do about it; read-only."""

import sys

import msgspec

from cleanup.cli import ends, event_loop, fleet
from cleanup.cli.doctor import DoctorOptions
from cleanup.cli.output import terminal
from cleanup.cli.sources import settings_in_words
from cleanup.config.settings import Target
from cleanup.doctor import Diagnosis, diagnose
from cleanup.reports.doctor_view import diagnosis
from cleanup.stop import Stop


def doctor(asked: DoctorOptions) -> None:
    """Examine every target and show what was found."""
    destination = asked.showing.destination()
    settings = fleet.settings_of(asked.connecting, asked.working)
    targets = fleet.targets_of(asked.connecting, asked.working)
    found: dict[str, Diagnosis] = {}

    async def work(_: Stop) -> list[ends.Ended]:
        async def one(target: Target) -> ends.Ended:
            diagnosis = await diagnose(target, settings, event_loop.runtime())
            found[target.name] = msgspec.structs.replace(
                diagnosis, settings=settings_in_words(target, settings)
            )
            return ends.Ended(target, found[target.name].exit_code, "")

        return await ends.over(targets, one)

    ended = event_loop.read(work)
    if found:
        shown = [found[target.name] for target in targets if target.name in found]
        destination.show([diagnosis(shown, terminal()["width"] if sys.stdout.isatty() else None)])
    if code := ends.worst(end.exit_code for end in ended):
        raise SystemExit(code)
