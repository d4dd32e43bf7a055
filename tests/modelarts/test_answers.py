"""The table of answers to a DELETE, row by row: read as it says, printed as it is, and done as it says."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from cleanup.modelarts import deletion
from cleanup.modelarts.answers import TABLE, Look, Meaning, Row, read_answer
from cleanup.modelarts.deletion import Pending
from cleanup.modelarts.http.messages import NoResponse, Response, Result, passes
from cleanup.outcome import Outcome, Verdict
from tests.docs.test_docs import API, table
from tests.support.stage import LOST, REFUSED, Stage, Time, error, make_client, reply

ID = "c9ab2b2f-edda-4556-bdbb-494e868d043c"
THERE = reply(200, {"id": ID, "status": "ACTIVE"})
GOING = reply(200, {"id": ID, "status": "deleting"})
NOT_FOUND = error(404, "ModelArts.6797", "Specified image cannot be found")
USED = "The image is being used by notebook nb-1."

EXAMPLES: Mapping[str, list[Response | NoResponse]] = {
    "none, and it never left; or 429": [REFUSED, reply(429), error(429, "APIG.0308", "image in use")],
    "none, though it left": [LOST],
    "408, 425, 500 and above": [*map(reply, (408, 425, 500, 502, 503, 504, 599)), error(500, "X.1", USED)],
    "204": [reply(204)],
    "200 with this image, `DELETED`": [
        reply(200, {"id": ID, "status": "deleted"}),
        reply(200, {"id": ID.upper(), "status": "DELETED"}),
        reply(200, {"status": "DELETED"}),
        *(
            reply(200, b'{"status": "DELETED", "x": %s}' % odd)
            for odd in (b"NaN", b"-Infinity", b"1e400", b"1" + b"0" * 400, b"9" * 5000, b'"\\ud800"')
        ),
    ],
    "200 with this image, in another documented state": [
        reply(200, {"id": ID, "status": status}) for status in ("ACTIVE", "Error", "INIT", "CREATE_FAILED")
    ],
    "200 with this image, `DELETING` or in a state that is new": [
        GOING,
        reply(200, {"status": "TO_BE_GONE"}),
    ],
    "202, or any other 2xx: no body, no JSON, no state, another image": [
        reply(202),
        reply(202, {"id": ID, "status": "DELETED"}),
        reply(202, {"id": ID, "status": "ACTIVE"}),
        reply(201, {"id": ID, "status": "DELETED"}),
        *(reply(200, body) for body in (b"", b'{"id": "c9ab', b"<html>", b"[]", b"null", b"\xff\xfe", b"{}")),
        reply(200, {"id": ID, "status": None}),
        reply(200, {"id": "another", "status": "DELETED"}),
        reply(200, {"id": "another", "status": "ACTIVE"}),
        reply(200, {"id": 7, "status": "DELETED"}),
        reply(200, b'{"status": "DELETED", "x": %s}' % (b"[" * 100_000 + b"]" * 100_000)),
        Response(200, b"", {}, "its answer is larger than 1 MiB and was not read"),
    ],
    "3xx": [reply(302, Location="https://login.test/"), reply(307, Location="/v2"), reply(304)],
    "400 or 404 with `ModelArts.6797` or `ModelArts.6404`": [
        *(error(status, code) for status in (400, 404) for code in ("ModelArts.6797", "modelarts.6404")),
        reply(404, b'{"error_code": "ModelArts.6797", "x": NaN}'),
    ],
    "any other 404, and 410": [
        reply(404),
        reply(410),
        reply(404, b"<html>"),
        error(404, "APIG.0101", USED),
        reply(404, b"null"),
    ],
    "401": [error(401, "ModelArts.0203", USED)],
    "409": [reply(409), error(409, "ModelArts.0104", "conflict"), reply(409, b"<html>")],
    "any other 4xx whose text says that the image is being used": [
        error(status, "ModelArts.0104", text)
        for status, text in (
            (400, USED),
            (403, USED),
            (423, USED),
            (400, "image in use"),
            (400, "Only an image that is not in use can be deleted."),
            (400, "The image c9ab-4556 is currently used"),
            (400, "The image is occupied"),
            (400, "Cannot delete it: it is still used"),
            (400, "镜像正在被使用"),
            (403, "该镜像正在使用中 无法删除"),
            (400, "镜像已被Notebook实例占用"),
            (400, "镜像被训练作业引用 不能删除。"),
            (400, "操作失败 资源被占用"),
        )
    ],
    "403": [
        reply(403, b"<html>"),
        error(403, "ModelArts.0108", "The token used by the request cannot do it"),
    ],
    "400, and anything else": [
        *map(reply, (400, 405, 418, 423)),
        *(
            error(400, "ModelArts.0104", text)
            for text in (
                "Quota in use exceeds limit",
                "The number of images in use exceeds the quota.",
                "Invalid parameter: the id cannot be used so",
                "使用的镜像配额超过上限",
                "镜像正在使用的令牌无效",
                "该参数不能被使用",
            )
        ),
    ],
}
EACH = [(row, given) for row in TABLE[1:] for given in EXAMPLES.get(row.answer, [])]


def came_of(given: Response | NoResponse) -> Result[bytes]:
    """What came of a DELETE that was answered so."""
    if isinstance(given, NoResponse):
        return Result(label="DELETE", trouble=given.why, attempts=1, doubtful=given.sent)
    doubtful = passes(given.status) and given.status != 429
    return Result(label="DELETE", status=given.status, body=given.body, attempts=1, doubtful=doubtful)


def test_every_row_has_its_examples() -> None:
    assert [row.answer for row in TABLE[1:]] == list(EXAMPLES)
    assert {row.means for row in TABLE} == set(Meaning)


@pytest.mark.parametrize(("row", "given"), EACH)
def test_an_answer_is_read_as_the_table_says(row: Row, given: Response | NoResponse) -> None:
    assert read_answer(came_of(given), ID).answer == row.answer


def test_a_stop_comes_before_all_that_was_answered() -> None:
    for given in (REFUSED, LOST, reply(503), reply(429)):
        stopped = msgspec.structs.replace(came_of(given), stopped=True)
        assert read_answer(stopped, ID) is TABLE[0]


def test_the_table_is_printed() -> None:
    printed = [
        [
            row.answer,
            row.means,
            row.means.then.look,
            f"`{row.means.then.gone}`",
            "" if row.means.then.look is Look.NEVER else f"`{row.means.then.there}`",
            "yes" if row.means.then.asks_users else "",
        ]
        for row in TABLE
    ]
    assert table(API, "the answer to a DELETE") == printed


async def delete(given: Response | NoResponse, *looks: Response) -> tuple[Verdict, list[str]]:
    """DELETEs that all get this answer, and then these looks; the last of them again and again."""
    staged = list(looks)

    def play(request: Any) -> Response | NoResponse:
        if request.method == "DELETE":
            return given
        return staged.pop(0) if len(staged) > 1 else staged[0]

    async def nobody() -> None:
        return None

    stage, time = Stage(otherwise=play), Time()
    client = make_client(stage, time=time, max_attempts=2)
    found = await deletion.delete(client, ID, force=False, who_uses=nobody)
    if isinstance(found, Pending):
        found = await deletion.settle(client, found, until=time() + 120, sleep=time.sleep)
    assert isinstance(found, Verdict)
    return found, stage.methods


@pytest.mark.parametrize(("row", "given"), EACH)
async def test_what_is_done_is_what_the_table_says(row: Row, given: Response | NoResponse) -> None:
    then = row.means.then
    there, methods = await delete(given, THERE)
    assert there.outcome is then.there
    assert {
        Look.NEVER: 0,
        Look.AFTER_DOUBT: 0,
        Look.ONCE: 1,
        Look.WATCHED: 16,  # at once, after 1, 3, 7, 15, 25 ... 115 and 120 seconds
    }[then.look] == methods.count("GET")
    if then.look in (Look.ONCE, Look.WATCHED):
        gone, _ = await delete(given, NOT_FOUND)
        assert gone.outcome is then.gone
        settled, _ = await delete(given, GOING, GOING, NOT_FOUND)
        assert (settled.outcome, settled.duration_ms >= 3000) == (then.gone, True)
        kept, methods = await delete(given, GOING)
        assert (kept.outcome, kept.image_status) == (Outcome.UNKNOWN, "deleting")
        assert str(kept.error_msg).endswith("after its DELETE (--settle-timeout); `resume` settles it")
        assert methods.count("GET") == 16
