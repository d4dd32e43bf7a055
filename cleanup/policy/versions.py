"""Semantic versions (semver.org 2.0.0): their order, and ranges such as `>= 1.0.0, < 2.0.0`."""

import re
from functools import lru_cache
from typing import Final

from cleanup.policy.bounds import Bounds

_NUMBER = "(?:0|[1-9][0-9]*)"
_IDENTIFIER = f"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
# No tag can hold a `+`, so registries write `_` before build metadata: 1.4.0_build.7.
VERSION_SYNTAX: Final = (
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:[+_][0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_VERSION = re.compile(VERSION_SYNTAX)
_BOUND_SYNTAX = rf" *(?:<=|<|>=|>|!=|=) *{re.sub(r'[(](?![?])', '(?:', VERSION_SYNTAX)} *"
RANGE_SYNTAX: Final = f"^{_BOUND_SYNTAX}(?:,{_BOUND_SYNTAX})*$"
_BOUND = re.compile(r"(<=|<|>=|>|!=|=) *(\S+)")
FIRST: Final = "v0123456789"  # how a version can begin
_LONGEST: Final = 256  # registries stop at 128; beyond it digits would be costly to compare

# One identifier of a pre-release: (0, number, "") sorts before (1, 0, text), as SemVer 11.4 wants.
Identifier = tuple[int, int, str]
# The parts that count for the order; a pre-release sorts before its release, build data not at all.
Version = tuple[int, int, int, bool, tuple[Identifier, ...]]


@lru_cache(maxsize=100_000)  # the same few versions are the tags of very many images
def parse_version(text: str) -> Version | None:
    """The sort key of a version, a leading `v` allowed; None where the text is no SemVer version."""
    if text[:1] not in FIRST or len(text) > _LONGEST:
        return None
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    major, minor, patch, prerelease = found.groups()
    parts = prerelease.split(".") if prerelease else ()
    identifiers = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
    return int(major), int(minor), int(patch), not identifiers, identifiers


def parse_range(text: str) -> Bounds[Version]:
    """Read `>= 1.0.0, < 2.0.0`; raises ValueError with a message that says what to write instead."""
    bounds = Bounds(tuple(_parse_bound(part.strip()) for part in text.split(",")))
    if bounds.contradictory:
        raise ValueError(f"no version is '{text}': the two bounds exclude each other")
    return bounds


def _parse_bound(text: str) -> tuple[str, Version]:
    found = _BOUND.fullmatch(text)
    version = parse_version(found[2]) if found else None
    if found is None or version is None:
        raise ValueError(f"'{text}' is no version bound: {_advice(text)}")
    return found[1], version


def _advice(text: str) -> str:
    """What somebody who wrote this most likely meant."""
    if parse_version(text):
        return f"an operator is missing, write = {text} or < {text}"
    if short := re.fullmatch(r"([<>=!]*) *v?([0-9]+)(\.[0-9]+)?", text):
        full = f"{short[2]}{short[3] or '.0'}.0"
        return f"a version has three numbers, write {short[1] or '='} {full}"
    if parse_version(text.lstrip("^~= ")):
        return "the operators are < <= > >= = !=, so write a range as two bounds: >= 1.2.0, < 2.0.0"
    if "||" in text:
        return "for one of several ranges write any: [{semver: ...}, {semver: ...}]"
    if re.search(r"[0-9] +[<>=!]", text):
        return "put a comma between two bounds: >= 1.0.0, < 2.0.0"
    return "write an operator (< <= > >= = !=) and a full version, such as < 1.4.0"
