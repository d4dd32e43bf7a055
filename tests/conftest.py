"""Fixtures that several tests share: a frozen moment and images built from few words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from cleanup.image import Image

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def make_image(id: str = "img-1", *, age: float | None = 100, **fields: Any) -> Image:
    """An ordinary ACTIVE PRIVATE image `age` days old; any field can be given or taken away (None)."""
    moment = None if age is None else NOW - timedelta(days=age)
    values: dict[str, Any] = {
        "namespace": "ml-vision",
        "name": "trainer",
        "tag": f"dev-{id}",
        "type": "DEDICATED",
        "visibility": "PRIVATE",
        "status": "ACTIVE",
        "size": 1 << 30,
        "created_at": moment,
        "updated_at": moment,
    } | fields
    values.setdefault("swr_path", f"swr.example.com/{values['namespace']}/{values['name']}:{values['tag']}")
    raw = {"id": id, "namespace": values["namespace"], "name": values["name"], "tag": values["tag"]}
    if values["updated_at"]:
        raw["update_at"] = int(values["updated_at"].timestamp() * 1000)
    return Image(id=id, raw=msgspec.Raw(msgspec.json.encode(raw)), **values)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
