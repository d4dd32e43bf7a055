"""Several policy files read as one: files and folders in, one Policy or all problems of all files out."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import yaml

from cleanup.errors import PolicyError, Problem, UsageError
from cleanup.policy.language import Limits, Policy
from cleanup.policy.rules import FILE_KEYS, PolicyFile, policy_file
from cleanup.strict_yaml.document import location_of, parse
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import attempt

DEFAULT_LIMITS: Final = Limits(max_deletes=1000, max_percent=50.0)
_SUFFIXES: Final = (".yaml", ".yml")
_TEST_SUFFIXES: Final = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True)
class _Source:
    """One file as it was read: its name in messages, its bytes, its YAML."""

    file: str
    content: bytes
    root: yaml.Node


def load(paths: Sequence[Path], *, partial: bool = False) -> Policy:
    """Read policy files, and folders of them (`*.yaml`, `*.yml`, in name order), as one policy.

    Rules keep that order, `protect` is the union, the strictest limit counts; a file met twice is
    read once. `partial`: a part of a policy, such as shared protections, which needs no rules.
    Raises PolicyError with all problems of all files, sorted by file and line.
    """
    if not paths:
        raise UsageError("no policy is given: name a policy file or a folder of them")
    found, missing = attempt(paths, policy_files)
    sources, unreadable = attempt(_once(chain.from_iterable(found)), _source)
    parts, mistakes = attempt(sources, lambda source: policy_file(source.root))
    problems = [*missing, *unreadable, *mistakes, *_repeated_names(sources)]
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
        files = tuple(entry for entry in entries if is_policy_name(entry.name) and not entry.is_dir())
    except OSError as error:
        raise _unreadable(path, error) from None
    if not files:
        raise PolicyError(
            [Problem(str(path), 1, 1, "the folder holds no policy (*.yaml or *.yml): name a file")]
        )
    return files


def is_policy_name(name: str) -> bool:
    """A YAML file that is neither hidden nor a test file."""
    return name.endswith(_SUFFIXES) and not name.endswith(_TEST_SUFFIXES) and not name.startswith(".")


def read_bytes(path: Path) -> bytes:
    """The file's content; raises PolicyError that names the path where it cannot be read."""
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
    return _Source(str(path), content, parse(content, str(path)))


def _once(files: Iterable[Path]) -> Iterable[Path]:
    """Each file at its first mention, however it is spelt later."""
    first: dict[str, Path] = {}
    for file in files:
        first.setdefault(os.path.realpath(file), file)  # Path.resolve raises on links in a circle
    return first.values()


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
    return Policy(
        rules=tuple(rule for part in parts for rule in part.rules),
        protect=tuple(entry for part in parts for entry in part.protect),
        limits=_strictest([part.limits for part in parts if part.limits]),
        files=tuple(source.file for source in sources),
        sha256=hashlib.sha256(b"".join(source.content for source in sources)).hexdigest(),
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
