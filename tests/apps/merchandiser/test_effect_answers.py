"""The plain answers of the page Effect, for the verdicts of experiments."""

from datetime import date

import duckdb
import pytest

from apps.merchandiser.effect_answers import answer_effect, answer_without_experiment, describe_arms, describe_result
from apps.merchandiser.effect_sections import build_day_chart, build_figure_table, build_metric_table, label_group
from tests.sample_effect import create_effect_marts
from warehouse.effect_report import EffectReport, read_effect


@pytest.fixture
def report() -> EffectReport:
    """An ended experiment with an effect on the conversion."""
    with duckdb.connect() as connection:
        create_effect_marts(connection)
        connection.execute("use marts")
        return read_effect(connection)


def test_answer_states_what_is_real(report: EffectReport) -> None:
    (metrics,) = report.get_metrics_by_arm("lists")
    spend = metrics[2].model_copy(update={"metric": "revenue_per_customer", "adjusted_difference": 4.305})
    answer = answer_effect([metrics[0], spend], report.get_arms("lists"), "EUR")
    assert answer == (
        "yes",
        "Yes: customers with recommendations of the serving model bought 20.0% more often than customers with popular "
        "products. The difference is real (likely range +10.0% to +30.0%). They spent 4.30 EUR more per customer; this "
        "can still be chance.",
    )
    fewer = metrics[0].model_copy(update={"lift": -0.2, "adjusted_difference": -0.01})
    answer = answer_effect([fewer], report.get_arms("lists"))
    assert (answer.level, "bought 20.0% less often" in answer.text) == ("no", True)


def test_answer_states_what_can_be_chance(report: EffectReport) -> None:
    (metrics,) = report.get_metrics_by_arm("lists")
    arms = report.get_arms("lists")
    changes = {"has_effect": False, "verdict": "no effect seen", "min_lift": -0.01}
    answer = answer_effect([metrics[0].model_copy(update=changes)], arms)
    assert answer.text.startswith("Not proven: customers with")
    assert answer.text.endswith("; this can still be chance (likely range -1.0% to +30.0%).")
    running = metrics[0].model_copy(update={"has_effect": False, "verdict": "no verdict before the end on 2026-03-12"})
    assert answer_effect([running], arms).text.startswith("Not known yet: the experiment ends after 11 Mar 2026.")
    without_lift = metrics[0].model_copy(update={"lift": None})
    assert answer_effect([without_lift], arms).text == "Not known: too few customers for the figure Conversion."
    mismatch = [arm.model_copy(update={"is_mismatch": True}) for arm in arms]
    assert answer_effect(metrics, mismatch).level == "error"


def test_result_agrees_with_range(report: EffectReport) -> None:
    (metrics,) = report.get_metrics_by_arm("lists")
    order_value = metrics[2]
    assert describe_result(order_value, None) == "can be chance"
    clear = order_value.model_copy(update={"min_lift": 0.013, "max_lift": 0.352})
    assert describe_result(clear, None) == "can still be chance, because 8 figures were compared"
    running = order_value.model_copy(update={"verdict": "no verdict before the end on 2026-03-12"})
    assert describe_result(running, date(2026, 3, 12)) == "no result before the end on 12 Mar 2026"
    table = build_metric_table(metrics, None, "EUR", is_inferred=False)
    assert list(table["Value"]) == ["6.00%", "5.00%", "51.50 EUR"]
    assert table["Result"].iloc[0] == "higher than in the control"


def test_answer_without_experiment(report: EffectReport) -> None:
    answer = answer_without_experiment(report.model_copy(update={"arms": [], "metrics": []}), "EUR")
    assert answer.text == (
        "Not known: no experiment compares customers with and without recommendations. 121 purchases for 1,512.50 EUR "
        "followed recommendations. Customers would have made some of them anyway."
    )


def test_labels_of_effect(report: EffectReport) -> None:
    assert describe_arms(report.get_arms("lists")).startswith("Lists from 2 Mar 2026 to 11 Mar 2026. personal: ")
    titles = {"home": "Home page"}
    groups = [("placement", "customer"), ("placement", "banner"), ("source", None)]
    labels = [label_group(group, name, titles) for group, name in groups]
    assert labels == ["Home page", "banner", "Unknown"]
    (total,) = report.recommendations["total"]
    table = build_figure_table("source", [total.model_copy(update={"group": "model"}), total], titles)
    assert list(table["group"]) == ["Personal", "Unknown"]


def test_day_chart_has_percent_axis(report: EffectReport) -> None:
    (metrics,) = report.get_metrics_by_arm("lists")
    chart = build_day_chart(report.get_days(metrics[0]), "Conversion").to_dict()
    assert chart["layer"][1]["encoding"]["y"]["axis"]["format"] == "+.1%"
    assert chart["layer"][2]["encoding"]["tooltip"][0]["format"] == "%-d %b %Y"
