"""The benchmarks still run, on next to nothing; how fast anything is, no test says."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import clean, main, run, serving
from tests.benchmarks.throttling_grid import chances, limits

pytestmark = pytest.mark.no_cover  # conftest says why


def test_ours_and_the_peers_delete(tmp_path: Path) -> None:
    with serving(5) as url:
        assert clean(url, "--rate", "1000").in_a_second == 5
        run("-m", "tests.benchmarks.peers", "bare", url, "2", "2", folder=tmp_path)
        run("-m", "tests.benchmarks.peers", "sdk", url, "2", "2", folder=tmp_path)


def test_what_is_measured_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--images", "20", "--only", "decisions"])
    assert [row["of"] for row in json.loads(capsys.readouterr().out)][:4:2] == 2 * ["20, 0 users"]


def test_the_grid_of_throttled_services() -> None:
    assert len({case.kind for case in (*limits(1), *chances(1))}) == 12
    assert next(limits(1)).elapsed(1) > 0
