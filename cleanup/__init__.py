"""A safe bulk cleanup for Huawei Cloud ModelArts images: plan, review, apply exactly that.

The rooms, in reading order: errors, image (the ground) - policy (the language) - in_use, selection,
decision (what goes and why) - plan, limits (the reviewed file) - outcome, stopping (how it ends) -
pacing, modelarts (the wire) - journal, recheck, executor (the doing) - planning, applying (the two
halves of a run) - reports, simulator - settings, cli (the front door).
"""

__version__ = "0.1.0"
