"""A safe bulk cleanup for Huawei Cloud ModelArts images: plan, review, apply exactly that.

The rooms, in reading order; each uses only those that stand before it: errors, files, kinds, durations,
tracing, runtime, stop, reference, spool, image, image_columns, in_use, outcome, progress (the types that travel) -
strict_yaml, policy (the language) - decision (what goes and why), starter (a first policy) - modelarts
(the service) - config - doctor - plan (the reviewed file) - journal - apply (the doing) - restore -
telemetry - reports - simulator, cli (the front door).

One image on its way visits each room once: a page becomes an Image (modelarts/wire, paging, inventory),
select decides (decision/select), the plan holds that (plan/build, file), apply compares it with the cloud
of now (apply/recheck) and lets a worker delete it (apply/executor), whose request is settled
(modelarts/deletion) into an outcome (outcome), written down (journal/writer), counted into the exit code.
"""

__version__ = "0.2.0"
