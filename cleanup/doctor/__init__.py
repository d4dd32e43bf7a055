"""What `doctor` looks at: the way to a target, step by step, and the policies that grant what is missing."""

from cleanup.doctor.checks import Check, CheckLevel, Diagnosis
from cleanup.doctor.examination import diagnose
from cleanup.doctor.grants import IDENTITY_POLICIES, POLICIES

__all__ = ["IDENTITY_POLICIES", "POLICIES", "Check", "CheckLevel", "Diagnosis", "diagnose"]
