"""Durations, moments, sizes and versions: what is read, what is refused and with which advice, and their laws."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.durations import (
    LONGEST,
    format_duration,
    format_elapsed,
    format_moment,
    parse_duration,
    parse_moment,
)
from cleanup.policy.sizes import UNITS, parse_size, parse_size_range
from cleanup.policy.versions import parse_range, parse_version

CALENDAR = "months and years have no fixed length, write {} (m is minutes)"
UNITS_ADVICE = "write whole numbers with the units w, d, h, m, s, such as 90d or 1d12h"
WHOLE = "write whole numbers, none below zero, such as 1d12h for a day and a half"
ORDER = "each unit once, the largest first, such as 1w2d or 1d12h"


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("0s", timedelta(0)),
        ("50m", timedelta(minutes=50)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
        ("1d12h", timedelta(hours=36)),
        ("1w2d3h4m5s", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
        ("007d", timedelta(days=7)),
        ("0" * 30 + "7d", timedelta(days=7)),
        ("36500d", LONGEST),
    ],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "write a number with a unit, such as 90d"),
        ("90", "the unit is missing, write 90d for days or 90h for hours"),
        ("3M", CALENDAR.format("90d")),
        ("3mo", CALENDAR.format("90d")),
        ("3 months", CALENDAR.format("90d")),
        ("1y", CALENDAR.format("365d")),
        ("2 Years", CALENDAR.format("730d")),
        ("30days", "write 30d"),
        ("90 d", "write 90d"),
        ("90D", "write 90d"),
        ("5 min", "write 5m"),
        ("1d 12h", "write 1d12h, lower case and without spaces"),
        ("1D12H", "write 1d12h, lower case and without spaces"),
        ("12h1d", ORDER),
        ("1d1d", ORDER),
        ("1.5d", WHOLE),
        ("-5d", WHOLE),
        ("P90D", UNITS_ADVICE),
        ("soon", UNITS_ADVICE),
        ("d", UNITS_ADVICE),
        ("٣d", UNITS_ADVICE),
        ("90d\n", "write 90d"),
    ],
)
def test_durations_are_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match="is not a valid duration") as raised:
        parse_duration(text)
    assert str(raised.value) == f"'{text}' is not a valid duration: {advice}"


@pytest.mark.parametrize("text", ["36501d", "5215w", "99999999999999999999d", "9" * 5000 + "s"])
def test_durations_that_no_clock_can_count_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than 100 years: write at most 36500d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(milliseconds=900), "0s"),
        (timedelta(days=90), "90d"),
        (timedelta(days=41, hours=6, minutes=59), "41d 6h"),
        (timedelta(days=1, minutes=5), "1d"),
        (timedelta(hours=3, minutes=25, seconds=7), "3h 25m"),
        (timedelta(minutes=12), "12m"),
        (timedelta(seconds=59), "59s"),
        (-timedelta(minutes=2), "-2m"),
    ],
)
def test_durations_are_written_for_people(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=LONGEST))
def test_a_written_duration_reads_back_as_itself_cut_off(duration: timedelta) -> None:
    again = parse_duration(format_duration(duration).replace(" ", ""))
    assert timedelta(0) <= duration - again < timedelta(hours=1)
    assert format_duration(again) == format_duration(duration)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (725, "12 min 5 s"), (7380, "2 h 3 min")],
)
def test_elapsed_times_are_written_for_people(seconds: float, text: str) -> None:
    assert format_elapsed(seconds) == text


def test_moments_are_read_in_utc() -> None:
    assert parse_moment("2026-06-01T02:00:00+02:00") == datetime(2026, 6, 1, tzinfo=UTC)
    assert parse_moment("2026-06-01", assume_utc=True) == datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no time: write it like '2026-06-01T00:00:00Z'"),
        ("1st of June", "'1st of June' is no time: write it like '2026-06-01T00:00:00Z'"),
        ("0001-01-01T00:00:00+10:00", "'0001-01-01T00:00:00+10:00' is no time: "),
        ("2026-06-01T00:00:00", "'2026-06-01T00:00:00' has no time zone: write 2026-06-01T00:00:00Z for UTC"),
    ],
)
def test_moments_are_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="time") as raised:
        parse_moment(text)
    assert str(raised.value).startswith(message)


def test_moments_are_written_for_people() -> None:
    moment = parse_moment("2026-06-01T02:00:07.1239+02:00")
    assert format_moment(moment) == "2026-06-01 00:00:07 UTC"
    assert format_moment(moment, "minutes") == "2026-06-01 00:00 UTC"
    assert format_moment(moment, "milliseconds") == "2026-06-01 00:00:07.123 UTC"
    assert (format_moment(None), format_moment(None, unknown="unknown")) == ("?", "unknown")


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("500MB", 500_000_000), ("10GiB", 10 << 30), ("1.5 KiB", 1536), ("2TB", 2 * 10**12)],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("> 10GiB", [(10 << 30) + 1], [10 << 30, 0]),
        (">=1KB", [1000], [999]),
        ("< 1KiB", [0, 1023], [1024]),
        ("<= 1KB", [1000], [1001]),
        ("> 1KB, <= 2KB", [1001, 2000], [1000, 2001]),
        ("<= 2KB,>1KB", [1001, 2000], [1000, 2001]),
        (">= 5B, <= 5B", [5], [4, 6]),
    ],
)
def test_bounds_on_sizes(text: str, inside: list[int], outside: list[int]) -> None:
    bounds = parse_size_range(text)
    assert all(size in bounds for size in inside)
    assert not any(size in bounds for size in outside)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10GiB", "'10GiB' is no bound on a size: write > 10GiB or <= 500MB (operators are > >= < <=)"),
        ("= 5GB", "'= 5GB' is no bound on a size: write > 10GiB or <= 500MB (operators are > >= < <=)"),
        ("> 10", "'10' is no size: the unit is missing, write 10GiB, or 10B for bytes"),
        ("> 10G", "'10G' is no size: write 10GB"),
        ("> 10Gi", "'10Gi' is no size: write 10GiB"),
        ("> 10gib", "'10gib' is no size: write 10GiB"),
        ("> 10 parsecs", f"'10 parsecs' is no size: the units are {', '.join(UNITS)}"),
        ("> -5GB", "'-5GB' is no size: write a number and a unit, such as 10GiB"),
        (
            "> 1GB, < 2GB, < 3GB",
            "'> 1GB, < 2GB, < 3GB' has 3 bounds: one or two are enough, such as > 1GiB, < 20GiB",
        ),
        ("> 2GB, < 1GB", "no size is '> 2GB, < 1GB': the two bounds exclude each other"),
        ("> 1GB, < 1GB", "no size is '> 1GB, < 1GB': the two bounds exclude each other"),
    ],
)
def test_bounds_on_sizes_are_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"size|bounds") as raised:
        parse_size_range(text)
    assert str(raised.value) == message


# The order that semver.org gives as its example, with a release in front.
ORDERED = [
    "0.9.0", "1.0.0-0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
    "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0",
]  # fmt: skip


def test_versions_sort_as_semver_says() -> None:
    keys = [parse_version(text) for text in ORDERED]
    assert None not in keys
    assert keys == sorted(keys, key=lambda key: key or ())
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("left", "right"), [("1.2.3", "v1.2.3"), ("1.2.3+a.b", "1.2.3_c"), ("1.2.3-rc+1", "1.2.3-rc")]
)
def test_a_leading_v_and_build_data_do_not_count(left: str, right: str) -> None:
    assert parse_version(left) == parse_version(right) is not None


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+", "V1.2.3", "vv1.2.3",
     " 1.2.3", "1.2.3 ", "1.2.x", "latest", "2026-06-01", "1.2.3_", f"1.2.{'3' * 300}"],
)  # fmt: skip
def test_other_tags_are_no_versions(text: str) -> None:
    assert parse_version(text) is None


IDENTIFIER = st.from_regex(r"(0|[1-9][0-9]{0,3}|[0-9]{0,2}[a-c-][0-9a-c-]{0,3})", fullmatch=True)
NUMBER = st.integers(0, 20)
VERSIONS = st.builds(
    lambda numbers, pre: ".".join(map(str, numbers)) + ("-" + ".".join(pre) if pre else ""),
    st.tuples(NUMBER, NUMBER, NUMBER),
    st.lists(IDENTIFIER, max_size=3),
)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_have_a_total_order(left: str, middle: str, right: str) -> None:
    a, b, c = (parse_version(text) for text in (left, middle, right))
    assert a is not None
    assert b is not None
    assert c is not None
    assert (a < b) + (a == b) + (a > b) == 1
    assert (a == b) == (left == middle)
    if a <= b <= c:
        assert a <= c


@given(VERSIONS, VERSIONS)
def test_each_bound_holds_or_its_opposite_does(left: str, right: str) -> None:
    version = parse_version(left)
    assert version is not None
    for operator, opposite in (("<", ">="), (">", "<="), ("=", "!=")):
        held = version in parse_range(f"{operator} {right}")
        assert held is not (version in parse_range(f"{opposite} {right}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.4.0", "'1.4.0' is no version bound: an operator is missing, write = 1.4.0 or < 1.4.0"),
        ("< 1.4", "'< 1.4' is no version bound: a version has three numbers, write < 1.4.0"),
        ("< v2", "'< v2' is no version bound: a version has three numbers, write < 2.0.0"),
        (
            "~> 1.2.0",
            "'~> 1.2.0' is no version bound: write an operator (< <= > >= = !=) and a full version, such as < 1.4.0",
        ),
        (
            "^1.2.0",
            "'^1.2.0' is no version bound: the operators are < <= > >= = !=, so write a range as two bounds: "
            ">= 1.2.0, < 2.0.0",
        ),
        (
            ">=1.0.0 <2.0.0",
            "'>=1.0.0 <2.0.0' is no version bound: put a comma between two bounds: >= 1.0.0, < 2.0.0",
        ),
        (
            "< 1.0.0 || > 2.0.0",
            "'< 1.0.0 || > 2.0.0' is no version bound: for one of several ranges write "
            "any: [{semver: ...}, {semver: ...}]",
        ),
        ("> 2.0.0, < 1.0.0", "no version is '> 2.0.0, < 1.0.0': the two bounds exclude each other"),
        ("= 1.0.0, < 1.0.0", "no version is '= 1.0.0, < 1.0.0': the two bounds exclude each other"),
    ],
)
def test_version_ranges_are_refused_with_advice(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="version") as raised:
        parse_range(text)
    assert str(raised.value) == message
