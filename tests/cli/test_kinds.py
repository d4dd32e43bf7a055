"""A file given to the wrong command is called by its name, with the command that takes it."""

from pathlib import Path

import pytest

from cleanup.cli.kinds import PathKind, kind_of, require_kind
from cleanup.errors import UsageError
from tests.support.cloud import Cli
from tests.support.kinds import BEGINNINGS


@pytest.mark.parametrize("kind", list(BEGINNINGS))
def test_a_file_is_told_by_its_beginning(kind: PathKind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(BEGINNINGS[kind])
    assert kind_of(path) is kind
    assert kind_of(tmp_path) is PathKind.FOLDER
    if kind is PathKind.OTHER:
        assert require_kind(path, "report", PathKind.PLAN) is kind
        return
    with pytest.raises(UsageError, match=f"file is {kind}, and `report` takes a cake: .") as caught:
        require_kind(path, "report", "a cake")  # type: ignore[arg-type]
    assert "{0}" not in str(caught.value)


def test_report_names_the_command_that_takes_a_policy(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(BEGINNINGS[PathKind.POLICY])
    called = cli("report", "policy.yaml")
    assert called.exit_code == 2
    assert "policy.yaml is a policy, and `report` takes a plan or a journal" in called.stderr
    assert "image-cleanup plan -p policy.yaml" in called.stderr
    assert cli("report", "missing.jsonl").exit_code == 2
