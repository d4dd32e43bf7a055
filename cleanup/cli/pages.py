"""What the help of each command ends with: three examples to copy, and the exit codes it can end with."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

EXIT_CODES: Final = {
    0: "all done, nothing to do, or a dry run",
    1: "a bug",
    2: "usage, policy or configuration",
    3: "some deletes failed, are unknown or denied",
    4: "refused by a limit",
    5: "credentials or permission",
    6: "inventory not complete",
    7: "interrupted, `resume` finishes it",
    8: "plan or journal expired, damaged or for another target",
    10: "something to delete (--detailed-exitcode)",
}
_OF_READING: Final = {7: "interrupted", 8: "file damaged or of another kind"}


class HelpPage(NamedTuple):
    """The end of one command's help; `codes` are those besides 0, 1 and 2, which every command has."""

    examples: tuple[str, str, str]
    codes: tuple[int, ...] = ()
    words: Mapping[int, str] = MappingProxyType({})

    @property
    def exit_codes(self) -> str:
        said = {**EXIT_CODES, **self.words}
        return "; ".join(f"{code} {said[code]}" for code in sorted({0, 1, 2, *self.codes}))


FRONT: Final = HelpPage(
    (
        "image-cleanup demo",
        "image-cleanup plan -p policy.yaml -o night.plan.jsonl",
        "image-cleanup apply night.plan.jsonl",
    ),
    tuple(EXIT_CODES),
)
PAGES: Final = {
    "demo": HelpPage(
        ("image-cleanup demo", "image-cleanup demo --images 50", "image-cleanup demo --seed 3 --quiet"), (7,)
    ),
    "init": HelpPage(
        (
            "image-cleanup init",
            "image-cleanup init --inventory today.inventory.jsonl -o policies",
            "image-cleanup init --interactive",
        ),
        (5, 6, 7, 8),
        {0: "written", 7: "interrupted", 8: "inventory file damaged or of another kind"},
    ),
    "validate": HelpPage(
        (
            "image-cleanup validate policy.yaml",
            "image-cleanup validate policies/ shared/protect.yaml",
            "image-cleanup validate policy.yaml --inventory today.inventory.jsonl",
        ),
        (8,),
        {0: "valid, warnings or not", 2: "a policy is wrong", 8: _OF_READING[8]},
    ),
    "schema": HelpPage(
        (
            "image-cleanup schema",
            "image-cleanup schema > policy.schema.json",
            "image-cleanup schema | head -20",
        ),
        (),
        {0: "done"},
    ),
    "inventory": HelpPage(
        (
            "image-cleanup inventory -o today.inventory.jsonl",
            "image-cleanup inventory -o today.inventory.jsonl --overwrite",
            "image-cleanup inventory --region cn-north-4 --workspace 0",
        ),
        (5, 6, 7),
        {0: "written", 7: "interrupted"},
    ),
    "plan": HelpPage(
        (
            "image-cleanup plan -p policy.yaml -o night.plan.jsonl",
            "image-cleanup plan -p policies/ --format markdown --detailed-exitcode",
            "image-cleanup plan -p policy.yaml --inventory today.inventory.jsonl",
        ),
        (5, 6, 7, 8, 10),
        {0: "planned", 7: "interrupted", 8: "inventory file damaged or of another kind"},
    ),
    "apply": HelpPage(
        (
            "image-cleanup apply night.plan.jsonl",
            "image-cleanup apply night.plan.jsonl --journal night.jsonl --deadline 50m",
            "image-cleanup apply plans/ --targets targets.yaml",
        ),
        (3, 4, 5, 6, 7, 8),
        {0: "all done, or nothing to do"},
    ),
    "run": HelpPage(
        (
            "image-cleanup run -p policy.yaml",
            "image-cleanup run -p policy.yaml --apply --journal night.jsonl --deadline 50m",
            "image-cleanup run --targets targets.yaml --apply --quiet",
        ),
        (3, 4, 5, 6, 7),
    ),
    "resume": HelpPage(
        (
            "image-cleanup resume night.jsonl",
            "image-cleanup resume night.jsonl --deadline 30m",
            "image-cleanup resume night.jsonl --targets targets.yaml",
        ),
        (3, 4, 5, 6, 7, 8),
        {0: "all done, or nothing to resume"},
    ),
    "explain": HelpPage(
        (
            "image-cleanup explain sandbox/hackathon:latest -p policy.yaml",
            "image-cleanup explain 5d1c0e7a-93f2-4b8c-a1de-6f0b2c3d4e5f -p policies/",
            "image-cleanup explain ml-a/train:dev-1 -p policy.yaml --inventory today.jsonl",
        ),
        (5, 6, 7, 8),
        {0: "explained", **_OF_READING},
    ),
    "report": HelpPage(
        (
            "image-cleanup report night.jsonl",
            "image-cleanup report night.plan.jsonl --format markdown > comment.txt",
            "image-cleanup report night.jsonl --format csv > night.csv",
        ),
        (8,),
        {0: "shown", 2: "usage", 8: _OF_READING[8]},
    ),
    "journals": HelpPage(
        (
            "image-cleanup journals list /var/lib/image-cleanup",
            "image-cleanup journals tidy --keep 90d /var/lib/image-cleanup",
            "image-cleanup journals tidy --keep 90d --dry-run",
        ),
        (),
        {0: "listed, or removed", 2: "usage, or a file could not be removed"},
    ),
    "restore": HelpPage(
        (
            "image-cleanup restore night.jsonl",
            "image-cleanup restore night.jsonl --apply",
            "image-cleanup restore night.jsonl --image 5d1c0e7a-93f2-4b8c-a1de-6f0b2c3d4e5f",
        ),
        (3, 5, 6, 7, 8),
        {3: "some could not be registered", 7: "interrupted, the same command goes on"},
    ),
    "test": HelpPage(
        (
            "image-cleanup test policy.test.yaml",
            "image-cleanup test policies/",
            "image-cleanup test policies/ --junit results.xml",
        ),
        (),
        {0: "all as expected", 2: "an expectation failed, or usage"},
    ),
    "diff": HelpPage(
        (
            "image-cleanup diff -p old.yaml -p new.yaml",
            "image-cleanup diff -p old.yaml -p new.yaml --inventory today.inventory.jsonl",
            "image-cleanup diff -p policies/ -p proposed/ --format json",
        ),
        (5, 6, 7, 8),
        {0: "compared", **_OF_READING},
    ),
    "doctor": HelpPage(
        (
            "image-cleanup doctor",
            "image-cleanup doctor --targets targets.yaml",
            "image-cleanup doctor --region cn-north-4 --auth aksk --format json",
        ),
        (5, 6, 7),
        {0: "all well", 6: "something cannot be read", 7: "interrupted"},
    ),
    "simulate": HelpPage(
        (
            "image-cleanup simulate --port 8080",
            "image-cleanup simulate --port 0 --images 2000 --throttle 20",
            "image-cleanup simulate --fault delete:500=0.2 --fault drop-after=0.1",
        ),
        (8,),
        {0: "ended by a signal", 8: "inventory file damaged or of another kind"},
    ),
    "completion": HelpPage(
        (
            "image-cleanup completion bash >> ~/.bashrc",
            'image-cleanup completion zsh > "${fpath[1]}/_image-cleanup"',
            "image-cleanup completion fish > ~/.config/fish/completions/image-cleanup.fish",
        ),
        (),
        {0: "done", 2: "usage"},
    ),
}
