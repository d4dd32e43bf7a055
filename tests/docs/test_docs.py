"""What the documents say is what the product does: blocks validate, commands parse, tables match the code."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanup import errors
from cleanup.cli.ends import worst
from cleanup.cli.options import Connecting, Deleting, Telling, Working
from cleanup.cli.pages import EXIT_CODES
from cleanup.cli.work.plan import SOMETHING_TO_DELETE
from cleanup.config.keys import PROCESS_KEYS, TARGET_KEYS
from cleanup.config.pins import read_pins
from cleanup.config.targets import make_targets, read_targets_file
from cleanup.decision.case_syntax import FILE_KEYS as CASE_KEYS
from cleanup.decision.cases import compare, load_cases
from cleanup.decision.select import select
from cleanup.decision.types import Reason
from cleanup.durations import parse_duration
from cleanup.image import Image
from cleanup.modelarts.auth.names import Auth
from cleanup.outcome import Outcome, exit_code, tally
from cleanup.policy import load
from cleanup.policy.conditions import CONDITION_KEYS, ENUMERATED
from cleanup.policy.lint import lint
from cleanup.policy.load import DEFAULT_LIMITS
from cleanup.policy.rules import FILE_KEYS, GROUP_FIELDS, LIMITS_KEYS, RULE_KEYS
from cleanup.policy.sizes import UNITS
from cleanup.reports import FORMATS, Format
from cleanup.simulator import PROJECT_ID, Service, build_world
from cleanup.stop import Cause
from tests.support import command_lines
from tests.support.builders import ROOT, lines_of, needs, real_now
from tests.support.cloud import Cli, Serve

DOCUMENTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "policies/README.md",
        "deploy/README.md",
        "deploy/runbooks/README.md",
        "cleanup/modelarts/API.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        "CHANGELOG.md",
    )
}
README, LANGUAGE, OPERATIONS, INDEX, API, CONTRIBUTING, SECURITY, CHANGELOG = DOCUMENTS.values()
RUNBOOKS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "deploy" / "runbooks").glob("*.md"))
}
DOCUMENTS |= RUNBOOKS
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
every_document = pytest.mark.parametrize("name", DOCUMENTS)
# The options that every command that connects takes.
CONNECTING = re.findall(
    r"\S+",
    "--endpoint --region --project-id --workspace --auth --iam-endpoint --targets --shard --ca-bundle "
    "--config --log-format --quiet --verbose --rate --concurrency --timeout --max-attempts --in-use --users "
    "--job-history --pins",
)
TELLING = ["--metrics-file", "--pushgateway", "--notify"]
DELETING = ["--deadline", "--max-staleness", "--settle-timeout", "--drain-timeout", "--breaker"]


def table(markdown: str, header: str) -> list[list[str]]:
    """The rows of the one table whose header line begins so, each as its cells."""
    [found] = re.findall(rf"^\| {re.escape(header)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", markdown, re.MULTILINE)
    rows = found.replace("\\|", "\0").splitlines()
    return [[cell.strip().replace("\0", "|") for cell in row.strip("|").split("|")] for row in rows]


def code(text: str) -> list[str]:
    """The spans of code in a cell, or in prose."""
    return re.findall(r"`([^`]+)`", text)


def section(document: str, title: str) -> str:
    """What stands below a heading, up to the next one."""
    [found] = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^##|\Z)", document, re.DOTALL | re.MULTILINE)
    return str(found)


def prose(document: str) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", document, flags=re.DOTALL | re.MULTILINE)


def headings(document: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)


def anchor(heading: str) -> str:
    """How a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


# ---- the documents and what is said of them


def test_the_readme_is_a_front_page() -> None:
    assert len(README.splitlines()) < 200


def tracked() -> list[Path]:
    """The files of the repository, as far as they are there."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("only a clone, and git, can tell what belongs to the repository")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_the_top_level_stays_as_it_is() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} == {
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "cleanup",
        "deploy",
        "policies",
        "pyproject.toml",
        "tests",
    }


def test_every_document_that_is_named_is_in_the_repository() -> None:
    documents = {str(path.relative_to(ROOT)) for path in tracked() if path.suffix == ".md"}
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked()
        for name in named_documents(path.read_text(encoding="utf-8", errors="replace"))
        if not any(f"/{document}".endswith(f"/{name.replace('../', '')}") for document in documents)
    ]
    assert missing == []


def named_documents(text: str) -> list[str]:
    return re.findall(r"(?<![\w./-])[\w./-]*\w\.md\b", re.sub(r"https?://\S+", "", text))


def test_every_part_of_a_document_that_is_named_is_there() -> None:
    """`API.md, trap 4` and `README.md, Exit codes`, wherever they stand."""
    named = [
        (path.relative_to(ROOT), document, part)
        for path in tracked()
        for document, part in re.findall(
            r"([\w/]+)\.md,[\s#]+(trap \d+|[A-Z][\w ]+)", path.read_text(encoding="utf-8", errors="replace")
        )
    ]
    assert len(named) > 20
    missing = [one for one in named if not any(map(one[2].startswith, parts_of(one[1])))]
    assert missing == []


def parts_of(name: str) -> list[str]:
    """The headings of the documents of this name, and their numbered traps."""
    found = [text for path, text in DOCUMENTS.items() if f"/{path}".endswith(f"/{name}.md")]
    traps = [f"trap {number}" for text in found for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    return [*traps, *(heading for text in found for heading in headings(text))]


@every_document
def test_every_link_leads_somewhere(name: str) -> None:
    path = ROOT / name
    for link, _, fragment in re.findall(r"\]\((?!https?:)([^)#]*)(#?)([^)]*)\)", DOCUMENTS[name]):
        target = path.parent / link if link else path
        assert target.exists(), link
        if fragment:
            assert fragment in map(anchor, headings(target.read_text(encoding="utf-8")))


@every_document
def test_a_document_has_a_heading_once(name: str) -> None:
    anchors = [anchor(heading) for heading in headings(DOCUMENTS[name])]
    if name != "CHANGELOG.md":
        assert len(anchors) == len(set(anchors))


def test_the_traps_are_numbered_for_good() -> None:
    numbers = re.findall(r"^(\d+)\. ", section(API, "Traps"), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))


def test_contributing_names_files_that_are_there() -> None:
    named = {
        name
        for name in code(prose(CONTRIBUTING))
        if re.match(r"(cleanup|tests|policies|deploy|\.ci)/[\w./-]+$", name)
    }
    assert len(named) > 40
    assert not [name for name in named if not (ROOT / name).exists()]


def test_contributing_leads_through_every_room() -> None:
    rows = table(CONTRIBUTING, "room")
    named = [word.rstrip("/").removesuffix(".py") for row in rows for word in code(row[0])]
    rooms = {
        path.stem for path in (ROOT / "cleanup").iterdir() if not path.name.startswith(("_", "py.typed"))
    }
    assert sorted(named) == sorted(rooms)


def test_contributing_has_the_strangers_six_questions() -> None:
    assert len(table(CONTRIBUTING, "what you heard")) == 6


# ---- the files that are shown


def yaml_blocks(key: str) -> list[str]:
    return [block for block in every_yaml_block() if key in yaml.safe_load(block)]


def every_yaml_block() -> list[str]:
    return [block for text in DOCUMENTS.values() for block in command_lines.blocks(text, "yaml")]


def test_every_yaml_block_is_a_policy_a_targets_file_or_a_policy_test() -> None:
    [policy], [case] = yaml_blocks("rules"), yaml_blocks("images")
    assert sorted(every_yaml_block()) == sorted([policy, *yaml_blocks("targets"), case])


def test_the_policy_shows_every_key_and_is_valid_without_a_doubt(tmp_path: Path) -> None:
    [block] = yaml_blocks("rules")
    (tmp_path / "policy.yaml").write_text(block, encoding="utf-8")
    assert lint(load([tmp_path / "policy.yaml"])) == ()
    shown = yaml.safe_load(block)
    assert shown.keys() == FILE_KEYS.keys()
    assert {key for rule in shown["rules"] for key in rule} == RULE_KEYS.keys() - {"delete_all"}
    assert shown["limits"].keys() == LIMITS_KEYS.keys()
    assert f"default {DEFAULT_LIMITS.max_deletes}" in block
    assert f"default {DEFAULT_LIMITS.max_percent:g}" in block


def first_policy() -> str:
    [found] = re.findall(r"cat > policy\.yaml <<'END'\n(.*?)^END$", README, re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_policy_test_passes_on_the_first_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(first_policy(), encoding="utf-8")
    [block] = yaml_blocks("images")
    (tmp_path / "policy.test.yaml").write_text(block, encoding="utf-8")
    cases = load_cases(tmp_path / "policy.test.yaml")
    decisions = select(cases.images, load(cases.policies), cases.in_use, cases.now)
    assert compare(cases, decisions) == ()
    assert len(cases.expectations) > 2


def test_the_table_of_keys_is_complete() -> None:
    rows = table(OPERATIONS, "keys")
    assert sorted(span for row in rows for span in code(row[0])) == sorted([*PROCESS_KEYS, *TARGET_KEYS])
    assert code(rows[0][0]) == list(PROCESS_KEYS)


def test_the_targets_file_is_one(tmp_path: Path) -> None:
    one, block = yaml_blocks("targets")
    (tmp_path / "targets.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "one.yaml").write_text(one, encoding="utf-8")
    assert read_targets_file(tmp_path / "one.yaml").process["journal"].words == f"{tmp_path}/journals/"
    targets = make_targets(read_targets_file(tmp_path / "targets.yaml"), {})
    assert [target.auth for target in targets] == [Auth.AKSK, Auth.PASSWORD]
    assert targets[0].policies == (tmp_path / "policies/vision.yaml",)


# ---- the policy language


@pytest.mark.parametrize("row", table(LANGUAGE, "condition"), ids=lambda row: row[0])
def test_every_condition_of_the_table_is_valid(row: list[str], tmp_path: Path) -> None:
    [condition] = code(row[0])
    rule = {"name": "r", "match": "PLACE", "older_than": "90d"}
    text = yaml.safe_dump({"version": 1, "rules": [rule]}).replace("PLACE", f"{{{condition}}}")
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    policy = load([tmp_path / "policy.yaml"])
    assert [doubt.message for doubt in lint(policy)] == []


def test_every_field_and_word_of_the_language_is_named() -> None:
    conditions, groups = section(LANGUAGE, "Conditions"), section(LANGUAGE, "keep_last")
    assert [key for key in CONDITION_KEYS if f"`{key}" not in conditions] == []
    assert [key for key in GROUP_FIELDS if f"`{key}" not in groups] == []
    assert "delete_all: true" in LANGUAGE
    for field, words in ENUMERATED.items():
        assert [word for word in words if word not in conditions and field != "status"] == []
    assert [row[0].strip("`") for row in table(LANGUAGE, "limit")] == list(LIMITS_KEYS)
    assert [key for key in CASE_KEYS if f"`{key}`" not in section(LANGUAGE, "Policy tests")] == []
    fields = Image.__struct_fields__
    told = (
        section(LANGUAGE, "Policy tests")
        .replace("create_at", "created_at")
        .replace("update_at", "updated_at")
    )
    assert [
        field
        for field in fields
        if f"`{field}`" not in told and field not in ("record", "spool", "unreadable")
    ] == []
    assert {"KB", "TB", "KiB", "TiB"} <= UNITS.keys()


def test_the_durations_are_durations() -> None:
    [line] = re.findall(r"\*\*Durations\*\*(.*?)Months", LANGUAGE, re.DOTALL)
    durations = [span for span in code(line) if span[0].isdigit()]
    assert len(durations) == 3
    for duration in durations:
        assert parse_duration(duration)


def test_reasons_and_outcomes_are_all_there_in_their_order() -> None:
    assert [code(row[0]) for row in table(LANGUAGE, "reason")] == [[reason.value] for reason in Reason]
    assert [code(row[0]) for row in table(OPERATIONS, "outcome")] == [[outcome.value] for outcome in Outcome]


def test_the_example_policies_are_as_many_as_is_said() -> None:
    examples = [path for path in (ROOT / "policies").glob("*.yaml") if ".test." not in path.name]
    words = {8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}
    assert f"with {words[len(examples)]} commented examples" in README
    listed = re.findall(r"\]\((.*?)\)", "".join(row[0] for row in table(LANGUAGE, "file")))
    assert sorted(listed) == sorted(path.name for path in examples)


# ---- commands and options


def test_every_command_is_in_the_table_and_no_other() -> None:
    named = [code(row[0])[0].split()[0] for row in table(README, "command")]
    assert sorted(named) == sorted(command_lines.commands())


def test_the_commands_that_delete_are_marked() -> None:
    """What deletes can be told to stop in time: those commands and no others take --deadline."""
    marked = {code(row[0])[0].split()[0] for row in table(README, "command") if row[2]} - {"demo"}
    stoppable = {name for name in command_lines.commands() if "--deadline" in command_lines.options_of(name)}
    assert marked == stoppable


@pytest.mark.parametrize("name", command_lines.commands())
def test_every_command_and_every_option_has_help(name: str, cli: Cli) -> None:
    called = cli(name, "--help")
    assert called.exit_code == 0
    assert f"image-cleanup {name} [OPTIONS]" in called.stdout
    command = command_lines.commands()[name]
    assert command.help
    for word, parameter in command_lines.options_of(name).items():
        assert parameter is None or parameter.help, f"{name} {word}"


COMMAND_LINES = [
    pytest.param(words, id=f"{name}: {' '.join(words)}")
    for name, text in DOCUMENTS.items()
    for words in command_lines.in_markdown(text)
]


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_every_command_line_is_understood(words: list[str]) -> None:
    command_lines.check(words)


@pytest.mark.parametrize(
    "document", [README + LANGUAGE + OPERATIONS, "".join(RUNBOOKS.values())], ids=["pages", "runbooks"]
)
def test_the_command_lines_are_found(document: str) -> None:
    """Every command but those that need no example of their own is shown, and in the runbooks again."""
    found = {words[0] for words in command_lines.in_markdown(document)}
    assert found >= {"validate", "plan", "apply", "resume", "explain", "report", "restore", "doctor", "test"}


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["plam", "-p", "policies"], "plam"),
        (["plan", "--polices", "policies"], "--polices"),
        (["report", "plan.jsonl", "--format", "xml"], "xml"),
        (["apply"], "plan"),
    ],
)
def test_a_command_line_that_does_not_exist_is_noticed(words: list[str], wrong: str) -> None:
    with pytest.raises(Exception, match=re.compile(wrong, re.IGNORECASE)):
        command_lines.check(words)


def test_the_commands_that_connect_take_what_the_contract_promises() -> None:
    for name in ("plan", "apply", "run", "resume", "explain", "diff", "restore", "doctor"):
        assert [word for word in CONNECTING if word not in command_lines.options_of(name)] == []
    for name in ("apply", "run", "resume"):
        assert [word for word in DELETING if word not in command_lines.options_of(name)] == []
    for name in ("apply", "run"):
        assert "--journal" in command_lines.options_of(name)


def test_the_options_table_is_what_the_commands_take() -> None:
    rows = table(OPERATIONS, "option")
    options, known = command_lines.options_of("run"), {*CONNECTING, *DELETING, *TELLING, "--journal"}
    named = [span.split()[0] for row in rows for span in code(row[0])]
    assert sorted(named) == sorted(known)
    groups = (Connecting, Working, Deleting, Telling)
    assert len(known - {"--journal", "--log-format", "--quiet", "--verbose"}) == sum(
        len(group.__dataclass_fields__) for group in groups
    )
    for row in rows:
        read = {variable for word in code(row[0]) for variable in variables(options[word.split()[0]])}
        assert read == set(code(row[1])) - {"JOB_COMPLETION_INDEX", "IMAGE_CLEANUP_SHARDS"}


def variables(parameter: Any) -> list[str]:
    found = parameter.envvar or []
    return [found] if isinstance(found, str) else list(found)


def test_the_defaults_in_the_options_table_are_the_defaults() -> None:
    options = command_lines.options_of("run")
    said = {
        span.split()[0]: default
        for row in table(OPERATIONS, "option")
        for span, default in zip(code(row[0]), re.split(r", ", row[2]), strict=False)
    }
    for name in (*CONNECTING, *DELETING):
        default = options[name].default
        if default is not None and not options[name].is_flag and said[name] != "the system's":
            shown = f"{default:g}" if isinstance(default, float) else str(default)
            assert said[name] == f"`{shown}`", name


def test_the_ways_to_log_in_are_all_there() -> None:
    assert [code(row[0]) for row in table(OPERATIONS, "`--auth`")] == [[auth.value] for auth in Auth]


def test_every_format_is_named() -> None:
    [row] = [row for row in table(README, "command") if row[0].startswith("`report")]
    assert [name for name in FORMATS if name not in row[1].lower()] == []
    assert [code(row[0])[0] for row in table(OPERATIONS, "format")] == [
        one for one in Format if one is not Format.HTML
    ]


# ---- exit codes


def ended(*outcomes: Outcome, cause: Cause | None = None) -> int:
    return exit_code(tally(outcomes), cause)


def implemented() -> dict[int, str]:
    """What leads to each exit code in the code, by a word that its row must have."""
    return {
        ended(Outcome.DELETED, Outcome.DRIFTED, Outcome.ALREADY_GONE): "all done",
        errors.CleanupError.exit_code: "a bug",
        errors.PolicyError.exit_code: "policy",
        ended(Outcome.DELETED, Outcome.FAILED): "`failed`",
        errors.LimitExceeded.exit_code: "limit",
        errors.AccessDenied.exit_code: "credentials or permission",
        errors.InventoryError.exit_code: "could not be read completely",
        errors.Interrupted.exit_code: "interrupted",
        errors.RecordRejected.exit_code: "expired, damaged or for another target",
        SOMETHING_TO_DELETE: "something to delete",
    }


@pytest.mark.parametrize(
    ("document", "header"), [(README, "code"), (INDEX, "exit code")], ids=["README", "runbooks"]
)
def test_the_exit_codes_are_those_of_the_code(document: str, header: str) -> None:
    rows = {int(row[0]): row[1] for row in table(document, header)}
    assert list(rows) == sorted(implemented())
    for number, words in implemented().items():
        assert words in rows[number]


def test_what_the_exit_code_table_says_of_outcomes_is_so() -> None:
    rows = {int(row[0]): row[1] for row in table(README, "code")}
    bad = [Outcome(word) for word in code(rows[3])]
    assert [ended(Outcome.DELETED, outcome) for outcome in bad] == [3, 3, 3]
    assert ended(Outcome.NOT_ATTEMPTED, cause=Cause.BREAKER) == 3
    assert "breaker" in rows[3]
    assert ended(Outcome.DENIED, Outcome.DENIED) == ended(Outcome.NOT_ATTEMPTED, cause=Cause.DENIED) == 5
    assert {
        ended(Outcome.NOT_ATTEMPTED, cause=cause) for cause in (Cause.SIGNAL, Cause.DEADLINE, Cause.EXPIRED)
    } == {7}
    assert ended(Outcome.DELETED, cause=Cause.JOURNAL) == 7
    assert "disk" in rows[7]


def test_the_worst_exit_code_of_many_targets_is_as_is_said() -> None:
    assert "The exit code is the worst of all: 1 first, then the highest" in OPERATIONS
    assert (worst([0, 5, 1, 7]), worst([3, 6, 10]), worst([0, 10]), worst([0])) == (1, 6, 10, 0)


def test_the_help_ends_in_the_same_exit_codes() -> None:
    assert list(EXIT_CODES) == sorted(implemented())


# ---- what readers paste


def test_the_walk_through_works(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of the first five minutes, in their order, against the project that `simulate` serves."""
    walk = section(README, "A tour in five minutes")
    [serve] = [words for words in command_lines.in_markdown(walk) if words[0] == "simulate"]
    assert serve == ["simulate", "--port", "8080"]
    assert f"HUAWEICLOUD_SDK_PROJECT_ID={PROJECT_ID}\n" in walk
    assert "MODELARTS_ENDPOINT=http://127.0.0.1:8080 MODELARTS_AUTH=none\n" in walk
    parameters = {parameter.name: parameter for parameter in command_lines.commands()["simulate"].params}
    world = build_world(parameters["seed"].default, parameters["images"].default, real_now())
    cloud = serve_cloud(Service(world, real_now))
    monkeypatch.setenv("MODELARTS_ENDPOINT", cloud.url)
    monkeypatch.setenv("MODELARTS_AUTH", "none")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT_ID)
    (tmp_path / "policy.yaml").write_text(first_policy(), encoding="utf-8")
    said = {
        words[0]: cli(*words, *fast(words)) for words in command_lines.in_markdown(walk) if words != serve
    }
    assert list(said) == ["validate", "plan", "explain", "apply", "report"]
    assert {called.exit_code for called in said.values()} == {0}
    assert "protected" in said["explain"].stdout
    deletes = [line for line in lines_of(tmp_path / "first.plan.jsonl") if line.get("action") == "delete"]
    assert len(deletes) > 50
    assert len(cloud.deleted) == len(deletes)
    assert f"{len(deletes)} of {len(deletes)} planned images deleted" in said["report"].stdout


def fast(words: list[str]) -> list[str]:
    return ["--rate", "2000"] if words[0] in ("plan", "apply", "explain") else []


def test_the_demo_plans_shows_applies_and_shows(cli: Cli) -> None:
    called = cli("demo")
    assert called.exit_code == 0
    assert re.search(r"planned images deleted, [1-9]", called.output)
    assert len(called.stdout.splitlines()) <= 60


@needs("jq")
def test_the_pins_are_gathered_as_is_said(tmp_path: Path) -> None:
    jobs = {"items": [{"algorithm": {"engine": {"image_url": "ml-vision/trainer:v1", "engine_id": 7}}}]}
    models = {"source_location": "https://bucket.obs.example.com/model"}, {"source_location": None}
    pods = {"items": [{"spec": {"containers": [{"image": "swr.example.com/ml/chat:2"}, {"image": "nginx"}]}}]}
    for name, document in (("jobs", jobs), ("models", models), ("pods", pods)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    [block] = [block for block in command_lines.blocks(LANGUAGE, "sh") if "pins.txt" in block]
    gather = block.replace("kubectl get pods -A -o json", "cat pods.json").partition("image-cleanup plan")[0]
    subprocess.run(["/bin/sh", "-euc", gather], check=True, cwd=tmp_path)
    uses = read_pins([tmp_path / "pins.txt"]).uses
    assert {use.name or use.swr_path for use in uses} == {"ml-vision/trainer:v1", "swr.example.com/ml/chat:2"}


def test_the_set_up_lines_are_there_and_ci_takes_its_test_command_from_them() -> None:
    demo, test = (
        line
        for block in command_lines.blocks(section(README, "See it work"), "sh")
        for line in block.splitlines()
        if line.startswith("python3 -m venv .venv && ")
    )
    assert demo == "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/image-cleanup demo"
    assert test.endswith("&& .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest -n auto")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    [pattern] = re.findall(r"grep -m1 -E '([^']+)' README\.md", ci)
    assert [line for line in README.splitlines() if re.search(pattern, line)] == [test]
    assert 'bash -euo pipefail -c "$test_command"' in ci


# ---- habits


def test_every_python_that_is_promised_is_in_the_matrix() -> None:
    told = [name.rpartition(" ")[2] for name in PYPROJECT["project"]["classifiers"] if " :: 3." in name]
    assert PYPROJECT["tool"]["tox"]["env_list"] == told
    assert PYPROJECT["project"]["requires-python"] == f">={told[0]}"


def test_the_hooks_are_the_linters_of_ci() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    linters = {
        line.partition(" --")[0].rstrip(" .")
        for line in re.findall(r"^ *(\.venv/bin/(?!pip).*)", ci, re.MULTILINE)
    }
    assert {hook["entry"] for hook in hooks} == linters - {".venv/bin/deptry cleanup tests"}
    assert {hook["language"] for hook in hooks} == {"system"}


# ---- the changelog


def test_the_changelog_is_kept_as_keep_a_changelog_asks() -> None:
    assert CHANGELOG.startswith("# Changelog\n")
    assert "keepachangelog.com" in CHANGELOG
    first, *releases = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert first == "[Unreleased]"
    for release in releases:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", release)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)) <= kinds
    for part in re.split(r"^### .*$", CHANGELOG, flags=re.MULTILINE)[1:]:
        assert re.search(r"^- \S", part, re.MULTILINE), "a heading without an entry"
