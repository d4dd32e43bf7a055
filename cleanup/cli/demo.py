"""`demo`: the whole job against the embedded simulator: plan, show, apply, show. No credentials, no network."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli import event_loop as running
from cleanup.cli.jobs import LIFETIME, apply_plan, conclude, new_job
from cleanup.cli.output import emit, say
from cleanup.cli.plan import make_plan
from cleanup.config.settings import Terms, make_target
from cleanup.journal import RunFinished, read
from cleanup.modelarts.auth.choose import Auth
from cleanup.plan import file as plans
from cleanup.policy import load
from cleanup.reports import Format, render
from cleanup.simulator import PROJECT_ID, Service, build_world, serve
from cleanup.stop import Stop

POLICY = """\
version: 1
protect:
  - namespace: prod-*
    because: serving images are released by hand
  - tag: [latest, stable]
rules:
  - name: failed-builds
    description: builds that never became an image
    match: {status: [ERROR, CREATE_FAILED]}
    older_than: 7d
  - name: notebook-snapshots
    description: saved notebooks; the content stays in SWR and can be registered again
    match: {origin: IMAGE_SAVE}
    older_than: 30d
    keep_last: 1
  - name: stale-dev-images
    description: development builds nobody touched for a quarter
    match:
      tag: {any: ["dev-*", "nightly-*", {regex: "^pr-[0-9]+"}]}
    older_than: 90d
    keep_last: 3
    force: true
limits:
  max_deletes: 500
  max_percent: 60
"""


def demo(
    images: Annotated[int, typer.Option(min=1, max=5000, help="How many images the simulator holds.")] = 400,
    seed: Annotated[int, typer.Option(help="Which cloud; the same seed gives the same one.")] = 7,
) -> None:
    """Show the whole job on the embedded simulator; needs no credentials and no network."""
    folder = Path(tempfile.mkdtemp(prefix="image-cleanup-demo-"))
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    terms = Terms()
    finished = running.run_stoppable(lambda stop: _demo(folder, policy, images, seed, terms, stop), terms)
    emit(render(read(folder / "journal.jsonl"), Format.TABLE, **running.terminal()))
    say(_next_steps(folder))
    conclude([finished.exit_code])


async def _demo(
    folder: Path, policy_file: Path, images: int, seed: int, terms: Terms, stop: Stop
) -> RunFinished:
    policy = load([policy_file])
    say(f"The policy, {policy_file}:\n\n{_indented(POLICY)}")
    service = Service(build_world(seed=seed, images=images, now=running.now()), running.now)
    async with serve(service) as url:
        say(f"\nA simulated project with {images} images, at {url}\n")
        target = make_target(
            name="demo",
            endpoint=url,
            region=None,
            project_id=PROJECT_ID,
            workspaces=("0",),
            auth=Auth.NONE,
            iam_endpoint=None,
            rate=100.0,
            concurrency=16,
        )
        made = plans.write(await make_plan(target, terms, policy, LIFETIME), folder / "plan.jsonl")
        emit(render(made, Format.TABLE, **running.terminal()))
        job = new_job(target, terms, stop, folder / "journal.jsonl")
        return await apply_plan(job, made, folder / "plan.jsonl")


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _next_steps(folder: Path) -> str:
    program = sys.argv[0] if sys.argv[0].endswith("image-cleanup") else "image-cleanup"
    return f"""
The plan and the journal lie in {folder}. To look closer:

    {program} report {folder}/journal.jsonl --format csv
    {program} report {folder}/plan.jsonl --format markdown

To rehearse a policy of your own on a simulated project:

    {program} simulate --port 8080 --images 2000 &
    {program} run -p {folder}/policy.yaml --auth none \\
        --endpoint http://127.0.0.1:8080 --project-id {PROJECT_ID}
"""
