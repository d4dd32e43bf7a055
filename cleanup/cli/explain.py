"""`explain`: why this image is kept or deleted, and when that would change."""

from typing import Annotated

import typer

from cleanup.cli import event_loop as running
from cleanup.cli.options import Connecting, PolicyPaths, Working
from cleanup.cli.output import log, say
from cleanup.config.settings import Target, Terms
from cleanup.decision.explain import explain as explained
from cleanup.errors import UsageError
from cleanup.image import Image
from cleanup.plan.build import Survey
from cleanup.policy import load
from cleanup.reports.explain_view import ExplanationFormat, render_explanation


def explain(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An image's id, or namespace/name:tag.", show_default=False)
    ],
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    format: Annotated[ExplanationFormat, typer.Option(help="How to show it.")] = ExplanationFormat.TEXT,  # noqa: A002
) -> None:
    """Why this image is kept or deleted: the deciding rule or protection, every condition with its value."""
    target = connecting.one(working)
    terms = working.terms(connecting)
    read_policy = load(target.policies or policy)
    seen = running.run_async(lambda: look(target, terms))
    found = named(image, seen.images)
    for doubt in seen.doubts:
        log().warning(f"the inventory is not complete: {doubt}")
    now = running.now()
    answers = [explained(one, seen.images, read_policy, seen.in_use, now) for one in found]
    say(render_explanation(answers, format, now))


async def look(target: Target, terms: Terms) -> Survey:
    """One read-only look at a target."""
    async with running.connected(target, terms) as client:
        with running.progress() as progress:
            return await running.survey(client, target, terms, progress)


def named(text: str, images: tuple[Image, ...]) -> list[Image]:
    """The images that an id or a namespace/name:tag names. Raises UsageError when there are none."""
    found = [image for image in images if image.id.casefold() == text.casefold() or image.label == text]
    if not found:
        raise UsageError(
            f"there is no image '{text}' among the {len(images)} images of this project: give its id or "
            "namespace/name:tag, and --workspace if it is in another workspace"
        )
    return found
