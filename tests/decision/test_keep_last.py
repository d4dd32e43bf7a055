"""Images are put in the order of the newest, however near their times are and however many groups there are."""

from datetime import timedelta
from pathlib import Path

import pytest

from cleanup.decision import keep_last
from cleanup.decision.keep_last import newest_first, rank
from cleanup.decision.times import Times
from cleanup.policy.load import load
from tests.support.builders import NOW, columns_of, make_image

POLICY = """
version: 1
rules:
  - {name: a, keep_last: {count: 2, per: [name]}}
"""


@pytest.mark.parametrize("exact", [1, 1 << 52], ids=["whole numbers", "floats"])
def test_places_are_those_of_the_newest_first(
    exact: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_last, "_EXACT", exact)
    (tmp_path / "p.yaml").write_text(POLICY)
    (rule,) = load([tmp_path / "p.yaml"]).rules
    images = [
        make_image(
            f"{(7 * number) % 60:02}",
            name=("one", "two", "three")[number % 3],
            updated_at=NOW - timedelta(microseconds=number // 9),
            created_at=NOW - timedelta(days=1 + number % 2),
        )
        for number in range(60)
    ]
    for held in (images, columns_of(images)):
        ranks = rank({rule.name: (rule, range(60))}, Times(held, NOW))
        for name in ("one", "two", "three"):
            wanted = newest_first(image for image in images if image.name == name)
            places = {image.id: ranks[number] for number, image in enumerate(images) if image.name == name}
            assert [place and place.rank for place in map(places.get, (one.id for one in wanted))] == [
                *range(1, 21)
            ]
            assert {place and (place.size, place.group) for place in places.values()} == {(20, name)}
            assert {one.id for one in wanted[:2]} <= {images[number].id for number in ranks.newest[rule.name]}
        assert len(ranks.newest[rule.name]) == 6
