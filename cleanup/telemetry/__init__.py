"""What a command tells machines when it has ended: metrics to a file or a gateway, a summary to whom it notifies."""

from cleanup.telemetry.channels import Channels, make_channels
from cleanup.telemetry.facts import NOBODY, TargetFacts, Watch
from cleanup.telemetry.tell import tell_all

__all__ = ["NOBODY", "Channels", "TargetFacts", "Watch", "make_channels", "tell_all"]
