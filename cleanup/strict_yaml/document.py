"""Bytes to one tree of YAML nodes, each with its location. No value is converted, no object is built."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import yaml
from yaml.reader import ReaderError

from cleanup.errors import PolicyError, Problem
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.syntax_errors import location_at, syntax_problem

DEEPEST: Final = 40
MOST_NODES: Final = 250_000
_TAG: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset(
    f"{_TAG}{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
)
_TOO_DEEP: Final = f"nested more than {DEEPEST} levels deep: write it flatter, or as several rules"


def parse(content: bytes, file: str) -> yaml.Node:
    """The root node of a file that holds one YAML document; raises PolicyError with locations in `file`.

    Refused: other encodings than UTF-8, syntax errors, no or several documents, tags of one's own,
    aliases inside their own anchor, nesting deeper than DEEPEST, aliases that multiply beyond MOST_NODES.
    """
    roots = _compose(_decode(content, file), file)
    if not roots or (len(roots) == 1 and roots[0].tag == f"{_TAG}null"):
        raise PolicyError([Problem(file, 1, 1, "the file is empty: it must start with version: 1")])
    if len(roots) > 1:
        advice = "one file holds one document: remove the line ---, or make it two files"
        raise PolicyError([location_of(roots[1]).problem(advice)])
    if problems := set(_structure_problems(roots[0])):
        raise PolicyError(sorted(problems))
    return roots[0]


def location_of(node: yaml.Node) -> Location:
    """Where the node begins; for an alias, where its anchor stands."""
    return location_at(node.start_mark)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    """The nodes right inside this one, keys included."""
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        if isinstance(child, tuple):
            yield from child
        else:
            yield child


def _decode(content: bytes, file: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        location = _location_in(before, len(before), file)
        raise PolicyError([location.problem("this is not UTF-8: save the file as UTF-8 text")]) from None
    if (position := text.find("\ufeff")) >= 0:
        # YAML takes it for a part of the next word, which then means nothing.
        advice = "a byte order mark (U+FEFF) within the file, as when files are put together: remove it"
        raise PolicyError([_location_in(text, position, file).problem(advice)])
    return text


def _compose(text: str, file: str) -> list[yaml.Node]:
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        location = _location_in(text, error.position, file)
        character = f"U+{ord(text[error.position]):04X}"
        raise PolicyError([location.problem(f"the control character {character}: remove it")]) from None
    loader.name = file
    roots = []
    try:
        while loader.check_node():
            roots.append(loader.get_node())
    except yaml.MarkedYAMLError as error:
        raise PolicyError([syntax_problem(error, text)]) from None
    except RecursionError:
        raise PolicyError([location_at(loader.get_mark()).problem(_TOO_DEEP)]) from None
    return [root for root in roots if root is not None]


def _location_in(text: str, position: int, file: str) -> Location:
    before = text[:position]
    return Location(file, before.count("\n") + 1, position - before.rfind("\n"))


def _structure_problems(root: yaml.Node) -> Iterator[Problem]:
    # Aliases are followed, so a small file may stand for very many nodes ("billion laughs").
    visited = 0
    for node, trouble in islice(_nodes(root, ()), MOST_NODES):
        visited += 1
        if trouble:
            yield location_of(node).problem(trouble)
    if visited == MOST_NODES:
        yield location_of(root).problem(f"more than {MOST_NODES} values, aliases followed: write less")


def _nodes(node: yaml.Node, above: tuple[yaml.Node, ...]) -> Iterator[tuple[yaml.Node, str | None]]:
    trouble = _trouble(node, above)
    yield node, trouble
    if trouble is None:
        for child in _children(node):
            yield from _nodes(child, (*above, node))


def _trouble(node: yaml.Node, above: tuple[yaml.Node, ...]) -> str | None:
    if node in above:
        return "an alias inside its own anchor has no end: write the value out"
    if len(above) >= DEEPEST:
        return _TOO_DEEP
    if node.tag not in _TAGS:
        tag = node.tag.replace(_TAG, "!!")
        return (
            f"the YAML tag '{tag}' has no meaning here: a text that starts with ! needs quotes, "
            "and 'all but these' is written {not: ...}"
        )
    return None
