"""`recomart bench effect` on two small shops: the measured effects beside the planted ones."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.benchmarks.effect_benchmark import EffectResult, ShopResult, SimulatedShops
from apps.cli.commands import app
from orchestration.demo_days import DemoMetric
from warehouse.effect_report import EffectMetric


def build_shop(effect: float, min_lift: float | None, *, has_effect: bool) -> ShopResult:
    """Build the result of a shop with one metric, whose lift is 0.5 and whose interval ends at 1."""
    values = dict.fromkeys(EffectMetric.model_fields)
    metric = EffectMetric.model_validate(
        {
            **values,
            "experiment": "lists",
            "arm": "treatment",
            "metric": "return_share",
            "is_primary": False,
            "customers": 100,
            "control_customers": 100,
            "lift": 0.5,
            "min_lift": min_lift,
            "max_lift": None if min_lift is None else 1.0,
            "has_effect": has_effect,
            "verdict": "higher than in the control" if has_effect else "no effect seen",
        }
    )
    return ShopResult(seed=1, effect=effect, metrics=[DemoMetric(metric, 0.4 if effect else 0.0)])


def test_summary_counts_calls_of_all_shops() -> None:
    """A verdict can state an effect where the lift has no interval."""
    shops = [
        build_shop(1, 0.2, has_effect=True),
        build_shop(0, -0.2, has_effect=False),
        build_shop(1, None, has_effect=True),
        build_shop(0, None, has_effect=True),
        build_shop(1, 0.6, has_effect=True),
        build_shop(0, 0.1, has_effect=True),
    ]
    result = EffectResult(machine={}, size=SimulatedShops(shops=6), shops=shops)
    (summary,) = result.summaries
    assert (summary.shops, summary.covered) == (4, 2)
    assert (summary.effect_calls, summary.false_calls) == (3, 2)
    assert summary.width == pytest.approx(0.6)
    coverage, false_calls = result.targets
    assert (coverage.min_value, false_calls.max_value) == pytest.approx((3.6, 0.3))


@pytest.mark.slow
def test_benchmark_measures_planted_effect(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ["--work-dir", str(tmp_path / "work"), "--shops", "2", "--customers", "800", "--days", "7"]
    result = CliRunner().invoke(app, ["bench", "effect", *options, "--effect", "6", "--json", str(file)])
    assert result.exit_code == 0, result.output
    with_effect, without = (
        {metric["effect"]["metric"]: metric for metric in shop["metrics"]}
        for shop in json.loads(file.read_text(encoding="utf-8"))["shops"]
    )
    orders = with_effect["orders_per_customer"]
    assert orders["true_lift"] > 0.5
    assert orders["effect"]["verdict"] == "higher than in the control"
    assert 0 < orders["effect"]["min_lift"] < orders["true_lift"] < orders["effect"]["max_lift"]
    assert {metric["true_lift"] for metric in without.values()} == {0}
    assert without["conversion"]["effect"]["verdict"] == "no effect seen"
    assert "orders_per_customer" in result.output
