"""What a plan must be, whoever wrote and sealed it: asked of one decision after the other."""

from pathlib import Path

from cleanup.config.settings import TargetRef
from cleanup.decision.types import Action, Decision, Reason
from cleanup.errors import RecordRejected
from cleanup.image import id_key, never_deleted


class Proof:
    """The checks of the plan at `path` for `target`. Of each image they keep its id and its content, no more."""

    def __init__(self, path: Path, target: TargetRef) -> None:
        self._path = path
        self._target = target
        self.deletes = 0
        self.decisions = 0
        self._ids: set[str] = set()
        self._contents: set[str | None] = set()
        self._forced = 0
        self._forces_public = False
        self._misplaced: str | None = None

    def kept(self, image_id: str) -> None:
        """Look at one that is kept, with its content."""
        self.decisions += 1
        self._ids.add(id_key(image_id))

    def asked(self, decision: Decision) -> Decision:
        """The decision, looked at."""
        image = decision.image
        self.kept(image.id)
        if decision.force:
            self._forced += 1
            self._contents.add(image.content)
            self._forces_public = self._forces_public or not image.is_private
        if decision.action is Action.DELETE:
            self.deletes += 1
            if self._misplaced is None and (trouble := _misplaced(decision, self._target)):
                self._misplaced = f"deletes image {image.id}, which must not be: {trouble}; plan again"
        return decision

    def conclude(self, delete: int, keep: int) -> None:
        """Raise RecordRejected unless all was right and the counts are these."""
        if (delete, keep) != (self.deletes, self.decisions - self.deletes):
            self._refuse("is damaged: its summary counts other decisions than it holds: plan again")
        if self._forced != len(self._contents) or self._forces_public:
            self._refuse("takes content that is not its to take: plan again")
        if self.decisions != len(self._ids):
            self._refuse("is damaged: it names an image twice: plan again")
        if self._misplaced:
            self._refuse(self._misplaced)

    def _refuse(self, why: str) -> None:
        raise RecordRejected(f"the plan {self._path} {why}")


def _misplaced(decision: Decision, target: TargetRef) -> str | None:
    """Why no plan of this program deletes that, so that somebody else wrote it."""
    if decision.reason is not Reason.EXPIRED:
        return f"its reason is {decision.reason}"
    workspace = decision.image.workspace_id
    if workspace and workspace not in target.workspaces:
        return f"it is in workspace {workspace}, which the plan is not for"
    return never_deleted(decision.image)
