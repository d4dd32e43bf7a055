"""`demo`: what it takes; `cleanup.cli.work.demo` does the whole job against the embedded simulator."""

from dataclasses import dataclass
from typing import Annotated

from cleanup.cli.parsing import Option


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Show the whole job on the embedded simulator; needs no credentials and no network."""

    images: Annotated[int, Option(min=1, max=5000, help="How many images the simulator holds.")] = 400
    seed: Annotated[int, Option(help="Which cloud; the same seed gives the same one.")] = 7
