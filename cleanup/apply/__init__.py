"""A plan carried out: checked against the cloud of now, deleted by a pool of workers, written down."""
