"""An embedded fake of the ModelArts image API, to rehearse with and to test against.

    async with serve(Service(build_world(seed=1, images=500, now=now), clock)) as url: ...

In reading order: routes (the API at a glance), messages, references (which name the same content) -
world, of seed_images, edge_cases, seed_notebooks, seed_users and user_records -
image_store, notebook_store, record_store, project (the state) -
parameters, images, notebooks, users, workspaces, registry, service (what each call does) -
signature, auth, faults, fault_effects, control, middleware, app (how it is served).
It knows nothing of the product but its errors: it is an independent reading of the API.
"""

from cleanup.simulator.app import HOST, serve
from cleanup.simulator.auth import Access, AuthMode, SimulatedLogin
from cleanup.simulator.faults import Fault, Faults, parse_rate, parse_script
from cleanup.simulator.project import Deletion, WhenInUse
from cleanup.simulator.service import Service
from cleanup.simulator.world import (
    CLOSED_WORKSPACE,
    OTHER_WORKSPACE,
    PROJECT_ID,
    USER_ID,
    World,
    build_world,
    with_closed_workspace,
)

__all__ = [
    "CLOSED_WORKSPACE",
    "HOST",
    "OTHER_WORKSPACE",
    "PROJECT_ID",
    "USER_ID",
    "Access",
    "AuthMode",
    "Deletion",
    "Fault",
    "Faults",
    "Service",
    "SimulatedLogin",
    "WhenInUse",
    "World",
    "build_world",
    "parse_rate",
    "parse_script",
    "serve",
    "with_closed_workspace",
]
