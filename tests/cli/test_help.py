"""The help that a command gives, the version, and what a shell completes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cleanup.cli.pages import EXIT_CODES, FRONT, PAGES
from tests.support import command_lines
from tests.support.cloud import Cli

EXAMPLES = [example for page in (FRONT, *PAGES.values()) for example in page.examples]


def test_every_command_has_its_page() -> None:
    assert sorted(PAGES) == sorted(command_lines.commands())
    assert all(set(page.codes) | set(page.words) <= set(EXIT_CODES) for page in PAGES.values())


@pytest.mark.parametrize("example", sorted(set(EXAMPLES)))
def test_every_example_is_understood(example: str) -> None:
    [words] = command_lines.in_shell(example)
    command_lines.check(words)


@pytest.mark.parametrize("name", ["", *PAGES])
def test_a_help_page_fits_on_two_screens_and_ends_with_examples_and_exit_codes(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    called = cli(*name.split(), "-h")
    lines = called.stdout.splitlines()
    page = PAGES.get(name, FRONT)
    assert called.exit_code == 0
    assert len(lines) <= 54
    assert max(map(len, lines)) <= 80
    assert [f"  {example}" for example in page.examples] == [
        line for line in lines[lines.index("Examples:") :] if line.startswith("  image-cleanup")
    ]
    said = " ".join(lines[lines.index("Exit codes:") + 1 :])
    assert {0, 1, 2, *page.codes} == {int(code) for code in re.findall(r"(?:^|;)\s+(\d+) ", said)}
    assert "--iam-\n" not in called.stdout


def test_all_help_says_what_the_shared_options_do(cli: Cli) -> None:
    short, whole = cli("plan", "--help").stdout, cli("plan", "--help-all").stdout
    named = [word for word in command_lines.options_of("plan") if word.startswith("--")]
    assert [word for word in named if word not in short] == []
    assert "Requests a second, at most." in whole
    assert "Requests a second, at most." not in short
    assert "Faults take" in cli("simulate", "--help-all").stdout


def test_the_version_in_full_is_what_a_bug_report_needs(cli: Cli, tmp_path: Path) -> None:
    [line] = cli("--version").stdout.splitlines()
    for words in (["--version", "--verbose"], ["-v", "--version"]):
        first, *rest = cli(*words).stdout.splitlines()
        assert first == line
        assert [fact.split()[0] for fact in rest] == [
            "python", "platform", "openssl", "encoding", "terminal", "libraries"
        ]  # fmt: skip
        assert "aiohttp 3." in rest[-1]
        assert str(Path.home()) not in "".join(rest)


# ---- completion


def completed(cli: Cli, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What bash is told for the last of the words."""
    monkeypatch.setenv("_IMAGE_CLEANUP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["image-cleanup", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    called = cli()
    assert (called.exit_code, called.stderr) == (0, "")
    return called.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("re",), ["plain,resume", "plain,report", "plain,restore"]),
        (("plan", "--format", "c"), ["plain,csv"]),
        (("plan", "--auth", "ak"), ["plain,aksk"]),
        (("apply", "--max-s"), ["plain,--max-staleness"]),
        (("apply", "pl"), ["file,pl"]),
        (("plan", "-p", "po"), ["file,po"]),
        (("--log-format", "j"), ["plain,json"]),
        (("completion", "z"), ["plain,zsh"]),
    ],
    ids=" ".join,
)
def test_a_word_is_completed_whatever_the_environment(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], expected: list[str]
) -> None:
    monkeypatch.setenv("MODELARTS_ENDPOINT", "")
    monkeypatch.setenv("MODELARTS_AUTH", "nobody")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", "no project \r\n")
    assert completed(cli, monkeypatch, *words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(cli: Cli, tmp_path: Path, shell: str) -> None:
    called = cli("completion", shell)
    assert called.exit_code == 0
    assert f"_IMAGE_CLEANUP_COMPLETE={shell}_complete" in called.stdout
    if found := shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(called.stdout, encoding="utf-8")
        subprocess.run([found, "-n", script], check=True)
