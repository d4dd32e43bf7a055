"""When two references name the same content, and that the registry finds a content by each of its spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.simulator.references import ContentStore, content_key, digest_of

OCR = ("team/ocr", "1.4.0")
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        ("swr.cn-north-1.myhuaweicloud.com/team/ocr:1.4.0", OCR),
        ("https://swr.cn-north-1.myhuaweicloud.com/team/ocr:1.4.0", OCR),
        ("swr.cn-north-1.myhuaweicloud.com:443/team/ocr:1.4.0", OCR),
        ("100.125.0.198:20202/team/ocr:1.4.0", OCR),
        ("localhost/team/ocr:1.4.0", OCR),
        ("team/ocr:1.4.0", OCR),
        (f"team/ocr:1.4.0@{DIGEST}", OCR),
        ("swr.x.com/team/ocr:V1", ("team/ocr", "V1")),
        ("swr.x.com/team/ocr", ("team/ocr", "latest")),
        (f"swr.x.com/team/ocr@{DIGEST}", ("team/ocr", f"@{DIGEST}")),
        ("org/team/img:1", ("org/team/img", "1")),
        ("swr.x.com/org/team/img:1", ("org/team/img", "1")),
        ("10.125.0.198:20202/team/ocr", ("team/ocr", "latest")),
        ("nginx", ("nginx", "latest")),
    ],
)
def test_what_a_reference_names(reference: str, key: tuple[str, str]) -> None:
    assert content_key(reference) == key


names = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True)
repositories = st.lists(names, min_size=2, max_size=4).map("/".join)
hosts = st.sampled_from(["", "swr.example.com/", "swr.example.com:443/", "10.0.0.1:20202/", "localhost/"])


@given(hosts, hosts, repositories, names)
def test_the_host_does_not_matter(one: str, other: str, repository: str, tag: str) -> None:
    assert content_key(f"{one}{repository}:{tag}") == content_key(f"{other}{repository}:{tag}")


@given(repositories, repositories, names, names)
def test_repository_and_tag_do(one: str, other: str, tag: str, another: str) -> None:
    same = content_key(f"{one}:{tag}") == content_key(f"{other}:{another}")
    assert same is ((one, tag) == (other, another))


class TestContentStore:
    def test_every_spelling_finds_the_content(self) -> None:
        store = ContentStore({"swr.x.com/team/ocr:1.4.0": 7, "swr.x.com/team/ocr:V1": 8})
        assert store["team/ocr:1.4.0"] == store["10.0.0.1:20202/team/ocr:1.4.0"] == 7
        assert "team/ocr:v1" not in store
        assert store[f"team/ocr@{digest_of(OCR)}"] == 7
        assert f"team/ocr@{DIGEST}" not in store
        assert f"other/ocr@{digest_of(OCR)}" not in store

    def test_it_is_one_content_by_the_first_spelling(self) -> None:
        store = ContentStore({"swr.x.com/team/ocr:1.4.0": 7, "team/ocr:1.4.0": 9})
        assert dict(store) == {"swr.x.com/team/ocr:1.4.0": 9}
        assert store.spelling("localhost/team/ocr:1.4.0") == "swr.x.com/team/ocr:1.4.0"
        assert store.pop("10.0.0.1:20202/team/ocr:1.4.0") == 9
        assert store == {}
        with pytest.raises(KeyError):
            del store["team/ocr:1.4.0"]
