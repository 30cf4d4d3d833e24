"""Experiments: the arm of a customer, by the same hash as the dbt macro experiment_bucket."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

BUCKET_COUNT = 10_000
"""Number of buckets, and of the units of a share: shares have four decimals at most."""


@dataclass(frozen=True)
class ExperimentArm:
    """An arm of the active experiment; a row of `rec_experiments`."""

    experiment: str
    arm: str
    policy: str
    """model, model:RUN, popularity, none or rules:RULE_SET."""
    share: float
    """Share of all customers in the arm."""
    run_id: str | None = None
    """The model that ranks for the customers; None for popular products, for no list and before the first training."""
    rule_set: str | None = None
    """The rule set of policy rules:RULE_SET; None for other policies."""

    @property
    def share_units(self) -> int:
        """The share in ten-thousandths."""
        return round(self.share * BUCKET_COUNT)


def compute_bucket(experiment: str, purpose: str, user_id: str) -> int:
    """Return the bucket of a customer, or of a session, from 0 to 9999; `purpose` is participation or arm."""
    digest = hashlib.md5(f"{experiment}|{purpose}|{user_id}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % BUCKET_COUNT


def assign_arm(arms: Sequence[ExperimentArm], user_id: str) -> ExperimentArm | None:
    """Return the arm of a customer, or of a session; None when the customer does not take part.

    `arms` are all arms of one experiment. A customer keeps the arm while all shares grow in the same proportion.
    """
    if not arms or not user_id:
        return None
    experiment = arms[0].experiment
    total_units = sum(arm.share_units for arm in arms)
    if compute_bucket(experiment, "participation", user_id) >= total_units:
        return None
    scaled_bucket = compute_bucket(experiment, "arm", user_id) * total_units
    cumulative_units = 0
    for arm in sorted(arms, key=lambda arm: arm.arm):
        cumulative_units += arm.share_units
        if scaled_bucket < cumulative_units * BUCKET_COUNT:
            return arm
    raise AssertionError("the buckets are below the sum of the shares")
