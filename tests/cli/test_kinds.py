"""What a file is, told by its beginning."""

from pathlib import Path

import pytest

from cleanup.cli.kinds import PathKind, kind_of
from tests.support.cloud import Cli
from tests.support.kinds import BEGINNINGS


@pytest.mark.parametrize("kind", list(BEGINNINGS))
def test_a_file_is_told_by_its_beginning(kind: PathKind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(BEGINNINGS[kind])
    assert kind_of(path) is kind
    assert kind_of(tmp_path) is PathKind.FOLDER


def test_report_names_the_command_that_takes_a_policy(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(BEGINNINGS[PathKind.POLICY])
    called = cli("report", "policy.yaml")
    assert called.exit_code == 8
    assert (
        "policy.yaml is a policy, not a plan or a journal: `plan`, `run` and `explain` take it"
        in called.stderr
    )
    assert cli("report", "missing.jsonl").exit_code == 2
