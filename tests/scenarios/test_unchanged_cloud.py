"""The promise of a plan: on a cloud that nobody changed, `apply` right after it deletes exactly what it names."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.builders import events
from tests.support.chaos import Witness, planned_deletes
from tests.support.cloud import Cli, Cloud, Serve

MATCHES = st.sampled_from(
    [
        {"arch": "*"},
        {"visibility": "PRIVATE"},
        {"namespace": ["ml-*", "sandbox"]},
        {"tag": {"any": ["dev-*", {"regex": "^pr-[0-9]+"}]}},
        {"tag": {"semver": "< 2.0.0"}},
        {"status": ["ERROR", "CREATE_FAILED"]},
        {"size": "> 4GiB"},
        {"not": {"origin": "IMAGE_SAVE"}},
    ]
)
PROTECTIONS = st.sampled_from(
    [{"namespace": "prod-*"}, {"tag": ["latest", "stable"]}, {"visibility": "PUBLIC"}]
)
DAYS = st.integers(1, 300).map(lambda days: f"{days}d")


@st.composite
def rules(draw: Callable[..., Any]) -> list[dict[str, Any]]:
    """One to three rules that are allowed to delete much, with and without force and groups."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        bounds = draw(
            st.one_of(
                st.fixed_dictionaries({"older_than": DAYS}, optional={"keep_last": st.integers(1, 4)}),
                st.fixed_dictionaries({"keep_last": st.integers(1, 4)}),
                st.just({"delete_all": True}),
            )
        )
        force = {"force": True} if draw(st.booleans()) else {}
        found.append({"name": f"r{number}", "match": draw(MATCHES), **bounds, **force})
    return found


policies = st.builds(
    lambda rules, protect: {
        "version": 1,
        **({"protect": protect} if protect else {}),
        "rules": rules,
        "limits": {"max_percent": 100, "max_deletes": 10_000},
    },
    rules(),
    st.lists(PROTECTIONS, max_size=2),
)
folders = count(1)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 10_000), images=st.integers(60, 140), policy=policies)
def test_apply_deletes_exactly_the_plan(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, seed: int, images: int, policy: dict[str, Any]
) -> None:
    folder = tmp_path / str(next(folders))
    folder.mkdir()
    (folder / "policy.yaml").write_text(json.dumps(policy))
    service = Witness(images, seed=seed)
    cloud: Cloud = serve_cloud(service)
    before, contents = cloud.image_ids, dict(service.contents)
    planned = cli("plan", "-p", folder / "policy.yaml", "-o", folder / "plan.jsonl", *cloud.options)
    assert planned.exit_code == 0, planned.output
    deletes = planned_deletes(folder / "plan.jsonl")
    event(f"{len(deletes) // 20 * 20}+ deletes")
    # A rule that asks for no time plans what is dated in the future; apply leaves it alone.
    undated = {
        one for one in deletes if (service.images.get(one) or {}).get("update_at", 0) > service.milliseconds()
    }
    for image_id in undated:
        del deletes[image_id]
    applied = cli("apply", folder / "plan.jsonl", "--journal", folder / "journal.jsonl", *cloud.options)
    assert applied.exit_code == 0, applied.output
    assert cloud.deleted == deletes
    assert cloud.image_ids == before - deletes.keys()
    results = events(folder / "journal.jsonl", "delete.result")
    assert sorted((line["image_id"], line["outcome"], line["force"]) for line in results) == sorted(
        [(image_id, "deleted", force) for image_id, force in deletes.items()]
        + [(image_id, "drifted", False) for image_id in undated]
    )
    forced = {gone.swr_path for gone in service.deletions if gone.force}
    assert contents.keys() - service.contents.keys() == forced & contents.keys()
