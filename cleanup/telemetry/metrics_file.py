"""A file of metrics, for the textfile collector of a node exporter: replaced whole, readable by everybody."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cleanup.files import obstacle, read_regular, replacing
from cleanup.telemetry.facts import UNKNOWN, TargetFacts
from cleanup.telemetry.metrics import Past, exposition, is_ours, read_past

_READABLE = 0o644  # the collector is another user


def write_metrics(path: Path, all_facts: Sequence[TargetFacts]) -> str | None:
    """Replace the file; why it was not done, None where it was.

    The times of the last success and the last delete are taken over from the old file, and so are its targets where
    the command ended before it knew its own.
    """
    if why := obstacle(path):
        return why
    try:
        old = read_regular(path) if path.exists() else b""
        if not is_ours(old):
            return "something else lies there, which is not replaced"
        past = _past(old)
        text = exposition(_of_known(all_facts, past), past)
        with replacing(path, lambda: None) as file:
            file.write(text)
            os.fchmod(file.fileno(), _READABLE)
        path.chmod(_READABLE)
    except OSError as error:
        return error.strerror or "it cannot be written"
    return None


def _past(old: bytes) -> dict[tuple[str, str], Past]:
    """Of a file that was damaged nothing is known; the new one puts it right."""
    try:
        return read_past(old)
    except ValueError:
        return {}


def _of_known(all_facts: Sequence[TargetFacts], past: Mapping[tuple[str, str], Past]) -> list[TargetFacts]:
    """The same command is thought to have meant the same targets as the one before."""
    return [
        msgspec.structs.replace(facts, project_id=project, target=target)
        for facts in all_facts
        for project, target in (
            past if past and facts.project_id == UNKNOWN else [(facts.project_id, facts.target)]
        )
    ]
