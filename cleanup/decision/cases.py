"""Policy unit tests: an inventory in YAML, who uses what, and what is expected of each image and why."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from cleanup.decision.case_syntax import FILE_KEYS, Listed
from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.errors import PolicyError, Problem
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.kinds import FileKind
from cleanup.policy import sizes
from cleanup.policy.load import TEST_SUFFIXES, read_bytes, require_yaml_kind
from cleanup.strict_yaml.document import parse
from cleanup.strict_yaml.location import Location
from cleanup.strict_yaml.mappings import MappingReader, attempt


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be decided about one image; None where the test says nothing about it."""

    image_id: str
    location: Location
    action: Action | None = None
    reason: Reason | None = None
    rule: str | None = None
    force: bool | None = None
    force_withheld: Withheld | None = None


class CaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """One test file: everything that the decision needs but the policy, which `policies` names."""

    file: str
    policies: tuple[Path, ...]
    now: datetime
    images: tuple[Image, ...]
    in_use: InUse
    expectations: tuple[Expectation, ...]


class Difference(msgspec.Struct, frozen=True):
    """One image that is decided otherwise than expected, in a sentence."""

    location: Location
    image: str
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.image}: {self.message}"


def case_files(path: Path) -> tuple[Path, ...]:
    """The file itself, or a folder's test files (`*.test.yaml`, `*.test.yml`) in name order."""
    if not path.is_dir():
        return (path,)
    return tuple(sorted(file for file in path.iterdir() if file.name.endswith(TEST_SUFFIXES)))


def load_cases(path: Path) -> CaseFile:
    """Read one test file, as strictly as a policy; raises PolicyError with every problem of it."""
    content = read_bytes(path)
    require_yaml_kind(content, path, FileKind.TEST)
    values = MappingReader(parse(content, str(path)), "a test file", FILE_KEYS).values()
    listed: tuple[Listed, ...] = values["images"]
    images = tuple(_image(number, one.values, values["now"]) for number, one in enumerate(listed, 1))
    uses, unknown = attempt(_references(values), lambda reference: _use(reference, images))
    if problems := [*_repeated_ids(images, listed), *unknown]:
        raise PolicyError(sorted(problems))
    return CaseFile(
        file=str(path),
        policies=tuple(path.parent / policy for policy in values["policy"]),
        now=values["now"],
        images=images,
        in_use=InUse(uses),
        expectations=tuple(
            Expectation(image_id=image.id, location=one.location, **one.values["expect"])
            for image, one in zip(images, listed, strict=True)
            if "expect" in one.values
        ),
    )


def compare(cases: CaseFile, decisions: Iterable[Decision]) -> tuple[Difference, ...]:
    """Every expectation that the decisions do not meet, in the order of the file."""
    decided = {decision.image.id: decision for decision in decisions}
    found = ((one, decided[one.image_id]) for one in cases.expectations)
    return tuple(
        Difference(one.location, decision.image.label, _sentence(missed, decision))
        for one, decision in found
        if (missed := list(_missed(one, decision)))
    )


def _missed(expected: Expectation, decision: Decision) -> Iterator[tuple[str, object, object]]:
    for name in ("action", "reason", "rule", "force", "force_withheld"):
        wanted, got = getattr(expected, name), getattr(decision, name)
        if wanted is not None and wanted != got:
            yield name, wanted, got


def _sentence(missed: Sequence[tuple[str, object, object]], decision: Decision) -> str:
    wanted = ", ".join(f"{name} {_word(value)}" for name, value, _ in missed)
    got = ", ".join(_word(value) for _, _, value in missed)
    rule = f" by rule '{decision.rule}'" if decision.rule else ""
    return f"expected {wanted}; got {got} ({decision.action} as {decision.reason}{rule}: {decision.detail})"


def _word(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


class _Reference(NamedTuple):
    """An image as a user of it names it: by id, by namespace/name:tag, or by path in the registry."""

    user: str
    text: str
    location: Location


def _references(values: dict[str, Any]) -> Iterator[_Reference]:
    for key, user in (("notebooks", "notebook"), ("pins", "pin")):
        for written, location in values.get(key, ()):
            yield _Reference(user, written, location)


def _use(reference: _Reference, images: Sequence[Image]) -> Use:
    """The use that a reference stands for; a path may be of an image that is gone, an id may not."""
    user, text, location = reference
    if image := next((image for image in images if image.id == text), None):
        return Use(user=user, image_id=text, swr_path=image.swr_path)
    use = Use(user=user, swr_path=text)
    if text.count("/") > 1 or ("/" in text and any(map(InUse([use]).of, images))):
        return use
    message = f"the {user} '{text}' is none of the images: write an id, namespace/name:tag or a path"
    raise PolicyError([location.problem(message)])


def _repeated_ids(images: Sequence[Image], listed: Sequence[Listed]) -> Iterator[Problem]:
    first: dict[str, Location] = {}
    for image, one in zip(images, listed, strict=True):
        if image.id in first:
            yield one.location.problem(
                f"the id '{image.id}' is taken already, in line {first[image.id].line}"
            )
        first.setdefault(image.id, one.location)


_DEFAULTS: Final[dict[str, Any]] = {
    "type": "DEDICATED",
    "visibility": "PRIVATE",
    "status": "ACTIVE",
    "origin": "CUSTOMIZE",
    "service_type": "UNKNOWN",
    "arch": "X86_64",
    "workspace_id": "0",
    "description": "",
    "size": sizes.parse_size("1GiB"),
    "resource_tags": {},
}


def _image(number: int, values: dict[str, Any], now: datetime) -> Image:
    """An entry with its defaults: a private, active image of 1 GiB, as old as `age` says."""
    fields: dict[str, Any] = {"id": f"image-{number}", **_DEFAULTS, **values.get("image", {})}
    fields |= {name: value for name, value in values.items() if name in Image.__struct_fields__}
    namespace, name, tag = (fields.get(key) for key in ("namespace", "name", "tag"))
    if "swr_path" not in fields:
        fields["swr_path"] = (
            f"swr.example.com/{namespace}/{name}:{tag}" if namespace and name and tag else None
        )
    age = values.get("age", timedelta(0))
    fields["updated_at"] = values.get("update_at", now - age)
    fields["created_at"] = values.get("create_at", now - values.get("create_age", age))
    return Image(**fields)
