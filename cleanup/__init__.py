"""A safe bulk cleanup for Huawei Cloud ModelArts images: plan, review, apply exactly that.

The rooms, in reading order: errors, durations, image, in_use, outcome, stop (the types that travel) -
strict_yaml, policy (the language) - decision (what goes and why) - modelarts (the wire) - plan (the
reviewed file) - journal, apply (the doing) - restore - config - doctor - reports, simulator, cli (the
front door).
"""

__version__ = "0.1.0"
