"""Potential outcomes of an experiment in the demo shop: what its customers do with the list of each arm, and with none.

The outcomes of all lists come from the same random numbers, so the difference of a metric between two lists is the
true effect for the very customers of the experiment, and not only on average. Like the warehouse, the outcomes count
the clean rows of the landing files by the day on which they happened.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.demo.config import DemoConfig
from warehouse.demo.days import DayPart
from warehouse.demo.dirt import Dirt
from warehouse.demo.feeds import CLEAN_EVENT_KINDS, CLEAN_PURCHASE_KINDS
from warehouse.demo.reactions import DayLists
from warehouse.demo.sessions import DAY_MS, IMPRESSION_DTYPE, Rows
from warehouse.demo.world import World

FILE_PREFIX = "user_outcomes_"
"""Start of the names of the outcome files; the erasure of a customer covers files whose names begin with `user_`."""

KNOWN_PURCHASE_KINDS = tuple(kind for kind in CLEAN_PURCHASE_KINDS if kind != Dirt.MISSING_USER)
"""Kinds of clean purchase lines that have a customer."""

METRICS = {
    "conversion": "avg((orders > 0)::integer)",
    "orders_per_customer": "avg(orders)",
    "revenue_per_customer": "sum(cents) / 100 / count(*)",
    "average_order_value": "sum(cents) / 100 / nullif(sum(orders), 0)",
    "pieces_per_order": "sum(pieces) / nullif(sum(orders), 0)",
    "categories_per_order": "sum(order_categories) / nullif(sum(orders), 0)",
    "returning_customers": "avg((active_days > 1)::integer)",
    "return_share": "sum(return_lines) / nullif(sum(purchase_lines), 0)",
}
"""The metrics by name, as expressions over one row per customer."""

# `events` and `lines` have the organic rows, whose potential_list is null, and those that each list adds.
_DAY_OUTCOMES = """
with all_lines as (

    select potential_lists.potential_list, lines.* exclude (potential_list)
    from lines
    inner join potential_lists on coalesce(lines.potential_list, potential_lists.potential_list)
        = potential_lists.potential_list

),

orders as (

    select
        potential_list,
        user_index,
        day,
        count(*) as line_count,
        count(distinct category) as categories,
        sum(quantity) as pieces,
        sum(quantity * cents) as cents
    from all_lines
    where not is_return
    group by potential_list, user_index, day, session

),

measures as (

    select
        potential_lists.potential_list,
        events.user_index,
        events.day,
        events.is_impression::integer as impressions,
        events.is_list_click::integer as list_clicks,
        (not events.is_impression)::integer as actions
    from events
    inner join potential_lists on coalesce(events.potential_list, potential_lists.potential_list)
        = potential_lists.potential_list

    union all by name

    select
        potential_list,
        user_index,
        day,
        line_count as actions,
        1 as orders,
        categories as order_categories,
        pieces,
        cents,
        line_count as purchase_lines
    from orders

    union all by name

    select potential_list, user_index, day, 1 as actions, 1 as return_lines
    from all_lines
    where is_return

    union all by name

    -- Each customer of an experiment has a row, also without an action.
    select potential_lists.potential_list, customers.user_index, $delivery_day as day
    from customers
    cross join potential_lists

)

select
    customers.experiment,
    customers.user_id,
    customers.arm,
    measures.potential_list,
    $first_date + measures.day::integer as date,
    $first_date + $delivery_day::integer as delivery_date,
    coalesce(sum(measures.impressions), 0)::bigint as impressions,
    coalesce(sum(measures.list_clicks), 0)::bigint as list_clicks,
    coalesce(sum(measures.actions), 0)::bigint as actions,
    coalesce(sum(measures.orders), 0)::bigint as orders,
    coalesce(sum(measures.order_categories), 0)::bigint as order_categories,
    coalesce(sum(measures.pieces), 0)::bigint as pieces,
    coalesce(sum(measures.cents), 0)::bigint as cents,
    coalesce(sum(measures.purchase_lines), 0)::bigint as purchase_lines,
    coalesce(sum(measures.return_lines), 0)::bigint as return_lines
from measures
inner join customers on measures.user_index = customers.user_index
group by all
order by all
"""

_TRUE_METRICS = """
with customers as (

    select user_id, min(arm) as arm, min(delivery_date) as enrolled_date
    from outcomes
    where experiment = $experiment
    group by user_id

),

-- Late rows of the days before the enrolment do not count.
days as (

    select
        outcomes.user_id,
        outcomes.potential_list,
        outcomes.date,
        sum(outcomes.actions) > 0 as is_active,
        sum(outcomes.orders) as orders,
        sum(outcomes.order_categories) as order_categories,
        sum(outcomes.pieces) as pieces,
        sum(outcomes.cents) as cents,
        sum(outcomes.purchase_lines) as purchase_lines,
        sum(outcomes.return_lines) as return_lines
    from outcomes
    inner join customers
        on outcomes.user_id = customers.user_id
        and outcomes.date >= customers.enrolled_date
    where outcomes.experiment = $experiment
    group by outcomes.user_id, outcomes.potential_list, outcomes.date

),

totals as (

    select
        user_id,
        potential_list,
        count(*) filter (where is_active) as active_days,
        sum(orders) as orders,
        sum(order_categories) as order_categories,
        sum(pieces) as pieces,
        sum(cents) as cents,
        sum(purchase_lines) as purchase_lines,
        sum(return_lines) as return_lines
    from days
    group by user_id, potential_list

)

select potential_list, {metrics}
from totals
group by potential_list
order by potential_list
"""


class OutcomeCounter:
    """Collects the clean rows of the customers of an experiment from the parts of a day."""

    def __init__(self, config: DemoConfig, world: World, day: int, lists: DayLists) -> None:
        self._config, self._world, self._day, self._lists = config, world, day, lists
        self._is_participant = np.zeros(len(world.user_ids), np.bool_)
        self._is_participant[list(lists.experiments)] = True
        self._events: list[pa.Table] = []
        self._lines: list[pa.Table] = []

    def add(self, part: DayPart) -> None:
        """Add a part of the day's files."""
        self._add_events(part.organic.clicks, CLEAN_EVENT_KINDS, None)
        self._add_lines(part.organic.purchases, KNOWN_PURCHASE_KINDS, None)
        for name, reaction in part.reactions.items():
            self._add_events(reaction.impressions, (Dirt.NONE,), name)
            self._add_events(reaction.clicks, (Dirt.NONE,), name)
            self._add_lines(reaction.purchases, (Dirt.NONE,), name)

    def compute_outcomes(self) -> pa.Table:
        """Compute the outcomes: a row for each customer of an experiment, potential list and date."""
        participants = sorted(self._lists.experiments)
        tables = {
            "customers": pa.table(
                {
                    "user_index": pa.array(participants, pa.int32()),
                    "user_id": pa.array([self._world.user_ids[user] for user in participants], pa.string()),
                    "experiment": pa.array([self._lists.experiments[user][0] for user in participants], pa.string()),
                    "arm": pa.array([self._lists.experiments[user][1] for user in participants], pa.string()),
                }
            ),
            "potential_lists": pa.table({"potential_list": list(self._lists.potential)}),
            "events": pa.concat_tables(self._events),
            "lines": pa.concat_tables(self._lines),
        }
        with duckdb.connect() as connection:
            for name, table in tables.items():
                connection.register(name, table)
            parameters = {"delivery_day": self._day, "first_date": self._config.start_date}
            return connection.sql(_DAY_OUTCOMES, params=parameters).to_arrow_table()

    def _add_events(self, rows: Rows, kinds: Iterable[Dirt], list_name: str | None) -> None:
        rows = self._select(rows, kinds)
        has_impressions = rows.dtype == IMPRESSION_DTYPE
        is_click = rows["event"] == 1 if list_name and not has_impressions else np.zeros(len(rows), np.bool_)
        columns = {"is_impression": np.full(len(rows), has_impressions), "is_list_click": is_click}
        self._events.append(_make_table(rows, columns, list_name))

    def _add_lines(self, rows: Rows, kinds: Iterable[Dirt], list_name: str | None) -> None:
        rows = self._select(rows, kinds)
        columns = {name: rows[name].astype(np.int64) for name in ("session", "quantity", "cents")}
        columns["is_return"] = rows["dirt"] == Dirt.RETURNED
        categories = pa.array(self._world.categories).take(pa.array(np.ascontiguousarray(rows["product"])))
        self._lines.append(_make_table(rows, columns, list_name).append_column("category", categories))

    def _select(self, rows: Rows, kinds: Iterable[Dirt]) -> Rows:
        """Select the rows of customers of an experiment with these kinds of dirt."""
        is_selected = np.isin(rows["dirt"], list(kinds)) & self._is_participant[rows["user"]]
        return np.asarray(rows[is_selected])


def compute_true_metrics(
    truth: Path, experiment: str, first_date: date, end_date: date
) -> dict[str, dict[str, float | None]]:
    """Compute the metrics of an experiment's customers under each potential list, from the truth folder of a demo shop.

    A customer takes part from the first day with a list of the experiment. The keys are the potential lists, that is
    the arms and `none`, and then the metrics. A mean per order is None without orders.

    Args:
        truth: Folder of the ground truth.
        experiment: Name of the experiment.
        first_date: First day of the outcomes.
        end_date: First day after the outcomes.
    """
    paths = [
        str(path)
        for path in sorted(truth.glob(f"{FILE_PREFIX}*.parquet"))
        if first_date <= date.fromisoformat(path.stem.removeprefix(FILE_PREFIX)) < end_date
    ]
    if not paths:
        return {}
    metrics = ", ".join(f"({expression})::double as {name}" for name, expression in METRICS.items())
    with duckdb.connect() as connection:
        connection.read_parquet(paths).create_view("outcomes")
        rows = connection.execute(_TRUE_METRICS.format(metrics=metrics), {"experiment": experiment}).fetchall()
    return {name: dict(zip(METRICS, values, strict=True)) for name, *values in rows}


def _make_table(rows: Rows, columns: dict[str, np.ndarray], list_name: str | None) -> pa.Table:
    """Make a table of rows with their customer, their day and the name of the list that adds them, if any."""
    return pa.table(
        {
            "potential_list": pa.array([list_name] * len(rows), pa.string()),
            "user_index": pa.array(np.ascontiguousarray(rows["user"])),
            "day": pa.array(rows["time"] // DAY_MS),
            **{name: pa.array(np.ascontiguousarray(values)) for name, values in columns.items()},
        }
    )
