"""Images in columns say the same as images by themselves, whatever is odd about them."""

from array import array

import pytest

from cleanup.image import Image
from cleanup.image_columns.coded import repeated
from cleanup.image_columns.fields import codes, column, key_numbers, moments, scaled, untold
from cleanup.image_columns.table import ImageColumns
from cleanup.reference import common_key, key_number, odd_tags
from tests.support.builders import NOW, columns_of, make_image

PATH = "swr.example.com/ml-vision/trainer:"
IMAGES = [
    make_image("a", tag="1.0", swr_path=f"{PATH}1.0", resource_tags={"team": "vision"}),
    make_image("b", tag="2.0", swr_path=f"{PATH}2.0", age=5, description="kept"),
    make_image("c", tag=None, swr_path=f"{PATH}None", resource_tags={"team": "vision"}),
    make_image("d", tag="+", swr_path=f"{PATH}+", swr_instance_id="8F1C", description="kept"),
    make_image("e", tag="3.0", swr_path="other.example.com/ml-vision/trainer:3.0", size=None),
    make_image("f", tag="4.0", swr_path=None, age=None, unreadable="its arch cannot be read"),
    make_image("g", tag="5.0", namespace="reg.io", name="n", swr_path="reg.io/n:5.0", created_at=NOW),
    make_image("h", tag="x", namespace=None, name=None, swr_path="odd", size=0, resource_tags={}),
]
KEYS = [common_key(one.swr_path, one.namespace) for one in IMAGES]
TOLD = [
    Image(**{f: getattr(one, f) for f in Image.__struct_fields__} | {"record": n})
    for n, one in enumerate(IMAGES)
]


def test_an_image_that_is_asked_for_is_the_one_that_was_put_in() -> None:
    held = columns_of(IMAGES)
    assert list(held) == TOLD
    assert (held[-1], held[2:4], held[::-3]) == (TOLD[-1], tuple(TOLD[2:4]), tuple(TOLD[::-3]))
    assert [*ImageColumns(held.rows())] == TOLD
    with pytest.raises(IndexError):
        held[len(TOLD)]


@pytest.mark.parametrize("name", [*sorted({*Image.__struct_fields__} - {"record"}), "label", "content"])
def test_a_column_is_the_field_of_each(name: str) -> None:
    assert list(column(columns_of(IMAGES), name)) == [getattr(one, name) for one in IMAGES]


def test_keys_are_those_of_the_paths() -> None:
    held = columns_of(IMAGES)
    assert key_numbers(held) == key_numbers(IMAGES) == array("q", map(key_number, KEYS))
    fields = [f"{one.namespace}/{one.name}:{one.tag}" for one in IMAGES]
    told = [number for number, key in enumerate(KEYS) if key != fields[number]]
    assert {*untold(held, key_numbers(held))} >= {*untold(IMAGES, key_numbers(IMAGES))} == {*told}


def test_a_tag_that_is_none_is_found_among_very_many() -> None:
    odd = ["", "-x", ".x", "a b", "a/b", "a/-b", "ä", "\n", "x" * 129, None, "1.0+build"]
    for one in odd:
        tags = ["1.0"] * 1000 + ["a-b_c.D"] * 300 + [one] + ["x" * 128] * 5
        assert list(odd_tags(tags)) == [1300]
    assert list(odd_tags(odd)) == [*range(len(odd))]
    assert list(odd_tags([])) == []


@pytest.mark.parametrize(
    "names",
    [("type",), ("name",), ("arch", "unreadable", "name"), ("unreadable",), ("id", "size")],
    ids=" ".join,
)
def test_codes_stand_for_the_values_of_several_fields(names: tuple[str, ...]) -> None:
    wanted = [tuple(getattr(one, name) for name in names) for one in IMAGES]
    for images in (IMAGES, columns_of(IMAGES)):
        found = codes(images, names)
        assert [found.values[code] for code in found.codes] == wanted
        assert len(set(found.values)) == len(found.values)
        some = codes(images, names, [5, 1])
        assert [some.values[code] for code in some.codes] == [wanted[5], wanted[1]]


def test_times_keep_their_order() -> None:
    for images in (IMAGES, columns_of(IMAGES)):
        found = moments(images, "created_at")
        now = scaled(NOW)
        assert [value == now for value in found] == [one.created_at == NOW for one in IMAGES]
        assert min(found) == found[5] < found[0] < found[1] < now


def test_one_image_takes_the_place_of_another() -> None:
    held = columns_of(IMAGES)
    for number in (0, 2, 5):
        held[number] = columns_of([IMAGES[7]]).row(0)
    assert (
        held[0]
        == held[2]
        == held[5]
        == Image(**{f: getattr(TOLD[7], f) for f in Image.__struct_fields__} | {"record": 0})
    )
    more = columns_of([make_image("i"), make_image("b", tag="new")])
    merged = columns_of(IMAGES).merged(more)
    assert [(one.id, one.tag) for one in merged][1::7] == [("b", "new"), ("i", "dev-i")]
    assert ImageColumns().merged(more) is more


def test_what_comes_more_than_once() -> None:
    assert repeated([3, 1, 3, 2, 1, 3]) == {1, 3}
