"""The benchmarks still run, on next to nothing; how fast anything is, no test says."""

import json
import subprocess
import sys


def test_every_benchmark_runs() -> None:
    sizes = ["--deletes", "20", "--images", "20", "--planned", "20", "--rates", "1000"]
    words = [sys.executable, "-m", "tests.benchmarks", *sizes]
    rows = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert [row["of"] for row in rows if row["what"] == "deletes"] == ["ours", "sdk", "bare"]
    assert {"rate 1000/s", "throttled", "--version", "plan of 20 images"} <= {row["what"] for row in rows}
