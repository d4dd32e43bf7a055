"""The benchmark of decisions runs. What it measures is nobody's promise here."""

import json

import pytest

from tests.benchmarks import decisions

pytestmark = pytest.mark.no_cover  # conftest says why


def test_every_policy_is_measured_with_and_without_users(capsys: pytest.CaptureFixture[str]) -> None:
    decisions.main(["--json", "20"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["policy"], row["users"] > 0) for row in rows if "rule" in row["policy"]] == [
        ("one rule", False),
        ("one rule", True),
        ("ten rules", False),
        ("ten rules", True),
    ]
    decisions.main(["20"])
    assert len(capsys.readouterr().out.splitlines()) == len(rows) + 1
