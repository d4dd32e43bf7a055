"""The commands of a night, as a scenario calls them."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import Cli, Cloud


@pytest.fixture
def run(cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Calls `plan`, `apply` or `run` on a cloud; the policy is the POLICY of the test's module."""
    (tmp_path / "policy.yaml").write_text(request.module.POLICY)

    def call(command: str, cloud: Cloud, *options: object) -> Any:
        fixed = {
            "plan": ("plan", "-p", "policy.yaml", "-o", "plan.jsonl"),
            "apply": ("apply", "plan.jsonl", "--journal", "journal.jsonl"),
            "run": ("run", "-p", "policy.yaml", "--apply", "--journal", "journal.jsonl"),
        }
        return cli(*fixed[command], *cloud.options, "--max-attempts", 2, *options)

    return call
