"""Several policy files read as one: files and folders in, one Policy or all problems of all files out."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import yaml

from cleanup.errors import PolicyError, Problem, UsageError
from cleanup.kinds import FileKind, kind_in, mistaken
from cleanup.policy.impossible import impossible_patterns
from cleanup.policy.language import Limits, Policy
from cleanup.policy.rules import FILE_KEYS, PolicyFile, policy_file
from cleanup.strict_yaml.document import location_of, parse
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import attempt
from cleanup.strict_yaml.plain import node_of, plain_value

DEFAULT_LIMITS: Final = Limits(max_deletes=1000, max_percent=50.0)
_SUFFIXES: Final = (".yaml", ".yml")
TEST_SUFFIXES: Final = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class _Source:
    """One file as it was read: its name in messages, its bytes, its YAML."""

    file: str
    content: bytes
    root: yaml.Node


def load(paths: Sequence[Path], *, partial: bool = False) -> Policy:
    """Read policy files, and folders of them (`*.yaml`, `*.yml`, in name order), as one policy.

    Rules keep that order, `protect` is the union, the strictest limit counts; a file met twice is
    read once, and one in a folder that looks like a policy and is not read is an error. `partial`:
    a part of a policy, such as shared protections, which needs no rules.
    Raises PolicyError with all problems of all files, sorted by file and line.
    """
    if not paths:
        raise UsageError("no policy is given: name a policy file or a folder of them with -p")
    found, missing = attempt(paths, policy_files)
    files = _once(chain.from_iterable(found))
    sources, unreadable = attempt(files.values(), _source)
    parts, mistakes = attempt(sources, lambda source: policy_file(source.root))
    problems = [*missing, *unreadable, *mistakes, *_repeated_names(sources), *_overlooked(paths, files)]
    # A protection that can never hold protects nothing and nobody would notice: no warning but an error.
    entries = [entry for part in parts for entry in part.protect]
    problems += chain.from_iterable(impossible_patterns(entry.match) for entry in entries)
    if not (missing or unreadable or partial):
        problems += _no_rules(sources)
    if problems:
        raise PolicyError(sorted(set(problems)))
    return _merged(sources, parts)


def policy_files(path: Path) -> tuple[Path, ...]:
    """The file itself, or a folder's policy files in name order; test files are no policies."""
    try:
        if not path.is_dir():
            return (path,)
        entries = sorted(path.iterdir(), key=lambda entry: entry.name)
        files = tuple(entry for entry in entries if _is_policy_name(entry.name) and not entry.is_dir())
    except OSError as error:
        raise _unreadable(path, error) from None
    if not files:
        raise PolicyError(
            [Problem(str(path), 1, 1, "the folder holds no policy (*.yaml or *.yml): name a file")]
        )
    return files


def _is_policy_name(name: str) -> bool:
    """A YAML file that is neither hidden nor a test file."""
    return name.endswith(_SUFFIXES) and not _no_policy(name)


def _overlooked(paths: Sequence[Path], read: Mapping[str, Path]) -> Iterator[Problem]:
    """Files in the folders that look like policies and are not read: a protection in one would not protect."""
    for path in paths:
        # Hidden folders are no part of a policy; a mounted ConfigMap keeps its older versions in some.
        for folder, below, names in os.walk(path):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for file in (Path(folder, name) for name in sorted(names)):
                if os.path.realpath(file) in read or _no_policy(file.name):
                    continue
                advice = _misnamed(file.name)
                if advice is None and Path(folder) != path and _is_policy(file):
                    advice = "name its folder, too"
                if advice:
                    message = f"looks like a policy and is not read: {advice}, or move it away"
                    yield Problem(str(file), 1, 1, message)


def _misnamed(name: str) -> str | None:
    """What to do about `10-PROTECT.YAML` and `protect.yaml.txt`."""
    found = re.fullmatch(r"(.*)(\.ya?ml)(\.\w+)?", name, re.IGNORECASE)
    if found is None or name.endswith(_SUFFIXES):
        return None
    return f"rename it to {found[1]}{found[2].lower()}"


def _is_policy(file: Path) -> bool:
    """A YAML file with the words that every policy has; other YAML may well lie in a subfolder."""
    if not file.name.endswith(_SUFFIXES):
        return False
    try:
        content = file.read_bytes()
    except OSError:
        return True
    return bool(re.search(rb"\bversion\b", content) and re.search(rb"\b(protect|rules)\b", content))


def _no_policy(name: str) -> bool:
    return name.startswith(".") or name.endswith(TEST_SUFFIXES)


def read_bytes(path: Path) -> bytes:
    """The file's content; raises PolicyError that names the path where it cannot be read, or not be written down."""
    if any("\ud800" <= char <= "\udfff" for char in str(path)):  # plans name their policies, in UTF-8
        raise PolicyError([Problem(str(path), 1, 1, "the file's name is not UTF-8: rename it")])
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> PolicyError:
    if isinstance(error, FileNotFoundError):
        return PolicyError([Problem(str(path), 1, 1, "no such file or folder: check the path")])
    return PolicyError([Problem(str(path), 1, 1, f"cannot be read: {error.strerror or error}")])


def _source(path: Path) -> _Source:
    content = read_bytes(path)
    require_yaml_kind(content, path, FileKind.POLICY)
    return _Source(str(path), content, parse(content, str(path)))


def require_yaml_kind(content: bytes, path: Path, wanted: FileKind) -> None:
    """Raise PolicyError for a file of ours that is of another kind: all its keys would be called unknown."""
    if why := mistaken(kind_in(content), wanted):
        raise PolicyError([Problem(str(path), 1, 1, f"this {why}")])


def _once(files: Iterable[Path]) -> dict[str, Path]:
    """Each file at its first mention, by the path that it really has, however it is spelt later."""
    first: dict[str, Path] = {}
    for file in files:
        first.setdefault(os.path.realpath(file), file)  # Path.resolve raises on links in a circle
    return first


def _repeated_names(sources: Iterable[_Source]) -> Iterator[Problem]:
    first: dict[str, Location] = {}
    for source in sources:
        for name in _rule_names(source.root):
            location = location_of(name)
            if name.value in first:
                taken = first[name.value]
                yield location.problem(
                    f"the rule name '{name.value}' is taken already, at {taken}: rename one"
                )
            first.setdefault(name.value, location)


def _rule_names(root: yaml.Node) -> Iterator[yaml.Node]:
    """The values of `name` in `rules`, as far as the file has the shape of a policy."""
    for rules in _values(root, "rules"):
        for rule in rules.value if isinstance(rules, yaml.SequenceNode) else ():
            yield from (name for name in _values(rule, "name") if isinstance(name, yaml.ScalarNode))


def _values(node: yaml.Node, wanted: str) -> list[yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return [value for key, value in pairs if key.value == wanted]


def _no_rules(sources: Sequence[_Source]) -> Iterator[Problem]:
    """A policy without any rule is a mistake; silent where a misspelt key may mean them."""
    keys = set()
    for source in sources:
        if not isinstance(source.root, yaml.MappingNode):
            return
        keys |= {key.value if isinstance(key, yaml.ScalarNode) else "" for key, _ in source.root.value}
    if "rules" not in keys and keys - {"version"} and keys <= FILE_KEYS.keys():
        yield location_of(sources[0].root).problem(
            "the policy has no rules, so it decides nothing: write one below rules:"
        )


def _merged(sources: Sequence[_Source], parts: Sequence[PolicyFile]) -> Policy:
    limits = _strictest([part.limits for part in parts if part.limits])
    plain = [cast(dict[str, Any], plain_value(source.root)) for source in sources]
    document: dict[str, Any] = {"version": 1}
    for key in ("protect", "rules"):
        if entries := [entry for one in plain for entry in one.get(key, ())]:
            document[key] = entries
    document["limits"] = {
        name: value for name, value in msgspec.structs.asdict(limits).items() if value is not None
    }
    return Policy(
        rules=tuple(rule for part in parts for rule in part.rules),
        protect=tuple(entry for part in parts for entry in part.protect),
        limits=limits,
        files=tuple(source.file for source in sources),
        sha256=hashlib.sha256(b"".join(source.content for source in sources)).hexdigest(),
        document=document,
    )


def from_document(document: dict[str, Any], files: Sequence[str], sha256: str) -> Policy:
    """The policy that a plan carries, read as strictly as its files. Raises PolicyError."""
    part = policy_file(node_of(document, "the plan's policy"))
    if problems := [one for entry in part.protect for one in impossible_patterns(entry.match)]:
        raise PolicyError(problems)
    return Policy(
        rules=part.rules,
        protect=part.protect,
        limits=_strictest([part.limits] if part.limits else []),
        files=tuple(files),
        sha256=sha256,
        document=document,
    )


def _strictest(limits: Sequence[Limits]) -> Limits:
    """The lowest maximum and the highest minimum that any file gives; the default where none does."""
    deletes = [limit.max_deletes for limit in limits if limit.max_deletes is not None]
    percents = [limit.max_percent for limit in limits if limit.max_percent is not None]
    remaining = [limit.min_remaining for limit in limits if limit.min_remaining is not None]
    return Limits(
        max_deletes=min(deletes, default=DEFAULT_LIMITS.max_deletes),
        max_percent=min(percents, default=DEFAULT_LIMITS.max_percent),
        min_remaining=max(remaining, default=DEFAULT_LIMITS.min_remaining),
    )
