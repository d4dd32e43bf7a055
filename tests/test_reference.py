"""References to images: what each form means, which of them may name one content, and the laws of that."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.reference import (
    BASIC,
    Reference,
    ReferenceIndex,
    common_key,
    common_keys,
    from_fields,
    parse_reference,
    readings,
    same_content,
)

X, Y = f"sha256:{'0a' * 32}", f"sha256:{'0b' * 32}"


def ref(
    namespace: str | None = None, name: str | None = None, tag: str | None = None, digest: str | None = None
) -> Reference:
    return Reference(registry=BASIC, namespace=namespace, name=name, tag=tag, digest=digest)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the forms in which references occur
        ("swr.cn-north-4.myhuaweicloud.com/vision/trainer:2.4", ref("vision", "trainer", "2.4")),
        ("vision/trainer:2.4", ref("vision", "trainer", "2.4")),
        ("10.125.0.198:20202/vision/trainer:2.4", ref("vision", "trainer", "2.4")),
        ("localhost/vision/trainer:2.4", ref("vision", "trainer", "2.4")),
        ("registry:5000/vision/trainer", ref("vision", "trainer", "latest")),
        ("[::1]:5000/vision/trainer", ref("vision", "trainer", "latest")),
        ("swr.example.com/vision/team/deep/trainer:1", ref("vision", "team/deep/trainer", "1")),
        ("vision/team$deep$trainer:1", ref("vision", "team/deep/trainer", "1")),
        # a first part without dot and colon is a namespace
        ("org/team/img:1", ref("org", "team/img", "1")),
        ("my-registry/team/img:1", ref("my-registry", "team/img", "1")),
        # spellings that say nothing
        ("https://swr.example.com/a/b:1", ref("a", "b", "1")),
        ("DOCKER://SWR.Example.com:443/a/b:1", ref("a", "b", "1")),
        (" swr.example.com/A/B:1 \n", ref("a", "b", "1")),
        ("\ufeffswr.example.com//a//b/", ref("a", "b", "latest")),
        # tags keep their case; no tag is latest
        ("a/b:V1", ref("a", "b", "V1")),
        ("a/b", ref("a", "b", "latest")),
        # digests
        (f"a/b:1@{X}", ref("a", "b", "1", X)),
        (f"a/b@{X.upper()}", ref("a", "b", None, X)),
        ("a/b@sha256:0a0a", ref("a", "b")),
        # what makes no sense is unknown, and so may be anything
        ("a/b:", ref("a", "b")),
        ("a/b:no tag", ref("a", "b")),
        ("a/b:1:2", ref("a", "b")),
        (f"a/b:{'x' * 129}", ref("a", "b")),
        ("a b/c:1", ref(None, "c", "1")),
        ("a/b c:1", ref("a", None, "1")),
        ("a/b c", ref("a", None, None)),
        ("a/*:1", ref("a", None, "1")),
        ("img:1", ref(None, "img", "1")),
        ("swr.example.com/img:1", ref(None, "img", "1")),
        ("?", ref(None, None, None)),
    ],
)
def test_what_a_text_means(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "/", "swr.example.com", "user@swr.example.com/a/b:1", "https://"])
def test_what_names_nothing_may_be_anything(text: str) -> None:
    assert parse_reference(text) == Reference()
    assert same_content(parse_reference(text), ref("a", "b", "1"))


def test_a_dotted_namespace_is_known_by_the_record_and_otherwise_read_both_ways() -> None:
    assert parse_reference("my.org/team/img:1", namespace="My.org") == ref("my.org", "team/img", "1")
    assert set(readings("my.org/team/img:1", registry=BASIC)) == {
        ref("team", "img", "1"),
        ref("my.org", "team/img", "1"),
    }
    assert len(readings("org/team/img:1")) == 1


@pytest.mark.parametrize(
    "text", ["my.org/img:1", "MY.Org/img:1", "/my.org/img:1", "docker://my.org/img:1", "//My.org//img:1"]
)
def test_a_namespace_with_a_dot_is_one_reading_however_it_is_spelt(text: str) -> None:
    assert Reference(namespace="my.org", name="img", tag="1") in readings(text)


SAME = [
    ("team/ocr:1", "100.125.0.198:20202/team/ocr:1"),
    ("swr.a.com/team/ocr:1", "swr.b.eu:443/team/ocr:1"),
    ("team/ocr", "team/ocr:latest"),
    (f"team/ocr:1@{X}", "team/ocr:1"),
    (f"team/ocr:1@{X}", f"team/ocr:1@{Y}"),  # the tag moved, it is one tag all the same
    (f"team/ocr:1@{X}", f"team/ocr:2@{X}"),
    (f"team/ocr@{X}", "team/ocr:1"),  # the tag may point at this digest
    (f"team/ocr@{X}", f"team/ocr:1@{Y}"),  # or may have moved there since
    (f"team/ocr@{X}", f"team/ocr@{X.upper()}"),
    ("ocr:1", "team/ocr:1"),
    ("ocr:1", "team/deep/ocr:1"),
    ("team/o cr:1", "team/ocr:1"),
    ("team/ocr:?", "team/ocr:1"),
]
DIFFERENT = [
    ("team/ocr:V1", "team/ocr:v1"),
    ("team/ocr:1", "team/ocr:1.0"),
    ("team/ocr:1", "other/ocr:1"),
    ("team/ocr:1", "team/deep/ocr:1"),
    (f"team/ocr@{X}", f"team/ocr@{Y}"),
    (f"team/ocr@{X}", f"team/ocr2@{X}"),
    (f"team/ocr:1@{X}", "team/ocr:2"),
    ("ocr:1", "team/socr:1"),
    ("team/ocr:?", "other/ocr:1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_may_be_the_same_content(one: str, other: str) -> None:
    assert same_content(parse_reference(one), parse_reference(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_certainly_not(one: str, other: str) -> None:
    assert not same_content(parse_reference(one), parse_reference(other))


def test_an_enterprise_instance_is_a_registry_of_its_own() -> None:
    basic, instance, any_ = (parse_reference("a/b:1", registry=one) for one in (BASIC, "8f1c", None))
    assert not same_content(basic, instance)
    assert same_content(any_, basic)
    assert same_content(any_, instance)


HOSTS = st.sampled_from(["", "swr.a.com/", "SWR.B.eu:443/", "10.125.0.198:20202/", "localhost/", "[::1]:1/"])
REPOSITORIES = st.sampled_from(["team/ocr", "team/ocr2", "org/team/img", "team/img"])
TAGS = st.sampled_from(["", ":latest", ":1", ":V1", ":v1", ":2"])
DIGESTS = st.sampled_from(["", f"@{X}", f"@{Y}"])
ODD = st.sampled_from(
    ["", "img:1", "te am/ocr:1", "team/oc r", "team/ocr:", f"team/ocr@{X[:20]}", "?", "a@b/c", "my.org/img"]
)
EXACT = st.builds(lambda *parts: "".join(parts), HOSTS, REPOSITORIES, TAGS)
TEXTS = EXACT | st.builds(lambda *parts: "".join(parts), HOSTS, REPOSITORIES, TAGS, DIGESTS) | ODD
REFERENCES = st.builds(
    lambda text, registry: parse_reference(text, registry=registry),
    TEXTS,
    st.sampled_from([BASIC, "8f1c", None]),
)


@given(REFERENCES, REFERENCES)
def test_being_the_same_is_reflexive_and_symmetric(one: Reference, other: Reference) -> None:
    assert same_content(one, one)
    assert same_content(one, other) == same_content(other, one)


@given(EXACT, EXACT, EXACT)
def test_between_references_that_say_a_tag_it_is_an_equivalence(one: str, other: str, third: str) -> None:
    a, b, c = map(parse_reference, (one, other, third))
    assert same_content(a, b) == (a == b)
    if same_content(a, b) and same_content(b, c):
        assert same_content(a, c)


@given(REPOSITORIES, TAGS, DIGESTS, HOSTS, HOSTS, st.sampled_from(["", "http://", "HTTPS://"]), st.booleans())
def test_spelling_changes_nothing(
    repository: str, tag: str, digest: str, host: str, other: str, scheme: str, nested: bool
) -> None:
    plain = parse_reference(f"{host or 'swr.a.com/'}{repository}{tag}{digest}")
    shown = repository.upper().replace("/", "$" if nested else "//")
    assert parse_reference(f" {scheme}{other or 'x:1/'}{shown}{tag}{digest}\t") == plain


@given(REFERENCES, REFERENCES, st.sampled_from(["registry", "namespace", "name", "tag", "digest"]))
def test_knowing_less_tells_less_apart(one: Reference, other: Reference, part: str) -> None:
    poorer = msgspec.structs.replace(one, **{part: None})
    # But for a digest beside a tag, which is an additional likeness and never a difference.
    if same_content(one, other) and not (part in ("tag", "digest") and one.tag and one.digest):
        assert same_content(poorer, other)


@given(st.lists(REFERENCES, max_size=12), REFERENCES)
def test_the_index_finds_exactly_what_may_be_the_same(entries: list[Reference], wanted: Reference) -> None:
    found = list(ReferenceIndex((one, number) for number, one in enumerate(entries)).find(wanted))
    assert sorted(found) == [n for n, one in enumerate(entries) if same_content(one, wanted)]


@given(st.lists(REFERENCES, max_size=12), REFERENCES)
def test_what_the_index_lacks_it_does_not_find(entries: list[Reference], wanted: Reference) -> None:
    index = ReferenceIndex((one, one) for one in entries)
    if wanted.exact and not wanted.digest and index.lacks(*wanted.keys):
        assert not list(index.find(wanted))


@given(st.text(max_size=30), st.none() | st.text(max_size=5))
def test_no_text_fails(text: str, namespace: str | None) -> None:
    parsed = parse_reference(text, namespace=namespace)
    assert same_content(parsed, parsed)


@given(TEXTS, st.sampled_from([None, "team", "my.org", "swr.a.com", "SWR.B.eu:443"]))
def test_the_common_form_is_read_like_any_other(text: str, namespace: str | None) -> None:
    slowly = parse_reference(f" {text}", namespace=namespace)
    assert parse_reference(text, namespace=namespace) == slowly
    key = common_key(text, namespace)
    assert key is None or slowly.keys == (key,)
    assert common_keys([text, None], [namespace, "team"]) == [key, None]


class TestOfAnImage:
    def test_the_path_says_where_the_content_is(self) -> None:
        image = Image(id="i", namespace="x", name="y", tag="z", swr_path="10.0.0.1:80/Team/OCR:V1")
        assert image.content == "basic/team/ocr:V1"
        assert image.reference == msgspec.structs.replace(ref("team", "ocr", "V1"), host="10.0.0.1:80")

    @pytest.mark.parametrize("path", [None, "", " ", "?", "ocr:1", "team/o cr:1", "team/ocr:"])
    def test_a_path_that_does_not_say_it_all_has_no_content_key(self, path: str | None) -> None:
        image = Image(id="i", namespace="team", name="ocr", tag="1", swr_path=path)
        assert image.content is None
        assert same_content(image.reference, ref("team", "ocr", "1"))

    def test_fields_that_are_missing_may_be_anything(self) -> None:
        assert Image(id="i").reference == ref()
        assert from_fields("Team", "a$b", "no tag", registry=BASIC) == ref("team", "a/b")

    def test_an_instance_is_another_registry(self) -> None:
        path = "x.swr-pro.com/team/ocr:1"
        image = Image(id="i", swr_path=path, swr_instance_id="8F1C")
        assert image.content == "8f1c/team/ocr:1"
        basic = Image(id="j", swr_path="swr.a.com/team/ocr:1")
        assert not same_content(image.reference, basic.reference)

    def test_at_one_host_there_is_one_registry(self) -> None:
        said = Image(id="i", swr_path="x.swr-pro.com/team/ocr:1", swr_instance_id="8F1C")
        unsaid = Image(id="j", swr_path="https://X.swr-pro.com/team/ocr:1")
        assert same_content(said.reference, unsaid.reference)
        assert same_content(unsaid.reference, said.reference)

    def test_a_dotted_namespace_of_its_own_is_no_host(self) -> None:
        image = Image(id="i", namespace="my.org", name="team/img", swr_path="my.org/team/img:1")
        assert image.content == "basic/my.org/team/img:1"
        assert image.reference.name == "team/img"


def used(image: Image, *uses: Use) -> list[str]:
    return [use.user for use in InUse(uses).users_of(image)]


class TestUse:
    image = Image(id="A1", namespace="team", name="ocr", tag="1", swr_path="swr.a.com/team/ocr:1")

    @pytest.mark.parametrize(
        "fields",
        [
            {"image_id": "a1"},
            {"swr_path": "10.0.0.1:20202/team/ocr:1"},
            {"swr_path": "team/ocr:1"},
            {"swr_path": f"team/ocr@{X}"},
            {"swr_path": "ocr:1"},
            {"swr_path": "team/o cr:1"},
            {"name": "team/ocr:1"},
            {"image_id": "gone", "name": "Team/OCR:1"},
            {},
            {"swr_path": " "},
            {"swr_path": "?"},
            {"swr_path": "swr.a.com/"},
        ],
    )
    def test_whoever_may_mean_it_uses_it(self, fields: dict[str, str]) -> None:
        assert used(self.image, Use(user="u", **fields)) == ["u"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"image_id": "a2"},
            {"swr_path": "team/ocr:2"},
            {"swr_path": "team/ocr"},
            {"name": "org/ocr:1"},
            {"swr_path": "10.0.0.1:20202/org/ocr:1"},
            {"swr_path": "https://swr.a.com/org/team/ocr:1"},
            {"image_id": "gone", "swr_path": "?"},
        ],
    )
    def test_whoever_means_another_does_not(self, fields: dict[str, str]) -> None:
        assert used(self.image, Use(user="u", **fields)) == []

    def test_a_user_may_mean_any_registry(self) -> None:
        image = msgspec.structs.replace(self.image, swr_instance_id="8f1c")
        assert used(image, Use(user="u", swr_path="team/ocr:1")) == ["u"]

    def test_a_name_counts_beside_a_path(self) -> None:
        image = msgspec.structs.replace(self.image, swr_path="swr.a.com/other/path:1")
        assert used(
            image, Use(user="name", name="team/ocr:1"), Use(user="path", swr_path="other/path:1")
        ) == [
            "path",
            "name",
        ]

    def test_an_image_that_says_little_is_used_by_whoever_may_mean_it(self) -> None:
        uses = [
            Use(user="a", name="team/ocr:1"),
            Use(user="b", name="org/ocr:1"),
            Use(user="c", image_id="x"),
        ]
        assert used(Image(id="i"), *uses) == ["a", "b"]
        assert used(Image(id="i", namespace="org"), *uses) == ["b"]

    def test_all_users_are_found_once(self) -> None:
        uses = [Use(user=name, image_id="A1", swr_path="team/ocr:1", name="team/ocr:1") for name in "abc"]
        assert used(self.image, *uses) == ["a", "b", "c"]
        first = InUse(uses).of(self.image)
        assert first is not None
        assert first.user == "a"
        assert InUse(uses).of(Image(id="z", swr_path="y/z:1")) is None
