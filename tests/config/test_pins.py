"""Pins: what they protect, and what could protect nothing is refused with its place and what was meant."""

from pathlib import Path

import pytest

from cleanup.config.pins import read_pins
from cleanup.errors import UsageError
from tests.support.builders import make_image


def pins(folder: Path, *lines: str) -> Path:
    path = folder / "pins.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "line",
    [
        "img-1",
        "IMG-1",
        "team/ocr:1.4",
        "swr.cn-north-4.myhuaweicloud.com/team/ocr:1.4",
        "10.125.0.198:20202/team/ocr:1.4",
        "localhost/team/ocr:1.4",
        "LOCALHOST/team/ocr:1.4",
        "https://swr.example.com:443/team/ocr:1.4",
        f"swr.example.com/team/ocr:1.4@sha256:{'0a' * 32}",
        "team/ocr:1.4 # because",
        "\ufeffteam/ocr:1.4",
    ],
)
def test_every_spelling_of_an_image_protects_it(tmp_path: Path, line: str) -> None:
    use = read_pins([pins(tmp_path, line)]).of(make_image("img-1", namespace="team", name="ocr", tag="1.4"))
    assert use is not None
    assert use.user == "pin pins.txt:1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("team/ocr:v[[:digit:]]", "has a [: a pin names one image and is no pattern"),
        ("team/ocr:v[12]", "'v[12]' has a [: a pin names one image and is no pattern"),
        ("team/[!d]*:1", "has a *: a pin names one image and is no pattern"),
        ("dev-*", "has a *: a pin names one image and is no pattern"),
        ("team/ocr:{latest,stable}", "no tag has a comma, a brace or a blank in it"),
        ("team/ocr:latest,stable", "no tag has a comma, a brace or a blank in it"),
        ("team/ocr:${KEEP}", "is not filled in here"),
        ("Team/ocr:1", "no namespace has upper case letters, 'Team' has: write team"),
        ("!team/ocr:1", "no namespace begins with '!'"),
        ("team/ocr:1.4.0+7", "registries write '_' for it: write 1.4.0_7"),
        ("team/ocr:v\u200b1", "a character that cannot be seen (U+200B)"),
        ("team/o\ufeffcr:1", "a character that cannot be seen (U+FEFF)"),
        ("team/ocr:v\u00a01", "a character that cannot be seen (U+00A0)"),
        ("team/o\u00adcr:v1", "a character that cannot be seen (U+00AD)"),
        ("team/ocr:", "its tag is empty"),
        ("team/ocr", "is no image: write its id"),
        ("two words", "is not one id"),
        ("oci://swr.example.com/team/ocr:1", "without a scheme"),
    ],
)
def test_what_could_protect_nothing_is_an_error_with_the_right_spelling(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_pins([pins(tmp_path, "img-1", line)])
    assert str(caught.value).startswith(f"{tmp_path}/pins.txt:2:1: ")
    assert message in str(caught.value)


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_pins([pins(tmp_path, "a*", "img-1", "b*")])
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "3"]
