"""`demo`: the whole job against the embedded simulator: plan, show, apply, show. No credentials, no network."""

import sys
import tempfile
from pathlib import Path

from cleanup.apply.run import apply_plan
from cleanup.cli import ends, event_loop, jobs
from cleanup.cli.demo import DemoOptions
from cleanup.cli.output import say
from cleanup.cli.report import read
from cleanup.cli.showing import Destination
from cleanup.config.settings import Settings, make_target
from cleanup.decision.explain import terms_of
from cleanup.errors import UsageError
from cleanup.modelarts.auth.names import Auth
from cleanup.plan import file as plan_file
from cleanup.plan.build import make_plan
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.reports import view
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
_PLAN, _JOURNAL = "plan.jsonl", "journal.jsonl"
_ELSEWHERE = "name another folder with TMPDIR"


def demo(asked: DemoOptions) -> None:
    """Plan, show, apply, show."""
    policy = _new_policy()
    folder = policy.parent
    settings = Settings()
    ended = event_loop.change(
        lambda stop: _demo(folder, policy, asked.images, asked.seed, settings, stop), settings
    )
    _show(folder / _JOURNAL)
    say(_next_steps(folder))
    ends.conclude([ended])


async def _demo(
    folder: Path, policy_file: Path, images: int, seed: int, settings: Settings, stop: Stop
) -> ends.Ended:
    now = event_loop.runtime().now
    policy = load([policy_file])
    say(_in_short(policy))
    service = Service(build_world(seed=seed, images=images, now=now()), now)
    async with serve(service) as url:
        say(f"\nA simulated project with {images} images.\n")
        target = make_target(name="demo", endpoint=url, project_id=PROJECT_ID, auth=Auth.NONE, rate=100.0)
        planning = jobs.new_job(target, settings, stop)
        with planning.progress:
            made = await make_plan(planning, policy)
            plan = plan_file.write(made, folder / _PLAN, elsewhere=_ELSEWHERE)
        _show(folder / _PLAN)
        say("")
        job = jobs.new_run(target, settings, stop, folder / _JOURNAL, folder / _PLAN, _ELSEWHERE)
        return await jobs.finish(job, apply_plan(job, plan))


def _new_policy() -> Path:
    """The policy, in a new folder of its own."""
    try:
        policy = Path(tempfile.mkdtemp(prefix="image-cleanup-demo-")) / "policy.yaml"
        policy.write_text(POLICY, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to a temporary folder: {error.strerror}; {_ELSEWHERE}") from error
    return policy


def _in_short(policy: Policy) -> str:
    """The rules in a line each, as `explain` tells them."""
    rules = "".join(f"  {rule.name}: {terms_of(rule)}\n" for rule in policy.rules)
    protected = "; ".join(entry.text for entry in policy.protect)
    return f"The policy. Protected: {protected}\n{rules}".rstrip("\n")


def _show(file: Path) -> None:
    """A plan or a journal in short: its counts, and the verdict."""
    Destination().show([view(read(file), file=file)], short=True)


def _next_steps(folder: Path) -> str:
    program = sys.argv[0] if sys.argv[0].endswith("image-cleanup") else "image-cleanup"
    return f"""
Policy, plan and journal lie in {folder}. To look closer:

    {program} report {folder / _PLAN}
    {program} report {folder / _JOURNAL} --format csv

To rehearse a policy of your own on a simulated project:

    {program} simulate --port 8080 --images 2000 &
    {program} run -p {folder}/policy.yaml --auth none \\
        --endpoint http://127.0.0.1:8080 --project-id {PROJECT_ID}
"""
