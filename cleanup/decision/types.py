"""What was decided about one image, and why: what `select` returns and a plan file holds."""

from enum import StrEnum

import msgspec

from cleanup.image import Image


class Action(StrEnum):
    DELETE = "delete"
    KEEP = "keep"


class Reason(StrEnum):
    """Why, in the order in which it is asked (policies/README.md)."""

    BUILT_IN = "built-in"
    BUSY = "busy"
    PROTECTED = "protected"
    IN_USE = "in-use"
    NO_RULE = "no-rule"
    UNKNOWN = "unknown"
    PUBLIC = "public"
    KEEP_LAST = "keep-last"
    TOO_YOUNG = "too-young"
    EXPIRED = "expired"


class Withheld(StrEnum):
    """Why `force` was asked for and not given."""

    PUBLIC = "public"  # others may use the content of what is not PRIVATE
    SHARED_CONTENT = "shared-content"  # a record that stays needs it, or another that goes takes it along
    WORKSPACE_UNSEEN = "workspace-unseen"  # there may be such a record where nobody could look
    NOT_ASKED_BY_ALL = "not-asked-by-all"  # a record of the same content goes by a rule without `force`


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The decision about one image. `rule` names the rule that decided, None where none did.

    `detail` is one sentence for people; `force` is only ever true for a delete. There are very many
    decisions, none in a circle, so the garbage collector need not look at them.
    """

    image: Image
    action: Action
    reason: Reason
    detail: str
    rule: str | None = None
    force: bool = False
    force_withheld: Withheld | None = None
