"""What kind of file one is, by how it begins; and the commands, which call a file that was mistaken by its name."""

from pathlib import Path

import pytest

from cleanup.errors import RecordRejected, UsageError
from cleanup.kinds import FileKind, kind_in, kind_of, require_kind
from cleanup.plan import file as plan_file
from tests.support.cloud import Cli
from tests.support.kinds import BEGINNINGS

FILES = {
    "a.plan.jsonl": FileKind.PLAN,
    "a.inventory.jsonl": FileKind.INVENTORY,
    "a.jsonl": FileKind.JOURNAL,
    "a.restore.jsonl": FileKind.RESTORE_JOURNAL,
    "policy.yaml": FileKind.POLICY,
    "a.test.yaml": FileKind.TEST,
    "targets.yaml": FileKind.TARGETS,
    "report.json": FileKind.REPORT,
}
WRONG = [
    ("apply a.jsonl", "a.jsonl is a journal, not a plan: `report` shows it, `resume` finishes it"),
    ("apply policy.yaml", "policy.yaml is a policy, not a plan: `plan`, `run` and `explain` take it with -p"),
    ("apply empty", "empty is empty: it is not a plan"),
    ("apply binary", "binary is not a plan, or one whose beginning is damaged"),
    ("report binary", "binary is not a plan or a journal, or one whose beginning is damaged"),
    ("apply report.json", "report.json is a report, not a plan: it was made of a plan or a journal"),
    ("resume a.plan.jsonl", "a.plan.jsonl is a plan, not a journal: `apply` applies it"),
    (
        "resume a.restore.jsonl",
        "a.restore.jsonl is a restore journal, not a journal: `restore` reads it beside",
    ),
    ("restore a.plan.jsonl", "a.plan.jsonl is a plan, not a journal"),
    ("restore a.inventory.jsonl", "a.inventory.jsonl is an inventory, not a journal: `plan`"),
    ("report policy.yaml", "policy.yaml is a policy, not a plan or a journal: "),
    (
        "report targets.yaml",
        "targets.yaml is a targets file, not a plan or a journal: it is given with --targets",
    ),
    ("report a.inventory.jsonl", "a.inventory.jsonl is an inventory, not a plan or a journal"),
    ("validate a.plan.jsonl", "a.plan.jsonl:1:1: this is a plan, not a policy: `apply` applies it"),
    ("validate a.test.yaml", "a.test.yaml:1:1: this is a policy test, not a policy: `test` runs it"),
    (
        "validate targets.yaml",
        "targets.yaml:1:1: this is a targets file, not a policy: it is given with --targets",
    ),
    ("validate policy.yaml --inventory a.jsonl", "a.jsonl is a journal, not an inventory or a plan"),
    ("test policy.yaml", "policy.yaml:1:1: this is a policy, not a policy test: `plan`, `run`"),
    ("plan -p policy.yaml --inventory a.plan.jsonl", "a.plan.jsonl is a plan, not an inventory: `apply`"),
    ("plan -p policy.yaml --targets policy.yaml", "policy.yaml:1:1: this is a policy, not a targets file"),
    ("plan -p policy.yaml --pins a.plan.jsonl", "a.plan.jsonl is a plan, not a file of pins: `apply`"),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    texts = {name: BEGINNINGS[kind] for name, kind in FILES.items()}
    for name, text in {**texts, "empty": "", "binary": "\0\1\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("kind", list(BEGINNINGS))
def test_a_file_is_told_by_its_beginning(kind: FileKind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(BEGINNINGS[kind])
    assert kind_of(path) is kind
    assert kind_of(tmp_path) is FileKind.FOLDER


@pytest.mark.parametrize(
    "text",
    [
        "\0\1",
        "  rules: 1\n",
        '{"kind":',
        '{"event":"login"}',
        "<html>",
        "images:\n- a\n",
        "<?xml ?>\n<testsuites>",
    ],
)
def test_what_is_none_of_ours_is_of_another_kind(text: str) -> None:
    assert kind_in(text.encode()) is FileKind.OTHER


def test_what_cannot_be_read_is_left_to_its_reader(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    require_kind(missing, FileKind.PLAN)
    with pytest.raises(UsageError, match="missing: No such file"):
        plan_file.read_to_show(missing)


def test_the_right_kinds_are_let_through(files: Path) -> None:
    require_kind(files / "a.plan.jsonl", FileKind.PLAN)
    require_kind(files / "a.jsonl", FileKind.PLAN, FileKind.JOURNAL)
    with pytest.raises(RecordRejected, match=r"is a journal, not a plan or an inventory: "):
        require_kind(files / "a.jsonl", FileKind.PLAN, FileKind.INVENTORY)


@pytest.mark.parametrize(("line", "said"), WRONG, ids=[line for line, _ in WRONG])
def test_a_file_that_was_mistaken_is_called_by_its_name(
    cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.setenv("MODELARTS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELARTS_AUTH", "none")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", "0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    called = cli(*line.split())
    assert said in called.stdout + called.stderr
    yaml = line.startswith(("test", "validate a", "validate t")) or "--targets" in line or "--pins" in line
    assert called.exit_code == (2 if yaml else 8)
