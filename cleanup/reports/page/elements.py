"""Elements of the page: all text in them and in their attributes is escaped when it is written."""

from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

from cleanup.reports.formatting import plain

Child: TypeAlias = "Element | str"


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """An element of HTML or SVG; a trailing `_` of an attribute's name is left out, others become `-`."""
    names = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()}
    made = Element(tag, names)
    extend(made, children)
    return made


def extend(parent: Element, children: Iterable[Child]) -> None:
    """Add texts and elements behind those that are there."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + plain(child)
        else:
            parent.text = (parent.text or "") + plain(child)


def written(one: Element) -> str:
    """The element as HTML, on a line of its own."""
    return tostring(one, encoding="unicode", method="html") + "\n"
