"""What a plan must be, whoever wrote and sealed it: asked of very many decisions at a time."""

from collections.abc import Sequence
from pathlib import Path

from cleanup.config.settings import TargetRef
from cleanup.decision.types import Action, Reason
from cleanup.errors import RecordRejected
from cleanup.image import Image, id_key, never_deleted, same_word
from cleanup.modelarts.wire.image_records import Record
from cleanup.modelarts.wire.values import as_text, usable_ids
from cleanup.plan.lines import Decided
from cleanup.reference import common_keys


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

    def look(self, decided: Sequence[Decided]) -> None:
        """Look at the next decisions of the plan. Raises Unreadable for an image without an id that is one."""
        self.decisions += len(decided)
        self._ids.update(map(id_key, usable_ids([one.image.id for one in decided])))
        if forced := [one.image for one in decided if one.force]:
            self._forced += len(forced)
            self._contents.update(_contents(forced))
            words = {one.visibility for one in forced}
            self._forces_public = self._forces_public or not all(same_word(one, "PRIVATE") for one in words)
        deletes = [one for one in decided if one.action is Action.DELETE]
        self.deletes += len(deletes)
        self._misplaced = self._misplaced or self._first_misplaced(deletes)

    def _first_misplaced(self, deletes: Sequence[Decided]) -> str | None:
        """What is wrong with a delete, the first with which something is; they are asked by what few of them are."""
        terms = [
            (one.reason, image.workspace_id, image.type, image.status)
            for one in deletes
            for image in (one.image,)
        ]
        for those in dict.fromkeys(terms):
            if trouble := self._trouble(*those):
                image_id = deletes[terms.index(those)].image.id
                return f"deletes image {image_id}, which must not be: {trouble}; plan again"
        return None

    def _trouble(
        self, reason: Reason, workspace: str | None, kind: str | None, status: str | None
    ) -> str | None:
        """Why no plan of this program deletes that, so that somebody else wrote it."""
        if reason is not Reason.EXPIRED:
            return f"its reason is {reason}"
        if as_text(workspace) and workspace not in self._target.workspaces:
            return f"it is in workspace {workspace}, which the plan is not for"
        return never_deleted(Image(id="", type=as_text(kind), status=as_text(status)))

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


def _contents(images: Sequence[Image | Record]) -> list[str | None]:
    """Of each image what `Image.content` says."""
    keys = common_keys([one.swr_path for one in images], [one.namespace for one in images])
    instances = [one.swr_instance_id for one in images]
    registries = {one: Image(id="", swr_instance_id=as_text(one)).registry for one in set(instances)}
    return [
        f"{registries[instance]}/{key}" if key else _content(image)
        for image, instance, key in zip(images, instances, keys, strict=True)
    ]


def _content(image: Image | Record) -> str | None:
    namespace, path, instance = map(as_text, (image.namespace, image.swr_path, image.swr_instance_id))
    return Image(id="", namespace=namespace, swr_path=path, swr_instance_id=instance).content
