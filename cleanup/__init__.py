"""A safe bulk cleanup for Huawei Cloud ModelArts images: plan, review, apply exactly that.

The rooms, in reading order; each uses only those that stand before it: errors, durations, image, in_use,
stop, outcome (the types that travel) - strict_yaml, policy (the language) - decision (what goes and why) -
modelarts (the service) - plan (the reviewed file) - journal - config - apply (the doing) - restore -
doctor - reports - simulator, cli (the front door).
"""

__version__ = "0.1.0"
