"""Groups of images: all of one namespace/name, as the service lists them."""

import msgspec

from cleanup.modelarts.wire.json_bodies import decode_json, decode_object
from cleanup.modelarts.wire.values import Unreadable, as_text, clean, usable_id


class Group(msgspec.Struct, frozen=True):
    """All images of one namespace/name, as far as it matters here."""

    namespace: str
    name: str
    read_me: str | None


def decode_group(body: bytes, namespace: str, name: str) -> str:
    """The id of the group of images of this namespace/name in a page of them (API.md, trap 21).

    Raises Unreadable unless it is there once.
    """
    page = decode_json(body)
    listed = (page.get("data") or page.get("groups")) if isinstance(page, dict) else None
    groups = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    found = [one.get("id") for one in groups if (one.get("namespace"), one.get("name")) == (namespace, name)]
    if len(found) != 1:
        raise Unreadable(f"it shows {len(found)} groups {clean(namespace)}/{clean(name)}")
    return usable_id(found[0])


def decode_read_me(raw: msgspec.Raw) -> Group:
    """A group and what it says of itself. Raises Unreadable when it does not say which it is."""
    fields = decode_object(raw)
    namespace, name = as_text(fields.get("namespace")), as_text(fields.get("name"))
    if not namespace or not name:
        raise Unreadable("it has no namespace or no name")
    return Group(namespace, name, as_text(fields.get("read_me")))
