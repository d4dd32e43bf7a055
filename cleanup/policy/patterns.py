"""Patterns on one known text: equality, globs and regular expressions (RE2), versions, and mixes."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol, TypeAlias
from unicodedata import normalize

import re2

from cleanup.policy.beginnings import Matches, begins_with, found_in_turn
from cleanup.policy.bounds import Bounds
from cleanup.policy.versions import Version, parse_version
from cleanup.strict_yaml.location import Location


class _Compiled(Protocol):
    """What is used of RE2's compiled expressions, which come without types."""

    def search(self, text: bytes) -> object | None: ...
    def fullmatch(self, text: bytes) -> object | None: ...


MOST_REMEMBERED: Final = 100_000  # answers at a time, so that odd inventories take no more memory than others


class _Compiling(ABC):
    """A pattern is compiled once into a function of the text, the only way in which it is ever asked."""

    __slots__ = ()

    @abstractmethod
    def matcher(self) -> Matches:
        """The function that the pattern is compiled into."""

    def matches(self, value: str) -> bool:
        """Ask it once; whoever asks about many values keeps the `matcher`."""
        return self.matcher()(nfc(value))


@dataclass(frozen=True, slots=True)
class Exact(_Compiling):
    """One text, and no other. `key` is what is compared: `text`, folded where case is ignored."""

    text: str
    ignores_case: bool
    key: str
    location: Location = field(compare=False)

    def matcher(self) -> Matches:
        key = self.key
        return (lambda value: value.casefold() == key) if self.ignores_case else (lambda value: value == key)


@dataclass(frozen=True, slots=True)
class Glob(_Compiling):
    """A glob over the whole value: `*` any run of characters (also `/`), `?` one, `[abc]`, `[!abc]`."""

    text: str
    ignores_case: bool
    compiled: _Compiled = field(compare=False, repr=False)
    location: Location = field(compare=False)

    @property
    def beginning(self) -> str:
        """How all begin that it matches; empty where that is not known."""
        return "" if self.ignores_case else re.split("[*?[]", self.text, maxsplit=1)[0]

    @property
    def is_beginning(self) -> bool:
        """It matches all that begin so, like `dev-*`."""
        return not self.ignores_case and self.text.rstrip("*") == self.beginning

    def matcher(self) -> Matches:
        beginning, compiled = self.beginning, self.compiled
        if self.is_beginning:
            return begins_with(beginning)
        # Most globs have no wildcard but stars, and Python finds texts ten times as fast as RE2.
        if not self.ignores_case and not any(wildcard in self.text for wildcard in "?["):
            return found_in_turn(re.split(r"\*+", self.text))
        if not beginning:
            return lambda value: compiled.fullmatch(_encoded(value)) is not None
        begins = begins_with(beginning)
        return lambda value: begins(value) and compiled.fullmatch(_encoded(value)) is not None


@dataclass(frozen=True, slots=True)
class Regex(_Compiling):
    """An RE2 expression, searched anywhere in the value."""

    text: str
    ignores_case: bool
    compiled: _Compiled = field(compare=False, repr=False)
    location: Location = field(compare=False)
    is_beginning: ClassVar[bool] = False

    @property
    def beginning(self) -> str:
        """How all begin that it matches; empty where that is not known."""
        # `^pr-[0-9]+`: what a quantifier follows need not be there.
        found = re.match(r"\^([\w-]+)(?![\w*?{-])", self.text, re.ASCII)
        return found[1] if found and not self.ignores_case and "|" not in self.text else ""

    def matcher(self) -> Matches:
        known: dict[str, bool] = {}

        def search(value: str) -> bool:
            if (found := known.get(value)) is None:
                found = self.compiled.search(_encoded(value)) is not None
                if len(known) < MOST_REMEMBERED:
                    known[value] = found
            return found

        if not self.beginning:
            return search
        begins = begins_with(self.beginning)  # most values are told by how they begin
        return lambda value: begins(value) and search(value)


@dataclass(frozen=True, slots=True)
class Semver(_Compiling):
    """A range of semantic versions; a value that is no semantic version lies in none."""

    text: str
    bounds: Bounds[Version]
    location: Location = field(compare=False)

    def matcher(self) -> Matches:
        within = self.bounds.matcher()
        return lambda value: (version := parse_version(value)) is not None and within(version)


@dataclass(frozen=True, slots=True)
class Either(_Compiling):
    """At least one of several patterns."""

    parts: "tuple[Pattern, ...]"

    def matcher(self) -> Matches:
        texts: set[str] = set()
        prefixes: list[str] = []
        others: list[Matches] = []
        for part in self.parts:
            if isinstance(part, Exact) and not part.ignores_case:
                texts.add(part.key)
            elif isinstance(part, Glob) and part.is_beginning:
                prefixes.append(part.beginning)
            else:
                others.append(part.matcher())
        beginnings = tuple(prefixes)
        if texts:
            others.insert(0, texts.__contains__)
        if not others:
            return lambda value: value.startswith(beginnings)
        if len(others) == 1:
            (other,) = others
            return lambda value: value.startswith(beginnings) or other(value)

        def matches(value: str) -> bool:
            if value.startswith(beginnings):
                return True
            for other in others:  # noqa: SIM110 - asked of every image, a generator takes twice as long
                if other(value):
                    return True
            return False

        return matches


@dataclass(frozen=True, slots=True)
class Except(_Compiling):
    """Every text but those of one pattern."""

    part: "Pattern"

    def matcher(self) -> Matches:
        matches = self.part.matcher()
        return lambda value: not matches(value)


SinglePattern: TypeAlias = Exact | Glob | Regex | Semver
Pattern: TypeAlias = SinglePattern | Either | Except


def singles(pattern: Pattern) -> Iterator[SinglePattern]:
    """The patterns that a pattern is put together from."""
    match pattern:
        case Either():
            yield from (single for part in pattern.parts for single in singles(part))
        case Except():
            yield from singles(pattern.part)
        case _:
            yield pattern


_PERL_ONLY = re.compile(r"perl operator|escape sequence: \\[1-9]")


def nfc(text: str) -> str:
    """Unicode's composed form: one character, one spelling. Patterns and values are compared in it."""
    return text if text.isascii() else normalize("NFC", text)


def text_pattern(text: str, *, ignores_case: bool, location: Location) -> Exact | Glob:
    """A plain text, or a glob where it has wildcards; raises ValueError for a glob that is malformed."""
    text = nfc(text)
    if not any(wildcard in text for wildcard in "*?["):
        return Exact(text, ignores_case, text.casefold() if ignores_case else text, location)
    expression = "".join(_glob_part(kind, part) for kind, part in glob_parts(text))
    compiled = _compile(expression, ignores_case=ignores_case, dot_matches_newline=True)
    return Glob(text, ignores_case, compiled, location)


def regex(text: str, *, ignores_case: bool, location: Location) -> Regex:
    """An RE2 expression; raises ValueError with RE2's own complaint where it is malformed."""
    text = nfc(text)
    return Regex(text, ignores_case, _compile(text, ignores_case=ignores_case), location)


def _compile(source: str, *, ignores_case: bool, dot_matches_newline: bool = False) -> _Compiled:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignores_case
    options.dot_nl = dot_matches_newline
    try:
        compiled: _Compiled = re2.compile(source, options)
    except re2.error as error:
        complaint = error.args[0].decode("utf-8", "replace")
        advice = "; RE2 has no look-around and no back references" if _PERL_ONLY.search(complaint) else ""
        raise ValueError(complaint + advice) from None
    return compiled


_GLOB_PART = re.compile(
    r"(?P<run>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^]]*\])|(?P<open>\[)|(?P<literal>[^*?[]+)"
)


def glob_parts(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a glob with their kinds: `run` (of `*`), `one` (`?`), `set`, `literal`, `open` for a stray `[`."""
    return ((str(part.lastgroup), part[0]) for part in _GLOB_PART.finditer(text))


def _glob_part(kind: str, part: str) -> str:
    """One part of a glob as an RE2 expression."""
    match kind:
        case "run":
            return ".*"
        case "one":
            return "."
        case "set":
            return _glob_set(part[1:-1])
        case "open":
            raise ValueError("'[' without its ']', a literal bracket is written [[]")
        case _:
            return str(re2.escape(part))


def _glob_set(inside: str) -> str:
    """`[abc]`, `[!abc]`, `[a-z]` for RE2; refuses what shells disagree about."""
    if inside.startswith("^"):
        raise ValueError(f"write [!{inside[1:]}] for all characters but these")
    negated, members = ("^", inside[1:]) if inside.startswith("!") else ("", inside)
    if not members:
        raise ValueError(f"[{inside}] is an empty set, write the characters between the brackets")
    for low, high in re.findall(r"(?s)(.)-(.)", members):
        if low > high:
            raise ValueError(f"the range {low}-{high} runs backwards, write {high}-{low}")
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", members)
    return f"[{negated}{escaped}]"


def _encoded(value: str) -> bytes:
    # JSON may hold half a surrogate pair; RE2 simply finds no match in such bytes.
    return value.encode("utf-8", "surrogatepass")
