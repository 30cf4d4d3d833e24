"""What the profile shows: for each section a title, the analyses it asks, and what to say and draw of their answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from apps.profile.charts import (
    HEIGHT,
    Draw,
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
    format_quantity,
    format_ratio,
)

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

FUNNEL_STEPS = {"view": "viewed", "click": "clicked", "add_to_cart": "put in the cart", "purchase": "bought"}

MAX_BARS = 12
"""Reasons and columns that are drawn; the table of the analysis has all."""

MAX_WEEKS = 26
"""Newest cohorts, and weeks after the first, that are drawn."""


@dataclass(frozen=True)
class Finding:
    """What a section has to say."""

    sentence: str
    draw: Draw | None = None
    """None where the sentence says all."""

    alt: str = ""
    """What kind of picture it is, for whoever cannot see it; the sentence follows."""

    height: float = HEIGHT

    table: list[dict[str, Any]] = field(default_factory=list)
    """Rows to stand above the picture."""


@dataclass(frozen=True)
class Section:
    """A question, and how its answer is shown."""

    title: str
    analyses: tuple[str, ...]
    """Names of the analyses whose answers `find` takes, in this order."""

    empty_message: str
    """What to say when the first of them has no rows."""

    build_finding: Callable[..., Finding]


def describe_row_status(rows: pd.DataFrame) -> Finding:
    """Say what share of the lines is in use, and draw what was set aside."""
    total = rows.drop(columns="feed").sum()
    shown = rows.rename(columns={"duplicates": "repeats", "rejected": "not parsed"})
    parts = ("repeats", "quarantined", "not parsed")
    return Finding(
        f"{format_ratio(total['clean'], total['lines'])} of {format_quantity(total['lines'], 'line')} in "
        f"{format_quantity(total['files'], 'file')} are "
        f"in use; {total['duplicates']:,} repeat an earlier line, {total['quarantined']:,} are in quarantine and "
        f"{total['rejected']:,} could not be parsed.",
        make_bar_chart(
            list(rows["feed"]),
            {part: list(shown[part] / shown["lines"].clip(lower=1)) for part in parts},
            is_share=True,
            is_stacked=True,
        ),
        "Stacked bars: for each feed, the share of its lines that was set aside, and how.",
        compute_chart_height(len(rows)),
        _to_rows(shown[["feed", "lines", "clean", "repeats", "quarantined", "not parsed"]]),
    )


def describe_quarantine_reasons(reasons: pd.DataFrame) -> Finding:
    """Say which reason is the most frequent, and draw the most frequent ones."""
    first, shown = _to_rows(reasons)[0], reasons.head(MAX_BARS)
    return Finding(
        f"The most frequent of {format_quantity(len(reasons), 'reason')} is {first['reason']} in {first['feed']}, with "
        f"{format_quantity(first['rows'], 'row')}.{describe_omissions(len(shown), len(reasons), 'most frequent')}",
        make_bar_chart(list(shown["feed"] + ": " + shown["reason"]), {"rows": list(shown["rows"])}, is_share=False),
        "Bars: quarantined rows by feed and reason.",
        compute_chart_height(len(shown)),
    )


def describe_missing_values(frame: pd.DataFrame) -> Finding:
    """Say which columns are never filled, and draw those that are now and then."""
    share = frame["missing"] / frame["rows"]
    never, partly = frame[share == 1], frame.assign(share=share)[(share > 0) & (share < 1)]
    sentence = (
        f"Of {format_quantity(len(frame), 'column')}, {(share == 0).sum():,} are always filled, and there are gaps in "
        f"{len(partly):,}."
    )
    if len(never):
        names = [f"{feed} ({', '.join(sorted(rows['column_name']))})" for feed, rows in never.groupby("feed")]
        sentence += f" Never filled: {'; '.join(names)}."
    if partly.empty:
        return Finding(sentence)
    shown = partly.sort_values("share", ascending=False).head(MAX_BARS)
    return Finding(
        sentence + describe_omissions(len(shown), len(partly), "emptiest"),
        make_bar_chart(list(shown["feed"] + ": " + shown["column_name"]), {"": list(shown["share"])}, is_share=True),
        "Bars: share of rows in which a column is empty or unreadable.",
        compute_chart_height(len(shown)),
    )


def describe_daily_actions(frame: pd.DataFrame, windows: pd.DataFrame) -> Finding:
    """Say what a day usually brings, and draw every day with the evaluation windows."""
    by_day = frame.set_index(pd.DatetimeIndex(frame["day"]))[["events", "purchases"]].asfreq("D", fill_value=0)
    actions = by_day["events"] + by_day["purchases"]
    sentence = (
        f"The median of {format_quantity(len(actions), 'day')} has {format_quantity(actions.median(), 'action')}; the busiest, "
        f"{actions.idxmax():%Y-%m-%d}, has {actions.max():,}."
    )
    if quiet := (actions == 0).sum():
        sentence += f" {format_quantity(quiet, 'day')} had none."
    spans = [(row["cutoff"], row["as_of"], row["window_end_at"]) for row in _to_rows(windows)]
    for name, start, end in spans:
        use = "tuned" if name == "validation" else "measured"
        sentence += f" Models are {use} on {format_period(start, end)}."
    drawn = [column for column in by_day if by_day[column].any()]
    return Finding(
        sentence,
        make_day_chart(by_day[drawn], [(f"{name} window", start, end) for name, start, end in spans]),
        "Lines: events and purchases of each day, the windows shaded.",
    )


def describe_weekly_pattern(frame: pd.DataFrame) -> Finding:
    """Say which hour is the busiest, and draw the week."""
    grid = np.zeros((7, 24))
    grid[frame["weekday"].to_numpy(dtype=int), frame["hour_of_day"].to_numpy(dtype=int)] = frame["actions"]
    day, hour = np.unravel_index(int(grid.argmax()), grid.shape)
    busiest = int(grid.sum(axis=1).argmax())
    return Finding(
        f"The busiest hour is {WEEKDAYS[day]} from {hour}:00 UTC; {WEEKDAYS[busiest]} is the busiest day, with "
        f"{format_ratio(grid[busiest].sum(), grid.sum())} of all actions.",
        make_heatmap(grid, [str(hour) for hour in range(24)], [day[:3] for day in WEEKDAYS], "hour of the day, UTC"),
        "Grid of weekdays and hours: the darker, the more actions.",
    )


def describe_devices(frame: pd.DataFrame) -> Finding:
    """Say which device leads, and draw the shares."""
    total, known = frame["events"].sum(), frame[frame["device"] != "unknown"]
    if known.empty:
        return Finding(f"None of {format_quantity(total, 'event')} names a device that is recognized.")
    first = _to_rows(known)[0]
    return Finding(
        f"{format_ratio(first['events'], total)} of {format_quantity(total, 'event')} come from {first['device']}, by "
        f"{format_quantity(first['customers'], 'customer')}.",
        make_bar_chart(list(frame["device"]), {"events": list(frame["events"] / total)}, is_share=True),
        "Bars: share of events by device.",
        compute_chart_height(len(frame)),
    )


def describe_funnel(frame: pd.DataFrame) -> Finding:
    """Say how many customers got how far, and draw the steps as shares of the first."""
    steps = [{**row, "step": FUNNEL_STEPS[row["step"]]} for row in _to_rows(frame)]
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        return Finding(
            f"The feeds tell of one kind of action alone, so there are no steps to compare: "
            f"{format_quantity(first['customers'], 'customer')} {first['step']} something, {format_quantity(first['pairs'], 'pair')} of "
            "customer and product in all."
        )
    reached = ", ".join(f"{row['customers']:,} {row['step']}" for row in steps)
    return Finding(
        f"Customers who did at least once: {reached}. For 100 products that a customer {first['step']}, "
        f"{100 * last['pairs'] / first['pairs']:,.1f} were {last['step']}.",
        make_bar_chart(
            [row["step"] for row in steps],
            {
                "customers": [row["customers"] / first["customers"] for row in steps],
                "pairs with a product": [row["pairs"] / first["pairs"] for row in steps],
            },
            is_share=True,
        ),
        "Bars: customers, and pairs of customer and product, at each step, as a share of the first step.",
        compute_chart_height(len(steps) + 1),
    )


def describe_retention(frame: pd.DataFrame) -> Finding:
    """Say how many come back the week after their first, and draw every cohort."""
    table = frame.pivot_table(index="cohort_week", columns="weeks_later", values="customers", fill_value=0)
    active = table.reindex(columns=range(int(frame["weeks_later"].max()) + 1), fill_value=0).to_numpy(dtype=float)
    if active.shape[1] == 1:
        return Finding("Nobody has acted in a later week than that of their first action yet.")
    starts = pd.DatetimeIndex(table.index)
    weeks = starts.to_numpy()[:, None] + np.arange(active.shape[1]) * np.timedelta64(7, "D")
    last = weeks[active > 0].max()
    followed = weeks[:, 1] <= last
    starts, weeks, active = starts[followed], weeks[followed], active[followed]
    # The week in which the data end need not be over: it is compared with only where there is no other.
    over = weeks[:, 1] < last
    compared = active[over] if over.any() else active
    shown = np.where(weeks > last, np.nan, active / active[:, :1])[-MAX_WEEKS:, 1 : MAX_WEEKS + 1]
    return Finding(
        f"{format_ratio(compared[:, 1].sum(), compared[:, 0].sum())} of customers came back in the "
        "week after their first. Each row's last cell is the week in which the data end, which need not be over."
        + describe_omissions(len(shown), len(active), "newest weeks"),
        make_heatmap(
            shown,
            [str(week + 1) for week in range(shown.shape[1])],
            [f"{start:%d %b %y}" for start in starts[-MAX_WEEKS:]],
            "weeks after the first",
            is_share=True,
        ),
        "Grid of first weeks and weeks after: the share of the first week's customers who were active.",
        0.9 + 0.24 * max(5, min(10, len(shown))),
    )


def describe_customer_actions(frame: pd.DataFrame) -> Finding:
    """Say where half of the customers lie, and draw the distribution."""
    half = _find_median_bin(frame, "customers")["max_actions"]
    return Finding(
        f"At least half of {format_quantity(frame['customers'].sum(), 'customer')} took no more than {format_quantity(half, 'action')}; "
        f"the busiest took {frame['max_actions'].max():,}.",
        _make_histogram(frame, "customers", format_count_bin, "actions"),
        "Columns: customers by their number of actions, in steps that double.",
    )


def describe_customer_recency(frame: pd.DataFrame) -> Finding:
    """Say how many were here lately, and draw the distribution."""
    customers = frame["customers"].sum()
    lately, long_ago = (frame.loc[which, "customers"].sum() for which in (frame["step"] <= 2, frame["step"] >= 5))
    return Finding(
        f"{format_ratio(lately, customers)} of {format_quantity(customers, 'customer')} were here in the last eight days of "
        f"the data; {format_ratio(long_ago, customers)} have not been for 32 days or more.",
        _make_histogram(frame, "customers", format_days_bin, "days since the last action"),
        "Columns: customers by days since their last action, in steps that double.",
    )


def describe_long_tail(frame: pd.DataFrame) -> Finding:
    """Say what the top of the products gets, and draw the Lorenz curve."""
    products = (frame["products"].cumsum() / frame["products"].sum()).to_numpy(dtype=float)
    actions = frame["cumulative_share"].to_numpy(dtype=float)
    fifth, half = int((products >= 0.2).argmax()), products[int((actions >= 0.5).argmax())]
    return Finding(
        f"{format_percent(products[fifth])} of the products get {format_percent(actions[fifth])} of all actions, and "
        f"half of the actions fall on {format_percent(half)} of them; the Gini coefficient is {frame['gini'].iloc[0]:.2f}.",
        make_lorenz_chart([0, *products], [0, *actions], half),
        "Lorenz curve: cumulative share of actions over that of products.",
    )


def describe_product_reach(frame: pd.DataFrame) -> Finding:
    """Say where half of the products lie, and draw the distribution."""
    half = _find_median_bin(frame, "products")["max_customers"]
    nobody = frame.loc[frame["step"] < 0, "products"].sum()
    return Finding(
        f"At least half of {format_quantity(frame['products'].sum(), 'product')} reached no more than {format_quantity(half, 'customer')}, "
        f"and {nobody:,} reached nobody; the best known reached {frame['max_customers'].max():,}.",
        _make_histogram(frame, "products", format_count_bin, "customers"),
        "Columns: products by the number of customers who had to do with them, in steps that double.",
    )


def describe_categories(frame: pd.DataFrame) -> Finding:
    """Say which category draws most attention, and draw each one's shares."""
    named = _to_rows(frame[frame["category"] != "without a category"])
    if not named:
        return Finding(f"None of {format_quantity(frame['products'].sum(), 'product')} has a category.")
    parts = ["products", "actions", "purchases"]
    totals = {name: frame[name].sum() for name in parts}
    # Where purchases are all that is known, they are the actions.
    drawn = [name for name in parts if totals[name] and (name != "actions" or frame["events"].any())]
    first = max(named, key=lambda row: row["actions"])
    return Finding(
        f"{first['category']} draws {format_ratio(first['actions'], totals['actions'])} of all actions with "
        f"{format_ratio(first['products'], totals['products'])} of the products; there are "
        f"{format_quantity(sum(row['categories'] for row in named), 'category', 'categories')}.",
        make_bar_chart(
            list(frame["category"]), {name: list(frame[name] / totals[name]) for name in drawn}, is_share=True
        ),
        "Bars: each category's share of products, actions and purchases.",
        0.75 + 0.38 * len(frame),
    )


def describe_prices(frame: pd.DataFrame) -> Finding:
    """Say where half of the prices lie, and draw the distribution."""
    return Finding(
        f"{format_quantity(frame['products'].sum(), 'product')} with a price cost {frame['lowest_price'].min():,.2f} to "
        f"{frame['highest_price'].max():,.2f}, at least half of them no more than "
        f"{_find_median_bin(frame, 'products')['highest_price']:,.2f}.",
        _make_histogram(frame, "products", format_price_bin, "price"),
        "Columns: products by price, in steps that double.",
    )


CHAPTERS: dict[str, list[Section]] = {
    "What arrived": [
        Section("Rows set aside", ("profile_rows",), "No feed is declared yet.", describe_row_status),
        Section("Missing values", ("profile_missing_values",), "No rows are loaded yet.", describe_missing_values),
        Section("Quarantine", ("profile_quarantine_reasons",), "No row is in quarantine.", describe_quarantine_reasons),
    ],
    "When": [
        Section("Every day", ("profile_days", "profile_windows"), "There are no actions yet.", describe_daily_actions),
        Section("The week", ("profile_week",), "There are no actions yet.", describe_weekly_pattern),
        Section("Devices", ("profile_devices",), "There are no events, so no device is known.", describe_devices),
    ],
    "Customers": [
        Section("From looking to buying", ("profile_funnel",), "No customer is known.", describe_funnel),
        Section("Who comes back", ("profile_cohorts",), "No customer is known.", describe_retention),
        Section("How much they do", ("profile_customer_actions",), "No customer is known.", describe_customer_actions),
        Section("Who is still here", ("profile_customer_recency",), "No customer is known.", describe_customer_recency),
    ],
    "Products": [
        Section("The long tail", ("profile_long_tail",), "No product has an action yet.", describe_long_tail),
        Section("Reach", ("profile_product_customers",), "There are no products.", describe_product_reach),
        Section("Categories", ("profile_categories",), "There are no products.", describe_categories),
        Section("Prices", ("profile_product_prices",), "No product has a price.", describe_prices),
    ],
}
"""The page, from top to bottom."""


def _make_histogram(frame: pd.DataFrame, count_column: str, format_bin: Callable[[int], str], xlabel: str) -> Draw:
    """Draw the counts of every step from the lowest to the highest, those without a row included."""
    numbers = range(int(frame["step"].min()), int(frame["step"].max()) + 1)
    values = frame.set_index("step")[count_column].reindex(numbers, fill_value=0)
    return make_column_chart([format_bin(number) for number in numbers], list(values), xlabel, count_column)


def _find_median_bin(frame: pd.DataFrame, count_column: str) -> dict[str, Any]:
    """The step that brings the count, from the lowest step up, to half of all."""
    reached = frame[count_column].cumsum() >= frame[count_column].sum() / 2
    return _to_rows(frame)[int(reached.to_numpy().argmax())]


def _to_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
