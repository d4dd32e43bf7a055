"""The wire format: what is well known is read, what is not becomes unknown, and nothing crashes."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.image import Image
from cleanup.image_columns.table import ImageColumns
from cleanup.modelarts.users import notebooks
from cleanup.modelarts.wire.error_bodies import ServiceError, decode_error
from cleanup.modelarts.wire.image_records import (
    Record,
    decode_image,
    decode_part,
    decode_record,
    evidence,
    record_column,
    shown,
)
from cleanup.modelarts.wire.image_rows import ListedImages
from cleanup.modelarts.wire.json_bodies import Page, decode_object, decode_page
from cleanup.modelarts.wire.values import Unreadable

# The deletion page's own example (API.md, The image), word for word.
EXAMPLE = b"""
{ "arch": "x86_64", "create_at": 1671093486722, "description": "", "dev_services": ["NOTEBOOK", "SSH"],
  "id": "c9ab2b2f-edda-4556-bdbb-494e868d043c", "name": "mock-service-python", "namespace": "mock-service1",
  "origin": "CUSTOMIZE", "resource_categories": ["CPU"], "service_type": "UNKNOWN", "size": 387840321,
  "status": "DELETED", "swr_path": "swr.xxx.com/mock-service1/mock-service-python:0.0.17", "tag": "0.0.17",
  "type": "DEDICATED", "update_at": 1671093486722, "visibility": "PRIVATE", "workspace_id": "0" }
"""


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(encode(value))


def image_of(**fields: object) -> Image:
    return decode_image(raw({"id": "i", **fields}))


def test_the_example_of_the_api_pages() -> None:
    image = decode_image(EXAMPLE)
    moment = datetime(2022, 12, 15, 8, 38, 6, 722000, tzinfo=UTC)
    assert msgspec.structs.replace(image, record=msgspec.Raw(b"{}")) == Image(
        id="c9ab2b2f-edda-4556-bdbb-494e868d043c",
        namespace="mock-service1",
        name="mock-service-python",
        tag="0.0.17",
        swr_path="swr.xxx.com/mock-service1/mock-service-python:0.0.17",
        type="DEDICATED",
        visibility="PRIVATE",
        status="DELETED",
        origin="CUSTOMIZE",
        service_type="UNKNOWN",
        arch="x86_64",
        workspace_id="0",
        description="",
        size=387840321,
        resource_tags=None,
        created_at=moment,
        updated_at=moment,
        record=msgspec.Raw(b"{}"),
    )


def test_the_record_is_kept_verbatim_on_one_line() -> None:
    kept = decode_image(b'{"id": "i",\n "new": [1.10, "\\u00e9\\/"],  "huge": 1e999 }').raw
    assert bytes(kept) == b'{"id":"i","new":[1.10,"\\u00e9\\/"],"huge":1e999}'


def test_a_kept_record_reads_the_same_again() -> None:
    once = decode_image(EXAMPLE)
    assert decode_image(once.raw) == once


@pytest.mark.parametrize(
    "field", ["name", "namespace", "tag", "swr_path", "visibility", "status", "type", "arch"]
)
@pytest.mark.parametrize("value", [None, "", "  ", 1.1, 7, True, [], {}, ["x"]])
def test_a_text_of_a_wrong_kind_is_unknown(field: str, value: object) -> None:
    assert getattr(image_of(**{field: value}), field) is None


def test_only_a_description_may_be_empty() -> None:
    assert image_of(description="").description == ""
    assert image_of(description=None).description is None
    assert image_of(description=3).description is None


@pytest.mark.parametrize(
    "value", [None, 0, -1, True, 1671093486722.0, "1671093486722", 10**18, 10**30, [], {}, ""]
)
def test_a_time_that_makes_no_sense_is_unknown(value: object) -> None:
    record = b'{"id":"i","update_at":%s,"create_at":5}' % str(value).encode() if value == 10**30 else None
    image = decode_image(record or raw({"id": "i", "update_at": value, "create_at": 5}))
    assert image.updated_at is None
    assert image.created_at == datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "size"), [(0, 0), (5, 5), (-1, None), (1.5, None), ("5", None), (True, None)]
)
def test_size(value: object, size: int | None) -> None:
    assert image_of(size=value).size == size


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ([], {}),
        ([{"key": "team", "value": "vision"}], {"team": "vision"}),
        ([{"key": "team", "value": ""}], {"team": ""}),
        (None, None),
        ({"team": "vision"}, None),
        ([{"key": "team", "value": "vision"}, {"key": "owner"}], None),
        ([{"key": "team", "value": "vision"}, {"key": "team", "value": "audio"}], None),
        ([{"key": "team", "value": 3}], None),
        (["team"], None),
    ],
)
def test_resource_tags_are_known_whole_or_not_at_all(value: object, tags: dict[str, str] | None) -> None:
    assert image_of(tags=value).resource_tags == tags


@pytest.mark.parametrize("absurd", [b"1e999", b"-1e999", b"9" * 5000])
def test_one_absurd_value_costs_that_field_alone(absurd: bytes) -> None:
    image = decode_image(b'{"id":"i","size":' + absurd + b',"tag":"v1"}')
    assert image.size is None
    assert image.tag == "v1"


@pytest.mark.parametrize(
    "record",
    [
        *(b"null", b"[]", b'"i"', b"7", b"{}", b'{"id":null}', b'{"id":7}', b'{"id":" "}', b'{"id":"a/b"}'),
        *(
            b'{"id":".."}',
            b'{"id":"."}',
            b'{"id":"a?x"}',
            b'{"id":"a#x"}',
            b'{"id":"a\\nb"}',
            b'{"id":"a\\\\b"}',
        ),
        *(b"", b'{"id":', b"\xff", b"[" * 5000),
    ],
)
def test_a_record_without_a_usable_id_is_refused(record: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_image(record)


@pytest.mark.parametrize(
    "record",
    [
        EXAMPLE,
        *(
            encode(msgspec.json.decode(EXAMPLE) | {name: value})
            for name in msgspec.json.decode(EXAMPLE)
            for value in (None, " ", "Ab", 7, 1 << 51, 1.5, True, ["x"], {"x": 1}, "x/y")
        ),
        *(b'{"id":"i","size":1e999}', b'{"id":"i","size":NaN}', b'{"id":"i","arch":"\xff"}'),
        *(b'{"id":"i","name":"\\ud800"}', b'{"id":"i","x":"\xff"}', b"{}", b"[]", b"", b'{"id":'),
    ],
)
def test_what_is_read_for_a_plan_is_the_same_image_with_less_of_it(record: bytes) -> None:
    listed = ListedImages()
    try:
        (kept,) = ImageColumns([listed.row(record)])
    except Unreadable as error:
        with pytest.raises(Unreadable, match=re.escape(str(error))):
            decode_image(record)
    else:
        alone = decode_image(record)
        assert kept.raw == alone.raw
        assert msgspec.structs.replace(kept, record=alone.record, spool=None) == alone
    everything = " ".join(set(Image.__struct_fields__) - {"swr_instance_id", "unreadable", "record", "spool"})
    for part, names in (
        (shown, "id namespace name tag swr_path visibility size updated_at"),
        (evidence, everything),
    ):
        try:
            whole = decode_image(record)
        except Unreadable as error:
            with pytest.raises(Unreadable, match=re.escape(str(error))):
                decode_part(record, part)
        else:
            some = decode_part(record, part)
            read = [decode_record(one)[0] for one in (record, b'{"id":"another"}')]
            assert [record_column(read, name)[0] for name in names.split()] == [
                getattr(whole, name) for name in names.split()
            ]
            assert [getattr(some, name) for name in names.split()] == [
                getattr(whole, name) for name in names.split()
            ]


def test_what_is_whole_of_a_damaged_record_is_read() -> None:
    image = decode_image(b'{"id":"i","name":"\\ud800","tag":"v1","x":NaN}')
    assert (image.name, image.tag, bytes(image.raw)) == (None, "v1", b'{"id":"i","tag":"v1"}')
    assert image.unreadable == "its name, x cannot be read"


class TestPages:
    def test_an_ordinary_page(self) -> None:
        page = decode_page(b'{"current":0,"data":[{"id":"a"},{"id":"b"}],"pages":1,"size":2,"total":2}')
        assert [bytes(record) for record in page.records] == [b'{"id":"a"}', b'{"id":"b"}']
        assert page.total == 2

    @pytest.mark.parametrize("total", [b"null", b'"2"', b"-1", b"2.0", b"true", b"1e999", b"[]"])
    def test_a_total_of_a_wrong_kind_is_unknown(self, total: bytes) -> None:
        page = decode_page(b'{"data":[],"total":' + total + b',"pages":"x","size":{},"current":null}')
        assert page == Page((), None)

    def test_all_but_the_data_may_be_missing(self) -> None:
        assert decode_page(b'{"data":[]}') == Page((), None)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b'{"data":null}',
            b'{"data":{}}',
            b'{"data":"x"}',
            b'{"data":[{"id":"a"}',
        ],
    )
    def test_without_a_list_it_is_no_page(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            decode_page(body)

    @pytest.mark.parametrize(
        "body", [b"<html>502</html>", b'{"data":[{"id":"\xff"}]}', b'{"data":' + b"[" * 9999]
    )
    def test_rubbish_is_no_page(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            decode_page(body)


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "code", "message"),
        [
            (b'{"error_code":"ModelArts.0203","error_msg":"no"}', "ModelArts.0203", "no"),
            (b'{"error_code":"ModelArts.6797"}', "ModelArts.6797", None),
            (b'{"error_msg":"no","error_code":null}', None, "no"),
            (
                b'{"error":{"code":401,"message":"wrong password","title":"Unauthorized"}}',
                "401",
                "wrong password",
            ),
            (b"", None, None),
            (b"{}", None, "{}"),
            (b'{"error_msg":7}', None, '{"error_msg":7}'),
            (
                b"<html><head><title>502</title></head>\r\n<body>Bad  Gateway</body></html>",
                None,
                "502 Bad Gateway",
            ),
            (b'{"error_code":"ModelArts.02', None, '{"error_code":"ModelArts.02'),
            (b"caf\xe9\x00\x1b[31m", None, "caf� [31m"),
            (b"[1]", None, "[1]"),
        ],
    )
    def test_what_an_error_says(self, body: bytes, code: str | None, message: str | None) -> None:
        assert decode_error(body) == ServiceError(code, message)

    def test_a_long_text_is_bounded(self) -> None:
        message = decode_error(b'{"error_msg":"' + b"x" * 100_000 + b'"}').message
        assert message == "x" * 497 + "..."


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(Record.__struct_fields__)
RECORDS = st.dictionaries(FIELDS | st.text(st.characters(exclude_categories=["Cs"])), JSON)


@given(RECORDS)
def test_an_unknown_never_becomes_known(record: dict[str, Any]) -> None:
    """Whatever an image says, its record says the same, in the right kind."""
    image = decode_image(raw({**record, "id": "i"}))
    said = msgspec.to_builtins(
        {name: getattr(image, name) for name in image.__struct_fields__ if name not in ("record", "id")}
    )
    assert msgspec.json.decode(image.raw) == {**record, "id": "i"}
    for name, value in said.items():
        sent = record.get(
            {"resource_tags": "tags", "created_at": "create_at", "updated_at": "update_at"}.get(name, name)
        )
        match name:
            case "resource_tags":
                assert value is None or value == {tag["key"]: tag["value"] for tag in sent or ()}
            case "created_at" | "updated_at":
                assert value is None or (type(sent) is int and sent > 0)
            case _:
                assert value is None or (value == sent and type(value) is type(sent))


def decode_notebook(body: bytes) -> object:
    return notebooks.decode_notebook(msgspec.Raw(body))


def error_told_of(body: bytes) -> str | None:
    """Let every reader have a body; only what cannot be read is an error. Returns what is told of it as an error."""
    for read in (decode_page, decode_image, decode_object, decode_notebook):
        with suppress(Unreadable):
            read(body)
    return decode_error(body).message


def can_be_shown(message: str | None) -> bool:
    return message is None or (len(message) <= 500 and message.isprintable())


@given(st.binary())
def test_no_bytes_crash_anything(body: bytes) -> None:
    assert can_be_shown(error_told_of(body))


@given(JSON)
def test_no_json_crashes_anything(value: object) -> None:
    assert can_be_shown(error_told_of(encode(value)))
    assert can_be_shown(error_told_of(encode({"data": [value], "total": value})))
    assert can_be_shown(error_told_of(encode({"id": value, "image": value, "status": value})))
    assert can_be_shown(error_told_of(encode({"error": value, "error_code": value, "error_msg": value})))
