"""An embedded fake of the ModelArts image API, to rehearse with and to test against.

    async with serve(Service(build_world(seed=1, images=500, now=now), clock)) as url: ...

In reading order: calls - world (stock, oddities, notebooks) - shelves, occupancy, queries, registration -
service (the API's semantics) - front, http (its way over the wire).
"""

from cleanup.simulator.http import serve
from cleanup.simulator.service import Deletion, Service, WhenInUse
from cleanup.simulator.world import OTHER_WORKSPACE, PROJECT_ID, World, build_world

__all__ = [
    "OTHER_WORKSPACE",
    "PROJECT_ID",
    "Deletion",
    "Service",
    "WhenInUse",
    "World",
    "build_world",
    "serve",
]
