"""`python -m tests.benchmarks`: ours, the peers and the ratio in one run, as a table on stderr and JSON on stdout."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.request import urlopen

from tests.benchmarks.decisions import measure
from tests.benchmarks.peers import PROJECT

POLICY = """\
version: 1
rules:
  - name: old
    match: {visibility: PRIVATE, namespace: "ns-*", tag: "TAG", status: ACTIVE}
    older_than: 90d
limits: {max_deletes: 10000000, max_percent: 100}
"""
AT_ONCE = 32
LOGIN = {"HUAWEICLOUD_SDK_AK": "ak", "HUAWEICLOUD_SDK_SK": "sk", "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT}
Row = dict[str, str | float]


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds by the clock, seconds of CPU, MiB at most."""

    wall: float
    cpu: float
    memory: float


def run(*words: str, folder: Path, **environment: str) -> Cost:
    """Run this Python with these words until it ends; RuntimeError unless it ended well."""
    with (folder / "output.txt").open("wb") as output:
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | environment,
        )
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{words}: exit {child.returncode}: {(folder / 'output.txt').read_text()[-2000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@contextmanager
def serving(
    images: int, latency: float = 0.0, throttle: float = 0.0, chance: float = 0.0, retry_after: int = 0
) -> Iterator[str]:
    """The URL of a minimal service in its own process."""
    numbers = (images, latency, throttle, chance, retry_after)
    words = [sys.executable, "-m", "tests.benchmarks.server", *map(str, numbers)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


@dataclass(frozen=True)
class Cleaned:
    """What `plan` and `apply` take; seconds from the first intent to the end; most deletes that came in one second."""

    plan: Cost
    apply: Cost
    deleting: float
    in_a_second: int


def clean(url: str, *apply: str, tag: str = "0.*") -> Cleaned:
    """`plan` and `apply` of all there is, or of what has the tag."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy, plan, journal = folder / "policy.yaml", folder / "plan.jsonl", folder / "journal.jsonl"
        policy.write_text(POLICY.replace("TAG", tag), encoding="utf-8")
        to = ["--endpoint", url, "--auth", "aksk"]
        words = ["-p", str(policy), "-o", str(plan), *to, "--rate", "100000"]
        made = run("-m", "cleanup", "plan", *words, folder=folder, **LOGIN)
        words = [str(plan), "--journal", str(journal), *to, *apply]
        applied = run("-m", "cleanup", "apply", *words, folder=folder, **LOGIN)
        begun, ended = [], 0.0
        for line in map(json.loads, journal.read_text(encoding="utf-8").splitlines()):
            moment = datetime.fromisoformat(line["timestamp"]).timestamp()
            if line["event"] == "delete.intent":
                begun.append(moment)
            elif line["event"] == "run.finished":
                ended = moment
    with urlopen(f"{url}/most", timeout=60) as answer:  # noqa: S310 - our own server
        most = int(answer.read())
    return Cleaned(made, applied, ended - min(begun, default=ended), most)


def deletes(count: int, at_once: int, latency: float) -> Iterator[Row]:
    """Deletes alone: seconds by the journal, CPU beside that of the same command with one delete.

    The whole command is beside it; peers have no journal, their start is that of their command with one delete.
    """

    def ours(tag: str) -> Cleaned:
        with serving(count, latency) as url:
            return clean(url, "--rate", "100000", "--concurrency", str(at_once), tag=tag)

    def peer(which: str, number: int) -> Cost:
        with serving(count, latency) as url, tempfile.TemporaryDirectory() as name:
            words = ["-m", "tests.benchmarks.peers", which, url, str(number), str(at_once)]
            return run(*words, folder=Path(name))

    one, all_of_them = ours("0.0.0"), ours("0.*")
    found = {"ours": (all_of_them.deleting, all_of_them.apply.cpu - one.apply.cpu, all_of_them.apply)}
    for which in ("sdk", "bare"):
        start, whole = peer(which, 1), peer(which, count)
        found[which] = (whole.wall - start.wall, whole.cpu - start.cpu, whole)
    seconds, cpu, _ = found["ours"]
    for which, (wall, used, whole) in found.items():
        yield {
            "what": f"deletes, {at_once} at once, {latency:g} s",
            "of": which,
            "per second": count / max(1e-9, wall),
            "CPU us each": 1e6 * used / count,
            "our speed : theirs": wall / max(1e-9, seconds),
            "our CPU : theirs": cpu / max(1e-9, used),
            "whole s": whole.wall,
            "whole CPU s": whole.cpu,
        }


def limits(planned: int, rates: list[int]) -> Iterator[Row]:
    """Seconds under a rate of our own, against planned / rate."""
    for rate in rates:
        for latency in (0.02, 0.2):
            with serving(planned, latency) as url:
                cleaned = clean(url, "--rate", str(rate), "--concurrency", "256")
            yield {
                "what": f"rate {rate}/s",
                "of": f"{latency:g} s latency",
                "elapsed : planned/rate": cleaned.deleting * rate / planned,
                "most in a second : rate": cleaned.in_a_second / rate,
            }


def throttling(planned: int) -> Iterator[Row]:
    """Seconds where 100 a second are let in while 1,000 are asked for, and where 5 % are refused by chance."""
    for retry_after in (0, 1):
        after = f", Retry-After: {retry_after}" if retry_after else ""
        with serving(planned, 0.02, throttle=100, retry_after=retry_after) as url:
            seconds = clean(url, "--rate", "1000", "--concurrency", "32").deleting
        yield {"what": "throttled", "of": f"100/s{after}", "elapsed : planned/100": seconds * 100 / planned}
        with serving(planned, 0.02, chance=0.05, retry_after=retry_after) as url:
            seconds = clean(url, "--rate", "800", "--concurrency", "64").deleting
        yield {"what": "throttled", "of": f"5 % by chance{after}", "per second": planned / max(1e-9, seconds)}


def commands(images: int) -> Iterator[Row]:
    """What single commands take, start-up included."""
    with tempfile.TemporaryDirectory() as name:
        for words in (["--version"], ["--help"], ["validate", "policies"]):
            cost = run("-m", "cleanup", *words, folder=Path(name))
            yield {"what": " ".join(words), "of": "ours", "CPU s": cost.cpu, "MiB": cost.memory}
    with serving(images) as url:
        yield from planning(url, images)


def planning(url: str, images: int) -> Iterator[Row]:
    """A plan, and reports of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy, plan = folder / "policy.yaml", folder / "plan.jsonl"
        policy.write_text(POLICY.replace("TAG", "0.*"), encoding="utf-8")
        words = ["-p", str(policy), "-o", str(plan), "--endpoint", url, "--auth", "aksk", "--rate", "100000"]
        made = run("-m", "cleanup", "plan", *words, folder=folder, **LOGIN)
        yield {"what": f"plan of {images} images", "of": "ours", "CPU s": made.cpu, "MiB": made.memory}
        for form in ("table", "markdown", "json", "jsonl", "csv", "html"):
            cost = run("-m", "cleanup", "report", str(plan), "--format", form, folder=folder)
            what = f"report of {images} images"
            yield {"what": what, "of": form, "seconds": cost.wall, "CPU s": cost.cpu, "MiB": cost.memory}


def decisions(sizes: list[int]) -> Iterator[Row]:
    """Microseconds an image: see `decisions.py`."""
    for row in measure(sizes):
        what = f"decision, {row['policy']}"
        yield {"what": what, "of": f"{row['images']}, {row['users']} users", "us an image": row["us"]}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--deletes", type=int, default=5000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--planned", type=int, default=2000, help="deletes under limits and throttling")
    parser.add_argument("--rates", type=int, nargs="*", default=[20, 100, 500, 1000])
    parser.add_argument("--only", nargs="*", help="deletes, latency, limits, throttling, commands, decisions")
    options = parser.parse_args(words)
    parts = {
        "deletes": deletes(options.deletes, AT_ONCE, 0.0),
        "latency": deletes(options.deletes, 64, 0.02),
        "limits": limits(options.planned, options.rates),
        "throttling": throttling(options.planned),
        "commands": commands(options.images),
        "decisions": decisions([options.images]),
    }
    rows: list[Row] = []
    for part in options.only or parts:
        for row in parts[part]:
            rows.append(row)
            figures = (f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float))
            print(f"{row['what']:30} {row['of']:30} {'  '.join(figures)}", file=sys.stderr, flush=True)  # noqa: T201
    print(json.dumps(rows, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
