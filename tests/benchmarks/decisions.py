"""CPU of a decision, everything included: `.venv/bin/python tests/benchmarks/decisions.py [--json] [IMAGES ...]`.

A table, or with `--json` JSON, of microseconds an image: one rule with 4 conditions and a policy of ten
rules with protect, keep_last and force, with nobody and with about 300 users. Where Cloud Custodian is
installed (`pip install c7n`, no dependency of ours), its filters for the same rule are the peer.
"""

import gc
import importlib
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from cleanup.decision.select import select
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.policy.language import Policy
from cleanup.policy.load import load
from tests.support.builders import columns_of

SIZES: Final = (10_000, 100_000, 1_000_000)
NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_PEER_IMAGES: Final = 20_000
_PEER: Final[tuple[dict[str, Any], ...]] = (
    {"key": "visibility", "value": "PRIVATE"},
    {"key": "namespace", "op": "regex", "value": "^(ml-|sandbox$)"},
    {"key": "tag", "op": "regex", "value": "^(dev-|pr-[0-9]+)"},
    {"key": "arch", "value": "x86_64"},
    {"key": "update_at", "value_type": "age", "op": "gt", "value": 90},
)
_NAMESPACES: Final = (
    "ml-vision",
    "ml-nlp",
    "ml-1x",
    "prod-serving",
    "sandbox",
    "research-llm",
    "data-platform",
)
_NAMES: Final = ("detector-train", "tokenizer", "feature-store", "etl-worker")
_TAGS: Final = (
    *["dev-{day}-{number:07x}"] * 10,
    *["pr-{few}"] * 4,
    *["1.{few}.0", "nightly-{day}-{number:x}", "save-{number}"] * 2,
    *["v2.{few}.0-rc1", "release-{few}"],
)
_DESCRIPTIONS: Final = ("", "", "", "built by ci", "do not use, kept for comparison", "saved from a notebook")
_RESOURCE_TAGS: Final[tuple[dict[str, str], ...]] = (
    *[{}] * 8,
    {"team": "vision"},
    {"team": "nlp", "keep": "no"},
)
_TIMES: Final = 3  # the least of them counts: what else the machine does only ever adds
_POLICIES: Final = {
    "one rule": """
version: 1
rules:
  - name: stale
    match: {visibility: PRIVATE, namespace: [ml-*, sandbox], tag: {any: ["dev-*", {regex: "^pr-[0-9]+"}]}, arch: X86_64}
    older_than: 90d
""",
    "ten rules": """
version: 1
protect:
  - namespace: prod-*
  - tag: [latest, stable, "release-*"]
  - description: "*keep*"
  - resource_tags: {keep: "yes"}
rules:
  - {name: broken, match: {status: [ERROR, CREATE_FAILED]}, older_than: 7d}
  - {name: big, match: {size: "> 30GiB", visibility: PRIVATE}, older_than: 30d, keep_last: 1}
  - {name: prs, match: {tag: {regex: "^pr-[0-9]+"}}, older_than: 14d, force: true}
  - {name: dev, match: {tag: "dev-*", visibility: PRIVATE}, older_than: 60d, keep_last: 3, force: true}
  - {name: nightly, match: {namespace: "ml-1*", tag: "nightly-*"}, keep_last: {count: 7, per: [namespace, name, arch]}}
  - {name: saves, match: {origin: IMAGE_SAVE, not: {tag: "*keep*"}}, older_than: {create_at: 30d}, keep_last: 2}
  - {name: old-versions, match: {tag: {semver: "< 1.4.0"}}, older_than: 90d, keep_last: 5}
  - {name: sandbox, match: {namespace: sandbox}, older_than: 7d, force: true}
  - {name: arm, match: {arch: AARCH64, visibility: PRIVATE}, older_than: 120d}
  - {name: rest, match: {visibility: PRIVATE, namespace: ml-*}, older_than: 365d, keep_last: 3, force: true}
""",
}


def measure(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each size, policy and number of users."""
    with tempfile.TemporaryDirectory() as folder:
        policies = {name: _policy(Path(folder, f"{name}.yaml"), text) for name, text in _POLICIES.items()}
    rows = []
    for size in sizes:
        images = columns_of(_images(size))
        some = [
            Use(user="a notebook", image_id=one.id, swr_path=one.swr_path)
            for one in images[:: max(1, len(images) // 300)]
        ]
        for name, policy in policies.items():
            for uses in ([], some):
                cost = min(_cost(images, policy, InUse(uses)) for _ in range(_TIMES))
                rows.append({"images": len(images), "policy": name, "users": len(uses), "us": round(cost, 2)})
        if importlib.util.find_spec("c7n"):
            cost = min(_peer_cost(images[:_PEER_IMAGES]) for _ in range(_TIMES))
            rows.append({"images": len(images), "policy": "c7n, one", "users": 0, "us": round(cost, 2)})
    return rows


def _policy(path: Path, text: str) -> Policy:
    path.write_text(text)
    return load([path])


def _images(count: int) -> list[Image]:
    """Images of a project: texts that repeat are one object, all others are their own."""
    random = Random(1)
    repositories = [
        (namespace, f"{name}-{number}", namespace.startswith("data"))
        for number in range(max(1, count // (len(_NAMESPACES) * len(_NAMES) * 14)))
        for namespace in _NAMESPACES
        for name in _NAMES
    ]
    found = []
    for number in range(count):
        namespace, name, shared = random.choice(repositories)
        created = NOW - timedelta(seconds=int(430 * 86_400 * random.random() ** 1.6))
        tag = random.choice(_TAGS).format(day=f"{created:%Y%m%d}", number=number, few=number % 999)
        found.append(
            Image(
                id=f"{random.getrandbits(128):032x}",
                namespace=namespace,
                name=name,
                tag=tag,
                swr_path=f"swr.example.com/{namespace}/{name}:{tag}",
                type="DEDICATED" if number % 500 else "BUILD_IN",
                visibility="PUBLIC" if shared and random.random() < 0.25 else "PRIVATE",
                status="ACTIVE" if random.random() < 0.97 else random.choice(("ERROR", "CREATING", "INIT")),
                origin="IMAGE_SAVE" if tag.startswith("save") else "CUSTOMIZE",
                service_type=random.choice(("UNKNOWN", "COMMON", "DEV", "TRAIN")),
                arch=random.choice(("x86_64", "x86_64", "x86_64", "aarch64")),
                workspace_id="0",
                description=random.choice(_DESCRIPTIONS),
                size=int(min(6e10, random.lognormvariate(21.7, 0.8))),
                resource_tags=random.choice(_RESOURCE_TAGS),
                created_at=created,
                updated_at=created + (NOW - created) * random.random() ** 3 if number % 5 == 0 else created,
            )
        )
    return found


def _cost(images: Sequence[Image], policy: Policy, in_use: InUse) -> float:
    """Microseconds of CPU an image."""
    gc.collect()
    began = time.process_time()
    decisions = select(images, policy, in_use, NOW)
    return (time.process_time() - began) * 1e6 / len(decisions)


def _peer_cost(images: Sequence[Image]) -> float:
    """Microseconds of CPU an image that Cloud Custodian's filters take for the one rule."""
    value_filter = importlib.import_module("c7n.filters.core").ValueFilter
    filters = [value_filter({"type": "value", **one}) for one in _PEER]
    records = [
        {
            "visibility": image.visibility,
            "namespace": image.namespace,
            "tag": image.tag,
            "arch": image.arch,
            "update_at": image.updated_at,
        }
        for image in images
    ]
    for one in filters:
        one.annotate = False
    began = time.process_time()
    left = records
    for one in filters:
        left = one.process(left)
    return (time.process_time() - began) * 1e6 / len(records)


def main(arguments: Sequence[str]) -> None:
    rows = measure([int(one) for one in arguments if one != "--json"] or SIZES)
    if "--json" in arguments:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    sys.stdout.write(f"{'images':>10}  {'policy':10}{'users':>7}{'µs an image':>13}\n")
    for row in rows:
        sys.stdout.write(f"{row['images']:>10,}  {row['policy']:10}{row['users']:>7}{row['us']:>13.2f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
