"""How the paths of one repository begin, so that a path is not held where a tag tells it."""

from typing import Final, NamedTuple

from cleanup.reference import common_key

_ANY_TAG: Final = "x"


class PathStart(NamedTuple):
    """A namespace and name, and how nearly all of its paths begin: `host/namespace/name:`, empty where none does."""

    namespace: str | None
    name: str | None
    prefix: str

    @property
    def key(self) -> str:
        """The beginning without the host, where a path that begins so is of the common form; else empty."""
        key = common_key(f"{self.prefix}{_ANY_TAG}", self.namespace) or ""
        return key.removesuffix(_ANY_TAG)


def path_start_of(namespace: str | None, name: str | None, tag: str | None, path: str | None) -> PathStart:
    """How the paths of a repository begin, by the tag and path of the first of its images."""
    prefix = path[: -len(tag)] if path and tag and path.endswith(f":{tag}") else ""
    return PathStart(namespace, name, prefix)
