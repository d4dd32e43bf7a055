"""What matters about a plan or a run, in one line: for logs and for the end of a command."""

from cleanup.journal import RunFinished
from cleanup.outcome import Outcome
from cleanup.plan.file import Summary
from cleanup.reports.formatting import count, duration, size
from cleanup.reports.plan_view import deleting


def plan_line(summary: Summary) -> str:
    """`delete 312 of 1,234 images, 512.3 GiB; 41.2 GiB to be freed in SWR`."""
    return f"delete {deleting(summary)}; {size(summary.bytes_freed)} to be freed in SWR"


def summary_line(finished: RunFinished) -> str:
    """`312 planned: 308 deleted, 4 failed; 41.2 GiB freed in SWR; 35 s; 330 requests, throttled 2 times`."""
    ended = ", ".join(
        f"{finished.counts[outcome]:,} {outcome}" for outcome in Outcome if finished.counts.get(outcome)
    )
    return "; ".join(
        (
            f"{finished.planned:,} planned: {ended or 'nothing to do'}",
            f"{size(finished.bytes_freed)} freed in SWR",
            duration(finished.duration_s),
            f"{count(finished.requests, 'request')}, throttled {count(finished.throttled, 'time')}",
        )
    )
