"""`doctor`: what it takes; `cleanup.cli.work.doctor` checks the way to a target."""

from dataclasses import dataclass

from cleanup.cli.options import Connecting, Working
from cleanup.cli.showing import Showing


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Check endpoint, clock, credentials and permissions, each with what to do about it.

    Nothing is changed: only what reads is sent, and a login to IAM where a password is used. It shows where each
    setting comes from: option, environment, file or default. At the end stand policy documents with the
    permissions to read, to delete and to restore.
    """

    connecting: Connecting
    working: Working
    showing: Showing
