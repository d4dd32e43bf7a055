"""The JSON Schema and the loader accept the same policies, and the schema in policies/ is current."""

import copy
import json
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cleanup.errors import PolicyError
from cleanup.policy.load import policy_files
from cleanup.policy.rules import policy_file, schema
from cleanup.strict_yaml.document import parse
from tests.support.builders import ROOT, bundled

GOOD = bundled("good-policies.txt") | {
    path.name: path.read_text(encoding="utf-8") for path in policy_files(ROOT / "policies")
}
VALIDATOR = jsonschema.Draft202012Validator(schema())

# Values put in the place of others. None of them is one of the few that a JSON Schema cannot judge.
ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 50.5, 101, "", " x", "x", "a\nb", "*", "[a", "[!a]*", "[]", "[^a]", "true", "1",
    "90d", "1d12h", "12h1d", "0s", "3 months", "> 10GiB", "10GiB", "> 1GB, < 2GB", "< 1.4.0", "1.4.0", "name",
    [], ["x"], ["x", ["y"]], [1], [None], ["name"], ["name", "name"], {}, {"x": "y"}, {"regex": "x"}, {"not": "x"},
    {"any": ["x"]}, {"any": "x"}, {"semver": "< 1.0.0"}, {"regex": "x", "not": "y"}, {"tag": "x"}, [{"tag": "x"}],
    {"because": "x"}, {"tag": "x", "because": "y"}, {"update_at": "1d"}, {"update_at": "1d", "create_at": "1d"},
    {"count": 3}, {"per": ["name"]}, {"count": 3, "per": []}, {"max_deletes": 5}, {"name": "z", "delete_all": True},
    {"name": "z", "delete_all": False}, {"name": "z", "delete_all": True, "keep_last": 1}, [{"name": "z"}],
]  # fmt: skip
ODD_KEYS = [
    "x",
    "tag",
    "name",
    "because",
    "not",
    "all",
    "any",
    "older_than",
    "keep_last",
    "delete_all",
    "count",
]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_in_policies_is_current() -> None:
    assert json.loads((ROOT / "policies" / "policy.schema.json").read_text()) == schema()


def test_every_key_is_explained_to_editors() -> None:
    mappings = [schema(), *(part for part in schema()["$defs"].values() if "properties" in part)]
    undocumented = [
        key for part in mappings for key, value in part["properties"].items() if not value["description"]
    ]
    assert not undocumented


@pytest.mark.parametrize("name", GOOD)
def test_good_policies_are_accepted_by_both(name: str) -> None:
    assert policy_file(parse(GOOD[name].encode(), name)).rules
    assert not list(VALIDATOR.iter_errors(yaml.safe_load(GOOD[name])))


@given(st.data())
def test_both_agree_on_policies_gone_wrong(data: st.DataObject) -> None:
    """One value of a good policy is replaced, removed or added; whatever comes out, both say the same of it."""
    name = data.draw(st.sampled_from(sorted(GOOD)))
    document = copy.deepcopy(yaml.safe_load(GOOD[name]))
    # RE2 alone knows what a valid expression is.
    container, key = data.draw(st.sampled_from([place for place in places(document) if place[1] != "regex"]))
    change = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "remove":
        del container[key]
    elif change == "add" and isinstance(container, dict):
        container[data.draw(st.sampled_from(ODD_KEYS))] = copy.deepcopy(
            data.draw(st.sampled_from(ODD_VALUES))
        )
    else:
        container[key] = copy.deepcopy(data.draw(st.sampled_from(ODD_VALUES)))
    content = yaml.safe_dump(document, allow_unicode=True, width=1000)
    assert accepts(content) == VALIDATOR.is_valid(document), content


def places(node: Any) -> Any:
    """Every container in the document with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from places(node[key])


def accepts(content: str) -> bool:
    try:
        policy_file(parse(content.encode(), "f"))
    except PolicyError:
        return False
    return True
