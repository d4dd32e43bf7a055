"""What a keep line carries: five values of the record, each as the API sent it, of whatever kind."""

from typing import Any

import msgspec
import pytest

from cleanup.decision.types import Action, Decision, Reason
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.plan.lines import line_of

SENT = {"id": "i", "namespace": "ns", "name": "n", "tag": "1.0", "update_at": 1671093486722}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"name": 'ä"\\\n', "tag": "\u2028"},
        {"update_at": 1},
        {"update_at": 253402300799999},
        {"update_at": 0},
        {"update_at": -1},
        {"update_at": 10**30},
        {"update_at": 1.5},
        {"update_at": "1671093486722"},
        {"tag": None},
        {"tag": ""},
        {"tag": "  "},
        {"name": ["n"]},
        {"namespace": {"a": 1.10}},
        {"namespace": True},
    ],
    ids=str,
)
def test_each_value_is_as_it_was_sent(odd: dict[str, Any]) -> None:
    sent = SENT | odd
    image = decode_image(msgspec.json.encode(sent | {"size": 5, "type": "DEDICATED"}))
    kept = Decision(image=image, action=Action.KEEP, reason=Reason.NO_RULE, detail="")
    assert msgspec.json.decode(line_of(kept).image) == sent


def test_what_was_not_sent_is_null() -> None:
    kept = Decision(image=decode_image(b'{"id":"i"}'), action=Action.KEEP, reason=Reason.UNKNOWN, detail="")
    assert msgspec.json.decode(line_of(kept).image) == dict.fromkeys(SENT) | {"id": "i"}
