"""References to images: one parser, and one notion of which of them may name the same content.

The forms of a reference and where they occur: cleanup/modelarts/API.md.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

import msgspec

BASIC: Final = "basic"  # the registry of every host that is not known to be an enterprise instance's
_LATEST: Final = "latest"

T = TypeVar("T")

NO_KEY: Final = hash(None)  # the number of what has no key; a key that has it by chance is taken for odd

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_OF_TAGS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|[a-z0-9+._-]+:[0-9a-f]{96,}")
# host/namespace/name:tag without anything odd: nearly all references there are. No part goes back for another.
_COMMON = re.compile(
    r"[a-z0-9-]*+[.:][a-z0-9.:-]*+/(([a-z0-9][a-z0-9._-]*+)"
    r"/([a-z0-9][a-z0-9._-]*+(?:/[a-z0-9._-]++)*+):([A-Za-z0-9_][A-Za-z0-9._-]{0,127}+))"
)
_AT_THE_ENDS: Final = " \t\r\n\v\f\u00a0\u200b\u2060\ufeff"


class Reference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a reference names; None is a part that is not said or cannot be read, so it may be anything.

    `registry` is BASIC or the id of an enterprise instance, `name` the repository without its
    namespace (with `/` where it is nested). `host` is only known of records. A tag is as it is
    written, everything else lower case.
    """

    registry: str | None = None
    host: str | None = None
    namespace: str | None = None
    name: str | None = None
    tag: str | None = None
    digest: str | None = None

    @property
    def repository(self) -> str | None:
        """`namespace/name`; None where a part of it is unknown."""
        return f"{self.namespace}/{self.name}" if self.namespace and self.name else None

    @property
    def exact(self) -> bool:
        """The repository and a tag are known; what is not exact may be one of many contents."""
        return bool(self.namespace and self.name and self.tag)

    @property
    def keys(self) -> tuple[str, ...]:
        """Spellings of the content without its registry: by tag and by digest, as far as they are known.

        Exact references may name the same content exactly when they have a key in common.
        """
        if not (repository := self.repository):
            return ()
        by_tag = (f"{repository}:{self.tag}",) if self.tag else ()
        return (*by_tag, f"{repository}@{self.digest}") if self.digest else by_tag

    def __str__(self) -> str:
        end = f":{self.tag}" if self.tag else f"@{self.digest}" if self.digest else ":?"
        return f"{self.registry or '?'}/{self.namespace or '?'}/{self.name or '?'}{end}"


def parse_reference(text: str, *, registry: str | None = BASIC, namespace: str | None = None) -> Reference:
    """Read `[host/]namespace/name[:tag][@digest]`; never fails, parts that make no sense are None.

    The first part is a host only if it has a `.` or a `:` or is `localhost`, and is not the
    `namespace` that is known from elsewhere. Without tag and digest, `latest` is meant.
    """
    if (found := _COMMON.fullmatch(text)) and not _begins_with(text, namespace):
        return Reference(registry=registry, namespace=found[2], name=found[3], tag=found[4])
    path = _without_scheme(text)
    path, at, digest = path.partition("@")
    if at and "/" in digest:  # user@host/...: no form that is known
        return Reference()
    # The registry's API writes $ for / in nested names; doubled and trailing slashes say nothing.
    parts = [part for part in path.replace("$", "/").split("/") if part]
    if len(parts) > 1 and is_host(parts[0]) and not (namespace and parts[0].lower() == namespace.lower()):
        del parts[0]
    if not parts or (len(parts) == 1 and is_host(parts[0]) and ":" not in parts[0]):
        return Reference()  # a host alone names no image
    parts[-1], colon, tag = parts[-1].partition(":")
    name = _valid(_NAME, "/".join(parts[1:] or parts).lower())
    if name and not colon and not at:  # of what cannot be read nothing is known, so no `latest` either
        tag = _LATEST
    return Reference(
        registry=registry,
        namespace=_valid(_NAMESPACE, parts[0].lower()) if len(parts) > 1 else None,
        name=name,
        tag=_valid(_TAG, tag),
        digest=_valid(_DIGEST, digest.lower()),
    )


def host_of(text: str) -> str | None:
    """The host that a record's path begins with, in lower case."""
    first = _without_scheme(text).partition("/")[0]
    return first.lower() if is_host(first) else None


def readings(text: str, *, registry: str | None = None) -> tuple[Reference, ...]:
    """All that a text of unknown origin may mean: `my.org/team/img` names a host or a namespace."""
    first = _without_scheme(text).lstrip("/").partition("/")[0].lower()
    with_host = parse_reference(text, registry=registry)
    without = parse_reference(text, registry=registry, namespace=_valid(_NAMESPACE, first))
    return (with_host,) if with_host == without else (with_host, without)


def from_fields(
    namespace: str | None, name: str | None, tag: str | None, *, registry: str | None = None
) -> Reference:
    """A reference out of a record's own fields; what the record does not say is unknown, no `latest`."""
    return Reference(
        registry=registry,
        namespace=_valid(_NAMESPACE, (namespace or "").lower()),
        name=_valid(_NAME, (name or "").replace("$", "/").lower()),
        tag=_valid(_TAG, tag or ""),
    )


def common_key(text: str | None, namespace: str | None = None) -> str | None:
    """The key of a reference in its most common form, without reading it any further; else None."""
    if text and (found := _COMMON.fullmatch(text)) and not _begins_with(text, namespace):
        return found[1]
    return None


def common_keys(texts: Sequence[str | None], namespaces: Sequence[str | None]) -> list[str | None]:
    """`common_key` of very many at a time."""
    match = _COMMON.fullmatch
    like_hosts = {one for one in set(namespaces) if one and ("." in one or ":" in one)}
    return [
        found[1]
        if text and (found := match(text)) and not (namespace in like_hosts and _begins_with(text, namespace))
        else None
        for text, namespace in zip(texts, namespaces, strict=True)
    ]


def key_number(key: str | None) -> int:
    """A number for a key, the same for equal keys; what has equal numbers has to be compared by its key."""
    if key is None:
        return NO_KEY
    repository, _, tag = key.rpartition(":")
    return hash((repository, tag))


def odd_tags(tags: Sequence[str | None]) -> Iterator[int]:
    """The numbers of those that are no tags. Nearly all are, which is told of a thousand at once."""
    for start in range(0, len(tags), 1000):
        some = tags[start : start + 1000]
        if None in some or not _are_tags(some):  # type: ignore[arg-type]
            yield from (start + place for place, tag in enumerate(some) if not (tag and _TAG.fullmatch(tag)))


def _are_tags(texts: Sequence[str]) -> bool:
    lengths = set(map(len, texts))
    together = "/" + "/".join(texts)
    return (
        0 < min(lengths) <= max(lengths) <= 128
        and together.isascii()
        and together.encode().translate(None, _OF_TAGS) == b"/" * len(texts)
        and "/." not in together
        and "/-" not in together
    )


def _begins_with(text: str, namespace: str | None) -> bool:
    """The first part of a common path is the namespace itself, not a host: only one with `.` or `:` can be."""
    if namespace is None or not ("." in namespace or ":" in namespace):
        return False
    return text.startswith(f"{namespace.lower()}/")


def is_host(part: str) -> bool:
    """Whether the first of several parts of a reference names a host."""
    return "." in part or ":" in part or part.lower() == "localhost"


def _without_scheme(text: str) -> str:
    stripped = text.strip(_AT_THE_ENDS)
    # Looking for one takes a time that grows with the square of a name's length.
    return _SCHEME.sub("", stripped, count=1) if "://" in stripped else stripped


def _valid(form: re.Pattern[str], text: str) -> str | None:
    return text if form.fullmatch(text) else None


def same_content(one: Reference, other: Reference) -> bool:
    """Whether both may name the same content, that is, nothing known tells them apart. Symmetric.

    Between references of one known registry, and of known repository and tag, this is an equivalence;
    a digest beside a tag only adds an equality, since a tag may have moved since the digest was
    written. At one host there is one registry, also where a record does not say which.
    """
    registries = one.registry and other.registry and one.registry != other.registry
    if registries and not (one.host and one.host == other.host):
        return False
    if not _same_repository(one, other):
        return False
    if (one.tag and one.tag == other.tag) or (one.digest and one.digest == other.digest):
        return True
    if one.tag and other.tag:
        return False
    # Two bare digests that differ are two contents. A bare digest beside a tag may be that tag's.
    return bool(one.tag or other.tag or not (one.digest and other.digest))


def _same_repository(one: Reference, other: Reference) -> bool:
    if one.namespace and other.namespace:
        return one.namespace == other.namespace and (one.name == other.name or not (one.name and other.name))
    if not (one.name and other.name):
        return True
    # `img` alone may be the end of the nested team/img.
    return f"/{one.name}".endswith(f"/{other.name}") or f"/{other.name}".endswith(f"/{one.name}")


class ReferenceIndex(Generic[T]):
    """Things by reference: finds all whose content may be the one that a reference names."""

    def __init__(self, entries: Iterable[tuple[Reference, T]]) -> None:
        self._entries = tuple(entries)
        self._by_key: dict[str, list[tuple[Reference, T]]] = {}
        # What does not say which namespace or tag is meant, by the most that it says: see _place.
        self._vague: dict[str | None, list[tuple[Reference, T]]] = {}
        for entry in self._entries:
            reference, _ = entry
            for key in reference.keys:
                self._by_key.setdefault(key, []).append(entry)
            if not reference.exact:
                self._vague.setdefault(_place(reference), []).append(entry)

    def lacks(self, key: str) -> bool:
        """Certainly nothing was added that an exact reference with this one key may mean."""
        if key in self._by_key:
            return False
        vague = self._vague
        if not vague or None in vague:
            return not vague
        repository = key.rpartition(":")[0]
        return repository not in vague and f"/{repository.rpartition('/')[2]}" not in vague

    @property
    def keys(self) -> Collection[str]:
        """The keys of all that was added."""
        return self._by_key.keys()

    @property
    def vague(self) -> Collection[str | None]:
        """The repositories of which something was added that may mean any tag; None where it may be any repository."""
        return self._vague.keys()

    def find(self, reference: Reference) -> Iterator[T]:
        """Everything added whose reference may name the same content, each entry once."""
        candidates: Iterable[tuple[Reference, T]] = self._entries
        if reference.exact:
            found = [entry for key in reference.keys for entry in self._by_key.get(key, ())]
            places = (reference.repository, _ending(reference), None)
            vague = [entry for at in places for entry in self._vague.get(at, ())]
            candidates = {id(entry): entry for entry in (*found, *vague)}.values()
        return (thing for other, thing in candidates if same_content(reference, other))


def _place(reference: Reference) -> str | None:
    """The repository of what names one, else how that ends; None where nothing is known of it."""
    return reference.repository or _ending(reference)


def _ending(reference: Reference) -> str | None:
    """The last part of the name with a `/` before it; equal in whatever may be the same repository."""
    return f"/{reference.name.rpartition('/')[2]}" if reference.name else None
