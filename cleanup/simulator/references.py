"""When two image references name the same content, and the contents of the registry kept by that rule.

The rule is read from the forms of references in `cleanup/modelarts/API.md`, independently of the product.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from hashlib import sha256

ContentKey = tuple[str, str]
INTERNAL_HOST = "10.125.0.198:20202"
INSTANCE_HOST = "registry.swr-pro.example.com"  # of an enterprise instance, which is a registry of its own


def content_key(reference: str) -> ContentKey:
    """Repository and tag (or digest) that a reference names, whatever host it spells, or none.

    All hosts but INSTANCE_HOST, whose repositories keep it in their names, count as one registry:
    public, internal and proxy names of it all lead to the same content. Only a first part with a
    dot or a colon, or `localhost`, is a host. Tags differ by case.
    """
    path = reference.partition("://")[2] or reference
    first, slash, rest = path.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost") and first != INSTANCE_HOST:
        path = rest
    path, _, digest = path.partition("@")
    repository, colon, tag = path.rpartition(":")
    if colon and "/" not in tag:
        return repository, tag
    return path, f"@{digest}" if digest else "latest"


def digest_of(key: ContentKey) -> str:
    """The made-up digest of a content."""
    return f"sha256:{sha256(':'.join(key).encode()).hexdigest()}"


class ContentStore(MutableMapping[str, int]):
    """Bytes by reference. Every spelling of a reference finds the one content that it names."""

    def __init__(self, contents: Mapping[str, int]) -> None:
        self._held: dict[ContentKey, tuple[str, int]] = {}
        self.update(contents)

    def find(self, reference: str) -> ContentKey | None:
        """The key of the content that a reference names; None when there is none."""
        key = content_key(reference)
        if key not in self._held and key[1].startswith("@"):
            tags = (held for held in self._held if held[0] == key[0])
            return next((held for held in tags if digest_of(held) == key[1][1:]), None)
        return key if key in self._held else None

    def spelling(self, reference: str) -> str:
        """The reference by which the content came here first. Raises KeyError."""
        return self._held[self._key(reference)][0]

    def __getitem__(self, reference: str) -> int:
        return self._held[self._key(reference)][1]

    def __setitem__(self, reference: str, size: int) -> None:
        key = content_key(reference)
        spelling, _ = self._held.get(key, (reference, 0))
        self._held[key] = (spelling, size)

    def __delitem__(self, reference: str) -> None:
        del self._held[self._key(reference)]

    def __iter__(self) -> Iterator[str]:
        return (spelling for spelling, _ in self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def _key(self, reference: str) -> ContentKey:
        if (key := self.find(reference)) is None:
            raise KeyError(reference)
        return key
