"""Texts and tables of off-policy checks."""

from datetime import datetime
from typing import Any

import pytest

from apps.cli.model_tables import describe_off_policy, print_off_policy
from orchestration.off_policy import OffPolicyCheck

VALUES = {"logged_rate": 0.04, "ips_rate": 0.05, "snips_rate": 0.06, "difference": 0.02}


def build_row(**values: Any) -> dict[str, Any]:
    """Return a row of the analysis with an estimate whose intervals are 0.01 wide on each side."""
    bounds = {f"min_{name}": value - 0.01 for name, value in VALUES.items()}
    bounds |= {f"max_{name}": value + 0.01 for name, value in VALUES.items()}
    counts = {"places": 1000, "coverage": 0.876, "effective_places": 120.0, "explored_customers": 14}
    row = {"metric": "clicks", "basis": "measured", "has_estimate": True, **counts, **VALUES, **bounds}
    return row | values


@pytest.mark.parametrize(
    ("bounds", "result"),
    [
        ({}, "the lists of the model would get more than the logged lists"),
        (
            {"min_difference": -0.03, "max_difference": -0.01},
            "the lists of the model would get fewer than the logged lists",
        ),
        ({"min_difference": -0.01}, "no difference seen"),
    ],
)
def test_sentence_follows_interval(bounds: dict[str, float], result: str) -> None:
    assert describe_off_policy(build_row(**bounds)) == (
        f"Clicks on measured impressions: {result}. The log could have shown 88 % of the products of the model"
    )


def test_missing_estimate_has_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    missing = dict.fromkeys(("ips_rate", "snips_rate", "difference"))
    row = build_row(metric="purchases", has_estimate=False, explored_customers=3, **missing)
    print_off_policy(OffPolicyCheck("run1", datetime(2026, 2, 1), None, [build_row(), row]))
    clicks, purchases = (
        line for line in capsys.readouterr().out.splitlines() if line.startswith(("clicks", "purchases"))
    )
    assert "+0.0200 (+0.0100 to +0.0300)" in clicks
    assert "0.0600 (0.0500 to 0.0700)" in clicks
    assert "0.0600" not in purchases
    assert "0.0400 (0.0300 to 0.0500)" in purchases
    assert describe_off_policy(row).startswith(
        "Purchases: no estimate, because it would rest on 3 customers with one in an explored place"
    )
