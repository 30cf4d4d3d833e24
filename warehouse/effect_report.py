"""What recommendations did: the rows of the effect marts, for the command line, the weekly page and the app."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, TypeVar

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from warehouse.database import CATALOG, open_reader
from warehouse.effect_notes import EffectNote, describe_limits
from warehouse.errors import RecomartError
from warehouse.settings import Settings

DEFAULT_DAYS = 28
"""Days of recommendations that a report counts by default."""

MAX_WEEKS = 8
"""Newest weeks of a report."""

GROUPS = ("total", "placement", "rank", "source", "day")
"""How a report groups the figures of recommendations, besides by week."""


class EffectArm(BaseModel):
    """An arm of an experiment and its customers; a row of `effect_arms`."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    experiment: str
    arm: str
    policy: str
    """How the lists of the arm are made."""
    share: float
    """Declared share of all customers."""
    starts_on: date
    ends_on: date | None
    """First day after the experiment; None without an end."""
    customers: int
    """Customers who took part."""
    expected_customers: float
    """Customers of the experiment times the arm's share among its arms."""
    is_mismatch: bool
    """Whether the customers deviate from the expected number by more than four standard deviations."""


class EffectMetric(BaseModel):
    """The effect of an arm on a metric; a row of `effect_experiments`."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    experiment: str
    arm: str
    metric: str
    is_primary: bool
    """Whether the metric decides the experiment."""
    customers: int
    control_customers: int
    value: float | None
    """Value of the arm; None when its denominator is 0, such as an average order value without orders."""
    control_value: float | None
    difference: float | None
    """Value of the arm minus that of the control."""
    min_difference: float | None
    """Lower bound of the 95 % interval of the difference."""
    max_difference: float | None
    uncapped_difference: float | None
    """Difference without the cap of orders; None for metrics without a cap."""
    adjusted_difference: float | None
    """Difference after the adjustment by the time before (CUPED)."""
    min_adjusted_difference: float | None
    max_adjusted_difference: float | None
    variance_reduction: float | None
    """Share of the variance that the adjustment removes."""
    lift: float | None
    """Adjusted difference relative to the control."""
    min_lift: float | None
    """Lower bound of the 95 % interval of the lift."""
    max_lift: float | None
    min_detectable_lift: float | None
    """Smallest lift that such an experiment finds in 80 % of the cases."""
    has_effect: bool
    """Whether the verdict states an effect."""
    verdict: str


class EffectDay(BaseModel):
    """The difference of an arm from the control up to a day; a row of `effect_days`."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    experiment: str
    arm: str
    metric: str
    day: date
    customers: int
    control_customers: int
    value: float | None
    control_value: float | None
    difference: float | None
    """Not adjusted."""
    min_difference: float | None
    """Lower bound of the 95 % interval of the difference; it is no verdict."""
    max_difference: float | None


class RecommendationFigures(BaseModel):
    """Impressions of recommended products and the attributed actions, in total or of one group."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    group: str | None
    """Placement, rank, source or day, or Monday of the week; None in total and where it is unknown."""
    basis: str
    """measured or inferred."""
    impressions: int
    clicks: int
    click_through_rate: float | None
    """Clicks per impression."""
    add_to_carts: int
    purchases: int
    returns: int
    revenue: float
    """Amount of the purchases minus that of their returns."""


class EffectReport(BaseModel):
    """The effect of recommendations, and what cannot be said of it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    first_day: date | None
    """First counted day of the recommendations; None without any impression."""
    last_day: date | None
    notes: list[str]
    """What is inferred, what is missing, and what to do about it."""
    explained_notes: list[EffectNote] = Field(exclude=True)
    """The notes with their hints apart."""
    arms: list[EffectArm]
    metrics: list[EffectMetric]
    """By experiment and arm, the primary metric first, the others in the order of `METRIC_LABELS`."""
    days: list[EffectDay]
    inferred_experiments: list[str]
    """Experiments whose click-through rate counts inferred impressions."""
    recommendations: dict[str, list[RecommendationFigures]]
    """Figures from `first_day` to `last_day`: in total and by placement, rank, source and day. Those by week are of the
    newest eight weeks. A group has one entry per basis, the inferred one first."""

    @property
    def experiments(self) -> list[str]:
        """Names of the experiments, the newest first."""
        starts = {arm.experiment: arm.starts_on for arm in self.arms}
        return sorted(starts, key=lambda name: (starts[name], name), reverse=True)

    def get_arms(self, experiment: str) -> list[EffectArm]:
        """Return the arms of an experiment; `control` is the last one."""
        return [arm for arm in self.arms if arm.experiment == experiment]

    def get_metrics_by_arm(self, experiment: str) -> list[list[EffectMetric]]:
        """Return the metrics of each arm that is compared with the control, the primary metric first."""
        metrics = [metric for metric in self.metrics if metric.experiment == experiment]
        return [list(group) for _, group in groupby(metrics, key=lambda metric: metric.arm)]

    def get_days(self, metric: EffectMetric) -> list[EffectDay]:
        """Return the days of a metric of an arm."""
        key = (metric.experiment, metric.arm, metric.metric)
        return [day for day in self.days if (day.experiment, day.arm, day.metric) == key]

    def is_inferred(self, experiment: str) -> bool:
        """Return whether the click-through rate of an experiment counts inferred impressions."""
        return experiment in self.inferred_experiments


# Queries name no schema: in the warehouse the tables are in schema marts, in a published copy in the default one.
ARMS_QUERY = """
    select *, experiment_customers * expected_share as expected_customers from effect_arms
    order by experiment, arm = 'control', arm
"""

METRICS_QUERY = "from effect_experiments"

DAYS_QUERY = "from effect_days order by experiment, arm, metric, day"

FIGURES_QUERY = """
    select
        cast({expression} as varchar) as "group",
        basis,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(clicks) / nullif(sum(impressions), 0) as click_through_rate,
        sum(add_to_carts) as add_to_carts,
        sum(purchases) as purchases,
        sum(returns) as returns,
        sum(revenue) as revenue,
    from effect_recommendation_days
    where day >= $first_day
    group by all
    order by min({expression}), basis
"""

# An experiment counts impressions from its first list on; without any list it counts none. Clicks on inferred
# impressions can follow after the first measured one.
INFERRED_QUERY = """
    with periods as (
        select experiment, min(first_enrolled_at)::date as first_day, any_value(ends_on) as ends_on
        from effect_arms
        group by experiment
    )
    select experiment
    from periods
    where exists (
        from effect_recommendation_days as days
        where
            days.basis = 'inferred'
            and days.impressions + days.clicks > 0
            and days.day >= periods.first_day
            and (periods.ends_on is null or days.day < periods.ends_on)
    )
    order by experiment
"""

MEASURED_QUERY = "select min(day) from effect_recommendation_days where basis = 'measured' and impressions > 0"

KINDS_QUERY = "select kind, sum(clean) from audit_feeds group by kind"

METRIC_LABELS: Mapping[str, str] = {
    "conversion": "Conversion",
    "click_through_rate": "Click-through rate",
    "orders_per_customer": "Orders per customer",
    "revenue_per_customer": "Revenue per customer",
    "average_order_value": "Average order value",
    "pieces_per_order": "Pieces per order",
    "categories_per_order": "Categories per order",
    "returning_customers": "Returning customers",
    "return_share": "Return share",
}
"""Labels of the metrics of `effect_experiments`, in the order in which people read them."""

Row = TypeVar("Row", bound=BaseModel)


def read_warehouse_effect(settings: Settings, days: int = DEFAULT_DAYS, experiment: str | None = None) -> EffectReport:
    """Return the report of the warehouse; see `read_effect`.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, the effect marts are not built, or the experiment is unknown.
    """
    with open_reader(settings) as connection:
        try:
            connection.execute(f"use {CATALOG}.marts")
            return read_effect(connection, days, experiment)
        except duckdb.CatalogException as error:
            raise RecomartError(
                f"no effect: {settings.database}: the effect marts are not built. Run `recomart run` or `dbt build`; "
                "`recomart status` shows a failed test that stopped the build"
            ) from error


def read_effect(
    connection: duckdb.DuckDBPyConnection, days: int = DEFAULT_DAYS, experiment: str | None = None
) -> EffectReport:
    """Return the effect of the recommendations of the newest `days` days, and of all experiments or of one.

    Raises:
        RecomartError: The experiment is unknown.
    """
    arms = _fetch(connection, EffectArm, ARMS_QUERY)
    names = sorted({arm.experiment for arm in arms})
    if experiment is not None and experiment not in names:
        raise RecomartError(f"unknown experiment '{experiment}': known are {', '.join(names) or 'none'}")
    ((last_day,),) = connection.execute("select max(day) from effect_recommendation_days").fetchall()
    first_day = None if last_day is None else last_day - timedelta(days=days - 1)
    expressions = {group: "null" if group == "total" else group for group in GROUPS}
    recommendations = {group: _fetch_figures(connection, expressions[group], first_day) for group in GROUPS}
    recommendations["week"] = _fetch_figures(connection, "date_trunc('week', day)::date", _find_first_week(last_day))
    ((first_measured_day,),) = connection.execute(MEASURED_QUERY).fetchall()
    inferred_experiments = [name for (name,) in connection.execute(INFERRED_QUERY).fetchall()]
    clean_rows = dict(connection.execute(KINDS_QUERY).fetchall())
    notes = describe_limits(clean_rows, recommendations["total"], first_measured_day, has_experiments=bool(names))
    return EffectReport(
        first_day=first_day,
        last_day=last_day,
        notes=[f"{note.text} {note.hint}".rstrip() for note in notes],
        explained_notes=notes,
        arms=_select(arms, experiment),
        metrics=_select(fetch_metrics(connection), experiment),
        days=_select(_fetch(connection, EffectDay, DAYS_QUERY), experiment),
        inferred_experiments=[name for name in inferred_experiments if experiment in (None, name)],
        recommendations=recommendations,
    )


def fetch_metrics(connection: duckdb.DuckDBPyConnection) -> list[EffectMetric]:
    """Return the rows of `effect_experiments`, in the order of `EffectReport.metrics`."""
    positions = {name: position for position, name in enumerate(METRIC_LABELS)}
    return sorted(
        _fetch(connection, EffectMetric, METRICS_QUERY),
        key=lambda row: (row.experiment, row.arm, not row.is_primary, positions[row.metric]),
    )


def _fetch_figures(
    connection: duckdb.DuckDBPyConnection, expression: str, first_day: date | None
) -> list[RecommendationFigures]:
    return _fetch(connection, RecommendationFigures, FIGURES_QUERY.format(expression=expression), first_day=first_day)


def _find_first_week(last_day: date | None) -> date | None:
    """Return the Monday of the first of the newest weeks."""
    return None if last_day is None else last_day - timedelta(days=last_day.weekday(), weeks=MAX_WEEKS - 1)


def _fetch(connection: duckdb.DuckDBPyConnection, row_type: type[Row], query: str, **parameters: Any) -> list[Row]:
    result = connection.execute(query, parameters or None)
    names = [column[0] for column in result.description or []]
    return [row_type.model_validate(dict(zip(names, row, strict=True))) for row in result.fetchall()]


def select_newest_groups(figures: Sequence[RecommendationFigures], count: int) -> list[RecommendationFigures]:
    """Return the figures of the last `count` groups, of each basis."""
    names = list(dict.fromkeys(row.group for row in figures))[-count:]
    return [row for row in figures if row.group in names]


def sum_purchases(figures: Sequence[RecommendationFigures]) -> dict[str | None, int]:
    """Return the purchases by group, of both bases together."""
    purchases: dict[str | None, int] = {}
    for row in figures:
        purchases[row.group] = purchases.get(row.group, 0) + row.purchases
    return purchases


Named = TypeVar("Named", EffectArm, EffectMetric, EffectDay)


def _select(rows: list[Named], experiment: str | None) -> list[Named]:
    return [row for row in rows if experiment in (None, row.experiment)]
