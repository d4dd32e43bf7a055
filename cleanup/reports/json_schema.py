"""The JSON Schema of the JSON documents of reports, made from the very types that are written."""

from typing import Any, Final

import msgspec

from cleanup.reports.cases_view import CaseRow, CasesHead
from cleanup.reports.comparison_view import ChangeRow, ComparisonHead
from cleanup.reports.doctor_view import DoctorHead
from cleanup.reports.explain_view import ExplanationHead
from cleanup.reports.folder_view import FolderHead
from cleanup.reports.journal_view import JournalHead, ResultRow
from cleanup.reports.plan_view import PlanHead, PlanRow
from cleanup.reports.restore_view import RestoreHead, RestoreRow
from cleanup.reports.targets_view import FailureHead, TargetsHead

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# Head and rows of each document; None where the head holds all there is.
_DOCUMENTS: Final[tuple[tuple[type[msgspec.Struct], type[msgspec.Struct] | None], ...]] = (
    (PlanHead, PlanRow),
    (JournalHead, ResultRow),
    (ComparisonHead, ChangeRow),
    (RestoreHead, RestoreRow),
    (CasesHead, CaseRow),
    (ExplanationHead, None),
    (DoctorHead, None),
    (FolderHead, None),
    (FailureHead, None),
)


def report_schema() -> dict[str, Any]:
    """One schema for every document, told apart by `report`; `schema` in a document is its version.

    Fields may be added without a new version; those that are there keep their names and meanings.
    """
    types = [one for pair in (*_DOCUMENTS, (TargetsHead, None)) for one in pair if one]
    _, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "properties" in definition:  # a default is for readers: what is written has every field
            definition["required"] = list(definition["properties"])
    for head, row in _DOCUMENTS:
        if row:
            _add(definitions[head.__name__], "images", f"#/$defs/{row.__name__}")
    names = [head.__name__ for head, _ in _DOCUMENTS]
    definitions["target"] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    _add(definitions[TargetsHead.__name__], "targets", "#/$defs/target")
    return {
        "$schema": _DIALECT,
        "title": "A report of image-cleanup",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in (*names, TargetsHead.__name__)],
        "$defs": definitions,
    }


def _add(definition: dict[str, Any], name: str, items: str) -> None:
    definition["properties"][name] = {"type": "array", "items": {"$ref": items}}
    definition["required"].append(name)
