"""Between nodes and plain values: what was read, kept as JSON, is read again by the same strict reader."""

import yaml

from cleanup.strict_yaml.scalars import is_a

_TAG = "tag:yaml.org,2002:"


def plain_value(node: yaml.Node) -> object:
    """A node that a reader has accepted as dicts, lists, texts, numbers, booleans and None."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: plain_value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain_value(item) for item in node.value]
    if is_a(node, "int"):
        return int(node.value)
    if is_a(node, "float"):
        return float(node.value)
    if is_a(node, "bool"):
        return node.value.lower() in ("true", "yes", "on")
    return None if is_a(node, "null") else node.value


def node_of(value: object, file: str) -> yaml.Node:
    """The node that `plain_value` makes this of; `file` is where its problems are said to be."""
    mark = yaml.Mark(file, 0, 0, 0, None, 0)

    def scalar(kind: str, text: str, style: str | None = None) -> yaml.Node:
        return yaml.ScalarNode(_TAG + kind, text, mark, mark, style)

    match value:
        case dict():
            pairs = [(scalar("str", key), node_of(item, file)) for key, item in value.items()]
            return yaml.MappingNode(f"{_TAG}map", pairs, mark, mark)
        case list():
            return yaml.SequenceNode(f"{_TAG}seq", [node_of(item, file) for item in value], mark, mark)
        case bool():
            return scalar("bool", "true" if value else "false")
        case int():
            return scalar("int", str(value))
        case float():
            return scalar("float", f"{value:.18f}".rstrip("0").rstrip("."))  # never with an exponent
        case None:
            return scalar("null", "null")
        case _:
            return scalar("str", str(value), '"')
