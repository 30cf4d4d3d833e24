"""Sections of the profile: for each one a title, the analyses it needs, and a function that describes their results."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from apps.profile.charts import (
    HEIGHT,
    ChartDrawer,
    compute_chart_height,
    make_bar_chart,
    make_column_chart,
    make_day_chart,
    make_heatmap,
    make_lorenz_chart,
)
from apps.profile.number_format import (
    describe_omissions,
    format_count_bin,
    format_days_bin,
    format_percent,
    format_period,
    format_price_bin,
    format_ratio,
)
from warehouse.formatting import format_count

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

FUNNEL_STEPS = {"view": "viewed", "click": "clicked", "add_to_cart": "added to the cart", "purchase": "bought"}

MAX_BARS = 12
"""Maximum number of reasons or columns in a chart."""

MAX_WEEKS = 26
"""Maximum number of cohorts, and of weeks after the first, in the retention chart."""


@dataclass(frozen=True)
class Finding:
    """The text, chart and table of a section."""

    sentence: str
    draw_chart: ChartDrawer | None = None
    """The function that draws the chart; None for a section without a chart."""

    alt_text: str = ""
    """Description of the chart for screen readers; the page appends the sentence."""

    height: float = HEIGHT
    """Height of the chart in inches."""

    table: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table above the chart."""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    title: str
    analyses: tuple[str, ...]
    """Names of the analyses whose results `build_finding` takes, in this order."""

    empty_message: str
    """Sentence when the first analysis has no rows."""

    build_finding: Callable[..., Finding]

    measure: str | None = None
    """The measure of `profile_histograms` that the section shows."""


def describe_row_status(rows: pd.DataFrame) -> Finding:
    """Describe the share of clean rows; chart the other rows by status."""
    total = rows.drop(columns="feed").sum()
    statuses = ("duplicates", "excluded", "quarantined", "rejected")
    return Finding(
        f"{format_ratio(total['clean'], total['lines'])} of {format_count(total['lines'], 'line')} in "
        f"{format_count(total['files'], 'file')} are clean; {total['duplicates']:,} are duplicates, "
        f"{total['excluded']:,} are excluded, {total['quarantined']:,} are quarantined and {total['rejected']:,} are "
        "rejected.",
        make_bar_chart(
            list(rows["feed"]),
            {status: list(rows[status] / rows["lines"].clip(lower=1)) for status in statuses},
            is_share=True,
            is_stacked=True,
        ),
        "Stacked bars: share of duplicate, excluded, quarantined and rejected lines by feed.",
        compute_chart_height(len(rows)),
        _to_records(rows[["feed", "lines", "clean", *statuses]]),
    )


def describe_quarantine_reasons(reasons: pd.DataFrame) -> Finding:
    """Describe the most frequent quarantine reason; chart the most frequent ones."""
    first, charted_reasons = _to_records(reasons)[0], reasons.head(MAX_BARS)
    return Finding(
        f"The most frequent of {format_count(len(reasons), 'reason')} is {first['reason']} in {first['feed']}, with "
        f"{format_count(first['rows'], 'row')}."
        f"{describe_omissions(len(charted_reasons), len(reasons), 'most frequent')}",
        make_bar_chart(
            list(charted_reasons["feed"] + ": " + charted_reasons["reason"]),
            {"rows": list(charted_reasons["rows"])},
            is_share=False,
        ),
        "Bars: quarantined rows by feed and reason.",
        compute_chart_height(len(charted_reasons)),
    )


def describe_missing_values(frame: pd.DataFrame) -> Finding:
    """Describe the columns with missing values, with a chart of the partly filled columns."""
    share = frame["missing_count"] / frame["row_count"]
    empty, partly_filled = frame[share == 1], frame.assign(share=share)[(share > 0) & (share < 1)]
    sentence = (
        f"Of {format_count(len(frame), 'column')}, {(share == 0).sum():,} are complete, and "
        f"{len(partly_filled):,} have missing values."
    )
    if len(empty):
        names = [f"{feed} ({', '.join(sorted(rows['column_name']))})" for feed, rows in empty.groupby("feed")]
        sentence += f" Columns without values: {'; '.join(names)}."
    if partly_filled.empty:
        return Finding(sentence)
    charted_columns = partly_filled.sort_values("share", ascending=False).head(MAX_BARS)
    return Finding(
        sentence + describe_omissions(len(charted_columns), len(partly_filled), "emptiest"),
        make_bar_chart(
            list(charted_columns["feed"] + ": " + charted_columns["column_name"]),
            {"": list(charted_columns["share"])},
            is_share=True,
        ),
        "Bars: share of rows with an empty or unreadable value, by column.",
        compute_chart_height(len(charted_columns)),
    )


def describe_daily_actions(frame: pd.DataFrame, windows: pd.DataFrame) -> Finding:
    """Describe the actions of a median and of the busiest day; chart all days with the evaluation windows."""
    by_day = frame.set_index(pd.DatetimeIndex(frame["day"]))[["events", "purchases"]].asfreq("D", fill_value=0)
    actions = by_day["events"] + by_day["purchases"]
    sentence = (
        f"The median of {format_count(len(actions), 'day')} has {format_count(actions.median(), 'action')}; "
        f"the busiest day, {actions.idxmax():%Y-%m-%d}, has {actions.max():,}."
    )
    if empty_day_count := (actions == 0).sum():
        sentence += f" {format_count(empty_day_count, 'day')} had no action."
    evaluation_windows = [(row["cutoff"], row["as_of"], row["window_end_at"]) for row in _to_records(windows)]
    for name, start, end in evaluation_windows:
        purpose = "tuned" if name == "validation" else "evaluated"
        sentence += f" Models are {purpose} on {format_period(start, end)}."
    columns = [column for column in by_day if by_day[column].any()]
    return Finding(
        sentence,
        make_day_chart(by_day[columns], [(f"{name} window", start, end) for name, start, end in evaluation_windows]),
        "Lines: events and purchases per day; the evaluation windows are shaded.",
    )


def describe_weekly_pattern(frame: pd.DataFrame) -> Finding:
    """Describe the busiest hour and day; chart the hours of the week."""
    grid = np.zeros((7, 24))
    grid[frame["weekday"].to_numpy(dtype=int), frame["hour_of_day"].to_numpy(dtype=int)] = frame["actions"]
    day, hour = np.unravel_index(int(grid.argmax()), grid.shape)
    busiest = int(grid.sum(axis=1).argmax())
    return Finding(
        f"The busiest hour is {WEEKDAYS[day]} from {hour}:00 UTC; {WEEKDAYS[busiest]} is the busiest day, with "
        f"{format_ratio(grid[busiest].sum(), grid.sum())} of all actions.",
        make_heatmap(grid, [str(hour) for hour in range(24)], [day[:3] for day in WEEKDAYS], "hour of the day, UTC"),
        "Heatmap of weekdays and hours: darker cells have more actions.",
    )


def describe_devices(frame: pd.DataFrame) -> Finding:
    """Describe the most frequent device; chart the shares of all devices."""
    total, known_devices = frame["events"].sum(), frame[frame["device"] != "unknown"]
    if known_devices.empty:
        return Finding(f"None of {format_count(total, 'event')} has a known device.")
    first = _to_records(known_devices)[0]
    return Finding(
        f"{format_ratio(first['events'], total)} of {format_count(total, 'event')} come from {first['device']}, by "
        f"{format_count(first['customers'], 'customer')}.",
        make_bar_chart(list(frame["device"]), {"events": list(frame["events"] / total)}, is_share=True),
        "Bars: share of events by device.",
        compute_chart_height(len(frame)),
    )


def describe_funnel(frame: pd.DataFrame) -> Finding:
    """Describe how many customers reach each step; chart the steps as shares of the first one."""
    steps = [{**row, "step": FUNNEL_STEPS[row["step"]]} for row in _to_records(frame)]
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        return Finding(
            "The feeds have only one type of action, so there is no funnel: "
            f"{format_count(first['customers'], 'customer')} {first['step']} products, "
            f"{format_count(first['pairs'], 'customer-product pair')} in total."
        )
    reached = ", ".join(f"{row['customers']:,} {row['step']}" for row in steps)
    return Finding(
        f"Customers by step: {reached}. Of 100 products that a customer {first['step']}, "
        f"{100 * last['pairs'] / first['pairs']:,.1f} were {last['step']}.",
        make_bar_chart(
            [row["step"] for row in steps],
            {
                "customers": [row["customers"] / first["customers"] for row in steps],
                "customer-product pairs": [row["pairs"] / first["pairs"] for row in steps],
            },
            is_share=True,
        ),
        "Bars: customers and customer-product pairs at each step, as a share of the first step.",
        compute_chart_height(len(steps) + 1),
    )


def describe_retention(frame: pd.DataFrame) -> Finding:
    """Describe the share of customers who return in the second week; chart the weekly cohorts."""
    table = frame.pivot_table(index="cohort_week", columns="weeks_later", values="customers", fill_value=0)
    active_counts = table.reindex(columns=range(int(frame["weeks_later"].max()) + 1), fill_value=0).to_numpy(
        dtype=float
    )
    if active_counts.shape[1] == 1:
        return Finding("No customer has acted in a later week than the first one yet.")
    starts = pd.DatetimeIndex(table.index)
    weeks = starts.to_numpy()[:, None] + np.arange(active_counts.shape[1]) * np.timedelta64(7, "D")
    last = weeks[active_counts > 0].max()
    has_second_week = weeks[:, 1] <= last
    starts, weeks, active_counts = starts[has_second_week], weeks[has_second_week], active_counts[has_second_week]
    # The last week may be incomplete, so it is used only if there is no other week.
    is_complete = weeks[:, 1] < last
    compared_cohorts = active_counts[is_complete] if is_complete.any() else active_counts
    retention = np.where(weeks > last, np.nan, active_counts / active_counts[:, :1])[-MAX_WEEKS:, 1 : MAX_WEEKS + 1]
    return Finding(
        f"{format_ratio(compared_cohorts[:, 1].sum(), compared_cohorts[:, 0].sum())} of customers returned in the "
        "week after their first week. The last cell of each row is the last week of the data, which may be incomplete."
        + describe_omissions(len(retention), len(active_counts), "newest weeks"),
        make_heatmap(
            retention,
            [str(week + 1) for week in range(retention.shape[1])],
            [f"{start:%d %b %y}" for start in starts[-MAX_WEEKS:]],
            "weeks after the first",
            is_share=True,
        ),
        "Heatmap of first weeks and later weeks: share of the customers of the first week who were active.",
        0.9 + 0.24 * max(5, min(10, len(retention))),
    )


def describe_customer_actions(frame: pd.DataFrame) -> Finding:
    """Describe the median and the maximum of actions per customer; chart the distribution."""
    return Finding(
        f"At least half of {format_count(frame['value_count'].sum(), 'customer')} took no more than "
        f"{format_count(_find_median_bin_maximum(frame), 'action')}; "
        f"the most active customer took {frame['max_value'].max():,.0f}.",
        _make_histogram(frame, format_count_bin, "actions", "customers"),
        "Columns: customers by number of actions, in doubling bins.",
    )


def describe_customer_recency(frame: pd.DataFrame) -> Finding:
    """Describe the shares of recent and inactive customers; chart the days since the last action."""
    customers = frame["value_count"].sum()
    bins = frame["bin_number"]
    recent, inactive = (frame.loc[mask, "value_count"].sum() for mask in (bins <= 2, bins >= 5))
    return Finding(
        f"{format_ratio(recent, customers)} of {format_count(customers, 'customer')} were active in the last eight "
        f"days of the data; {format_ratio(inactive, customers)} were inactive for 32 days or more.",
        _make_histogram(frame, format_days_bin, "days since the last action", "customers"),
        "Columns: customers by days since the last action, in doubling bins.",
    )


def describe_long_tail(frame: pd.DataFrame) -> Finding:
    """Describe how the actions concentrate on popular products; chart the Lorenz curve."""
    products = (frame["products"].cumsum() / frame["products"].sum()).to_numpy(dtype=float)
    actions = frame["cumulative_share"].to_numpy(dtype=float)
    top_fifth, half = int((products >= 0.2).argmax()), products[int((actions >= 0.5).argmax())]
    return Finding(
        f"The top {format_percent(products[top_fifth])} of the products get {format_percent(actions[top_fifth])} of "
        f"all actions, and the top {format_percent(half)} get half of them; "
        f"the Gini coefficient is {frame['gini'].iloc[0]:.2f}.",
        make_lorenz_chart([0, *products], [0, *actions], half),
        "Lorenz curve: cumulative share of actions by cumulative share of products.",
    )


def describe_product_reach(frame: pd.DataFrame) -> Finding:
    """Describe the median and the maximum of customers per product; chart the distribution."""
    without_customers = frame.loc[frame["bin_number"] < 0, "value_count"].sum()
    return Finding(
        f"At least half of {format_count(frame['value_count'].sum(), 'product')} have no more than "
        f"{format_count(_find_median_bin_maximum(frame), 'customer')}, and {without_customers:,} have none; "
        f"the most popular product has {frame['max_value'].max():,.0f}.",
        _make_histogram(frame, format_count_bin, "customers", "products"),
        "Columns: products by number of customers, in doubling bins.",
    )


def describe_categories(frame: pd.DataFrame) -> Finding:
    """Describe the category with the most actions; chart the shares of all categories."""
    categories = _to_records(frame[frame["category"] != "without a category"])
    if not categories:
        return Finding(f"None of {format_count(frame['products'].sum(), 'product')} has a category.")
    measures = ["products", "actions", "purchases"]
    totals = {name: frame[name].sum() for name in measures}
    # Without events, the actions are the purchases.
    charted_measures = [name for name in measures if totals[name] and (name != "actions" or frame["events"].any())]
    first = max(categories, key=lambda row: row["actions"])
    return Finding(
        f"{first['category']} has {format_ratio(first['actions'], totals['actions'])} of all actions with "
        f"{format_ratio(first['products'], totals['products'])} of the products; there are "
        f"{format_count(sum(row['categories'] for row in categories), 'category', 'categories')}.",
        make_bar_chart(
            list(frame["category"]),
            {name: list(frame[name] / totals[name]) for name in charted_measures},
            is_share=True,
        ),
        "Bars: share of products, actions and purchases by category.",
        0.75 + 0.38 * len(frame),
    )


def describe_prices(frame: pd.DataFrame) -> Finding:
    """Describe the range and the median of the prices; chart the distribution."""
    return Finding(
        f"The prices of {format_count(frame['value_count'].sum(), 'product')} range from "
        f"{frame['min_value'].min():,.2f} to {frame['max_value'].max():,.2f}; "
        f"at least half of them are no more than {_find_median_bin_maximum(frame):,.2f}.",
        _make_histogram(frame, format_price_bin, "price", "products"),
        "Columns: products by price, in doubling bins.",
    )


CHAPTERS: dict[str, list[Section]] = {
    "Data quality": [
        Section("Rows by status", ("profile_rows",), "No feed is declared yet.", describe_row_status),
        Section("Missing values", ("profile_missing_values",), "No rows are loaded yet.", describe_missing_values),
        Section("Quarantine", ("profile_quarantine_reasons",), "No row is quarantined.", describe_quarantine_reasons),
    ],
    "Activity over time": [
        Section(
            "Actions per day", ("profile_days", "profile_windows"), "There are no actions yet.", describe_daily_actions
        ),
        Section("Weekly pattern", ("profile_week",), "There are no actions yet.", describe_weekly_pattern),
        Section("Devices", ("profile_devices",), "There are no events, so no device is known.", describe_devices),
    ],
    "Customers": [
        Section("Purchase funnel", ("profile_funnel",), "No customer is known.", describe_funnel),
        Section("Retention", ("profile_cohorts",), "No customer is known.", describe_retention),
        Section(
            "Actions per customer",
            ("profile_histograms",),
            "No customer is known.",
            describe_customer_actions,
            measure="customer_actions",
        ),
        Section(
            "Recency",
            ("profile_histograms",),
            "No customer is known.",
            describe_customer_recency,
            measure="customer_recency_days",
        ),
    ],
    "Products": [
        Section("Long tail", ("profile_long_tail",), "No product has an action yet.", describe_long_tail),
        Section(
            "Customers per product",
            ("profile_histograms",),
            "There are no products.",
            describe_product_reach,
            measure="product_customers",
        ),
        Section("Categories", ("profile_categories",), "There are no products.", describe_categories),
        Section("Prices", ("profile_histograms",), "No product has a price.", describe_prices, measure="product_price"),
    ],
}
"""The chapters of the page and their sections, in order."""


def _make_histogram(frame: pd.DataFrame, format_bin: Callable[[int], str], xlabel: str, ylabel: str) -> ChartDrawer:
    """Return a column chart of all bins from the lowest to the highest, including empty ones."""
    numbers = range(int(frame["bin_number"].min()), int(frame["bin_number"].max()) + 1)
    values = frame.set_index("bin_number")["value_count"].reindex(numbers, fill_value=0)
    return make_column_chart([format_bin(number) for number in numbers], list(values), xlabel, ylabel)


def _find_median_bin_maximum(frame: pd.DataFrame) -> float:
    """Return the highest value of the bin at which the cumulative count reaches half of the total."""
    is_half_reached = frame["value_count"].cumsum() >= frame["value_count"].sum() / 2
    return float(frame["max_value"].iloc[int(is_half_reached.to_numpy().argmax())])


def _to_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
