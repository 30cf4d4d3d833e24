"""The report of the effect marts, and its texts."""

from datetime import date
from pathlib import Path

import pytest

from tests.sample_effect import create_effect_marts
from warehouse.database import open_writer
from warehouse.effect_notes import describe_limits
from warehouse.effect_report import (
    EffectMetric,
    EffectReport,
    read_warehouse_effect,
    select_newest_groups,
    sum_purchases,
)
from warehouse.effect_texts import (
    describe_basis,
    describe_metric,
    format_difference,
    format_interval,
    format_value,
    label_groups,
    label_metric,
)
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A warehouse with effect marts only."""
    return create_marts(tmp_path)


def create_marts(warehouse: Path, first_measured_day: date | None = None) -> Settings:
    settings = Settings(warehouse=warehouse)
    with open_writer(settings) as connection:
        create_effect_marts(connection, first_measured_day)
    return settings


def get_metric(report: EffectReport, name: str) -> EffectMetric:
    (metric,) = [metric for metric in report.metrics if metric.metric == name]
    return metric


def test_report_has_all_experiments(settings: Settings) -> None:
    report = read_warehouse_effect(settings)
    assert report.experiments == ["rules", "lists"]
    assert [(arm.arm, arm.customers, arm.expected_customers) for arm in report.get_arms("lists")] == [
        ("personal", 1000, 1000),
        ("control", 1000, 1000),
    ]
    (metrics,) = report.get_metrics_by_arm("lists")
    assert [metric.metric for metric in metrics] == ["conversion", "click_through_rate", "average_order_value"]
    assert report.get_metrics_by_arm("rules") == []
    assert [len(report.get_days(metric)) for metric in metrics] == [10, 0, 0]
    # The experiment `rules` counts the impressions of its first day.
    assert report.inferred_experiments == ["lists", "rules"]


def test_report_of_one_experiment(settings: Settings) -> None:
    report = read_warehouse_effect(settings, experiment="rules")
    assert report.experiments == ["rules"]
    assert (report.metrics, report.days) == ([], [])
    with pytest.raises(RecomartError, match="unknown experiment 'x': known are lists, rules"):
        read_warehouse_effect(settings, experiment="x")


def test_figures_by_group(settings: Settings) -> None:
    report = read_warehouse_effect(settings, days=2)
    assert (report.first_day, report.last_day) == (date(2026, 3, 11), date(2026, 3, 12))
    (total,) = report.recommendations["total"]
    # The clicks of a day are 10 + 5 + 3 + 2 + 2 + 1 + 1 + 1 + 1 + 1.
    assert (total.group, total.impressions, total.clicks, total.click_through_rate) == (None, 2200, 54, 54 / 2200)
    assert (total.purchases, total.revenue, total.basis) == (22, 275, "inferred")
    assert [row.group for row in report.recommendations["rank"]] == [str(rank) for rank in range(1, 12)]
    assert [row.group for row in report.recommendations["source"]] == ["model", "pinned"]
    assert [row.group for row in report.recommendations["day"]] == ["2026-03-11", "2026-03-12"]
    # Weeks are not cut at the first day.
    assert [(row.group, row.impressions) for row in report.recommendations["week"]] == [
        ("2026-03-02", 7700),
        ("2026-03-09", 4400),
    ]


def test_figures_of_both_bases(tmp_path: Path) -> None:
    """A group has one entry per basis when the first measured day is within the days."""
    settings = create_marts(tmp_path, date(2026, 3, 11))
    figures = read_warehouse_effect(settings).recommendations
    weeks = figures["week"]
    assert label_groups(weeks) == ["2026-03-02 (inferred)", "2026-03-09 (inferred)", "2026-03-09"]
    assert sum_purchases(weeks) == {"2026-03-02": 77, "2026-03-09": 66}
    assert describe_basis(weeks) == "Figures marked as inferred are of inferred impressions."
    assert label_groups(weeks[:2]) == ["2026-03-02", "2026-03-09"]
    assert describe_basis(weeks[:2]) == "Impressions are inferred."
    assert describe_basis(weeks[2:]) == ""
    newest_days = select_newest_groups(figures["day"], 3)
    assert [(row.group, row.basis) for row in newest_days] == [
        ("2026-03-10", "inferred"),
        ("2026-03-11", "inferred"),
        ("2026-03-11", "measured"),
        ("2026-03-12", "inferred"),
        ("2026-03-12", "measured"),
    ]


@pytest.mark.parametrize(
    ("first_measured_day", "inferred_experiments"),
    [(date(2026, 3, 12), ["lists"]), (date(2026, 3, 3), ["lists"]), (date(2026, 3, 2), [])],
)
def test_inferred_experiments_are_marked(
    tmp_path: Path, first_measured_day: date, inferred_experiments: list[str]
) -> None:
    """The mark depends on the days of the experiment, not on those of the report."""
    settings = create_marts(tmp_path, first_measured_day)
    report = read_warehouse_effect(settings, days=1)
    assert {row.basis for row in report.recommendations["total"] if row.impressions} == {"measured"}
    assert report.inferred_experiments == inferred_experiments
    assert report.is_inferred("lists") == bool(inferred_experiments)
    assert not report.is_inferred("rules")
    assert read_warehouse_effect(settings, experiment="rules").inferred_experiments == []


def test_report_names_first_measured_day(tmp_path: Path) -> None:
    report = read_warehouse_effect(create_marts(tmp_path, date(2026, 3, 11)), days=1)
    assert report.notes[0].startswith("The first measured impression is of 11 Mar 2026.")


def test_missing_marts_give_hint(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings):
        pass
    with pytest.raises(RecomartError, match=r"the effect marts are not built\. Run `recomart run`"):
        read_warehouse_effect(settings)


def test_notes_name_what_is_missing(settings: Settings) -> None:
    totals = read_warehouse_effect(settings).recommendations["total"]
    (inferred,) = describe_limits({"recommendation_lists": 1, "events": 1}, totals, None, has_experiments=True)
    assert inferred.text.startswith("The shop has no impressions. They are inferred:")
    no_log, _, no_events, no_experiment = describe_limits({"purchases": 1}, [], None, has_experiments=False)
    assert no_log.text.startswith("No logged list is built yet")
    # A new log alone is no reason for a build.
    assert no_log.hint.endswith("the next build reads the log (`recomart run --force`).")
    assert no_events.text == "The shop has no events, so clicks and carts are not known."
    assert no_experiment.text.startswith("No experiment is declared.")
    clean_rows = {"recommendation_lists": 1, "events": 1, "impressions": 1}
    (measured,) = describe_limits(clean_rows, totals, date(2026, 1, 3), has_experiments=True)
    assert measured.text.startswith("The first measured impression is of 3 Jan 2026.")
    (no_action,) = describe_limits(clean_rows, [], None, has_experiments=True)
    assert no_action.text == "No impression and no action since the first logged list yet."


def test_texts_of_metrics(settings: Settings) -> None:
    report = read_warehouse_effect(settings)
    conversion = get_metric(report, "conversion")
    assert describe_metric(conversion, is_inferred=True) == (
        "Arm personal, Conversion: higher than in the control. 6.00% against 5.00% in the control; lift +20.0%, 95 % "
        "interval +10.0% to +30.0%. Such an experiment finds lifts from 12.0% on."
    )
    click_through_rate = get_metric(report, "click_through_rate")
    assert describe_metric(click_through_rate, is_inferred=True) == (
        "Arm personal, Click-through rate (inferred): not measured."
    )
    without_lift = conversion.model_copy(update={"lift": None, "min_lift": None})
    assert describe_metric(without_lift, is_inferred=False) == (
        "Arm personal, Conversion: higher than in the control. 6.00% against 5.00% in the control."
    )
    assert label_metric("click_through_rate", is_inferred=False) == "Click-through rate"
    assert format_interval(click_through_rate) == "-"
    assert format_value("average_order_value", 1234.5) == "1,234.500"
    assert format_difference("conversion", 0.01) == "+1.00 pp"
