"""`python -m tests.benchmarks`: ours, the peers and the ratio in one run, as a table on stderr and JSON on stdout."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.benchmarks.peers import PROJECT

POLICY = """\
version: 1
rules:
  - name: old
    match: {visibility: PRIVATE, namespace: "ns-*", tag: "0.*", status: ACTIVE}
    older_than: 90d
    force: true
limits: {max_deletes: 10000000, max_percent: 100}
"""
AT_ONCE = 32
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
def serving(images: int, latency: float = 0.0, throttle: float = 0.0) -> Iterator[str]:
    """The URL of a minimal service in its own process."""
    words = [sys.executable, "-m", "tests.benchmarks.server", str(images), str(latency), str(throttle)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def clean(url: str, *apply: str) -> tuple[Cost, Cost, float]:
    """What `plan` and `apply` take, and the seconds from the first intent to the last result."""
    login = {"HUAWEICLOUD_SDK_AK": "ak", "HUAWEICLOUD_SDK_SK": "sk", "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy, plan, journal = folder / "policy.yaml", folder / "plan.jsonl", folder / "journal.jsonl"
        policy.write_text(POLICY, encoding="utf-8")
        to = ["--endpoint", url, "--auth", "aksk"]
        made = run(
            "-m",
            "cleanup",
            "plan",
            "-p",
            str(policy),
            "-o",
            str(plan),
            *to,
            "--rate",
            "100000",
            folder=folder,
            **login,
        )
        words = ["-m", "cleanup", "apply", str(plan), "--journal", str(journal), *to, *apply]
        applied = run(*words, folder=folder, **login)
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        moments = [
            datetime.fromisoformat(line["timestamp"])
            for line in lines
            if line["event"] in ("delete.intent", "delete.result")
        ]
        return made, applied, (max(moments) - min(moments)).total_seconds()


def deletes(count: int) -> Iterator[Row]:
    """Deletes a second and CPU a delete: the difference of a large and a small run, so start-up is left out."""
    few = max(1, count // 10)
    more = count - few

    def ours(number: int) -> Cost:
        with serving(number) as url:
            return clean(url, "--rate", "100000", "--concurrency", str(AT_ONCE))[1]

    def peer(which: str, number: int) -> Cost:
        with serving(count) as url, tempfile.TemporaryDirectory() as name:
            words = ["-m", "tests.benchmarks.peers", which, url, str(number), str(AT_ONCE)]
            return run(*words, folder=Path(name))

    costs = {"ours": (ours(few), ours(count))}
    costs |= {which: (peer(which, few), peer(which, count)) for which in ("sdk", "bare")}
    mine = costs["ours"][1].cpu - costs["ours"][0].cpu
    for which, (small, large) in costs.items():
        yield {
            "what": "deletes",
            "of": which,
            "per second": more / max(1e-9, large.wall - small.wall),
            "CPU us each": 1e6 * (large.cpu - small.cpu) / more,
            "our CPU : theirs": mine / max(1e-9, large.cpu - small.cpu),
        }


def limits(planned: int, rates: list[int]) -> Iterator[Row]:
    """Seconds under a rate of our own, against planned / rate."""
    for rate in rates:
        for latency in (0.02, 0.2):
            with serving(planned, latency) as url:
                seconds = clean(url, "--rate", str(rate), "--concurrency", "256")[2]
            yield {
                "what": f"rate {rate}/s",
                "of": f"{latency:g} s latency",
                "elapsed : planned/rate": seconds * rate / planned,
            }


def throttling(planned: int) -> Iterator[Row]:
    """Seconds where 100 a second are let in while 1,000 are asked for."""
    with serving(planned, 0.02, 100) as url:
        seconds = clean(url, "--rate", "1000", "--concurrency", "32")[2]
    yield {"what": "throttled", "of": "100/s of 1,000", "elapsed : planned/100": seconds * 100 / planned}


def commands(images: int) -> Iterator[Row]:
    """What single commands take, start-up included."""
    with tempfile.TemporaryDirectory() as name:
        for words in (["--version"], ["--help"], ["validate", "policies"]):
            cost = run("-m", "cleanup", *words, folder=Path(name))
            yield {"what": " ".join(words), "of": "ours", "CPU s": cost.cpu, "MiB": cost.memory}
    with serving(images) as url:
        made, _, _ = clean(url, "--rate", "100000", "--concurrency", str(AT_ONCE))
    yield {"what": f"plan of {images} images", "of": "ours", "CPU s": made.cpu, "MiB": made.memory}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--deletes", type=int, default=5000)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--planned", type=int, default=2000, help="deletes under limits and throttling")
    parser.add_argument("--rates", type=int, nargs="*", default=[20, 100, 500, 1000])
    options = parser.parse_args()
    rows: list[Row] = []
    for part in (
        deletes(options.deletes),
        limits(options.planned, options.rates),
        throttling(options.planned),
        commands(options.images),
    ):
        for row in part:
            rows.append(row)
            figures = (f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float))
            print(f"{row['what']:24} {row['of']:16} {'  '.join(figures)}", file=sys.stderr, flush=True)  # noqa: T201
    print(json.dumps(rows, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
