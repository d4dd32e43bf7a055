"""The JSON Schema of a policy file, made from the same tables that the loader reads by."""

from typing import Any

from cleanup.policy import conditions, rules


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12. What it cannot say (keys given twice, unique names, depth) `validate` does."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "image-cleanup policy",
        "description": "Which ModelArts images are deleted, and which never are.",
        **rules.FILE_SCHEMA,
        "$defs": {**rules.DEFINITIONS, **conditions.DEFINITIONS},
    }
