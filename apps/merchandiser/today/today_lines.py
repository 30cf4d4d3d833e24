"""The lines of the start page: each a sentence about the state of the shop, with a link to its details."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

import pandas as pd

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.products.exposure_view import make_list_params
from apps.merchandiser.quality.metric_tables import label_method
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.publishing.published_rules import read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.publishing.today_queries import (
    compare_with_earlier_model,
    count_customers_with_list,
    count_product_problems,
    get_deliveries,
)
from warehouse.rules.rule_overview import summarize_awaited, summarize_rules
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

COMPARED_DAYS = 7


class TodayLine(NamedTuple):
    """A line of the page: a text without Markdown, and the page with its details."""

    text: str
    page: str
    link: str
    level: str = "good"
    """good, note or bad."""
    query_params: Mapping[str, str] = {}


class TodayState(NamedTuple):
    """What the lines are about."""

    copy: ServingCopy
    settings: Settings
    now: datetime


def describe_data_age(state: TodayState) -> TodayLine:
    """Return until when the shop's data are; bad when they are older than the setting allows."""
    data_until = state.copy.published.newest_row_at
    if data_until is None:
        return TodayLine("The data have no time, so their age is unknown.", "quality", "Data quality", "bad")
    data_until = data_until.replace(tzinfo=data_until.tzinfo or UTC)
    age = state.now - data_until
    is_old = age > timedelta(days=state.settings.app_max_data_age_days)
    text = f"Data until {data_until:%d %b %Y, %H:%M} UTC, {_format_age(age)}."
    if is_old:
        text += f" They are older than {format_count(state.settings.app_max_data_age_days, 'day')}: lists are outdated."
    return TodayLine(text, "quality", "Data quality", "bad" if is_old else "good")


def describe_deliveries(state: TodayState) -> TodayLine | None:
    """Return what arrived yesterday, and the newest delivery if nothing did."""
    yesterday = (state.now - timedelta(days=1)).date()
    deliveries = query_once(get_deliveries, state.copy, yesterday)
    if deliveries is None:
        return None
    if deliveries.files:
        text = (
            f"Yesterday ({yesterday:%d %b}): {format_count(deliveries.files, 'file')} with "
            f"{format_count(deliveries.lines, 'line')} arrived."
        )
        level = "good"
    else:
        newest = f"the newest is of {deliveries.newest_day:%d %b %Y}" if deliveries.newest_day else "there is none"
        text, level = f"No delivery of yesterday ({yesterday:%d %b}): {newest}.", "bad"
    if deliveries.warnings:
        level = "bad" if level == "bad" else "note"
        text += (
            f" {format_count(len(deliveries.warnings), 'warning')} in the last days, such as {deliveries.warnings[0]}."
        )
    return TodayLine(text, "quality", "Data quality", level)


def describe_live_lists(state: TodayState) -> TodayLine:
    """Return since when the lists are live, and for how many customers."""
    published = state.copy.published
    customers = query_once(count_customers_with_list, state.copy)
    text = (
        f"Lists live since {published.published_at:%d %b %Y, %H:%M} UTC, for {format_count(customers, 'customer')} of "
        f"{published.rows.get('dim_users', 0):,}."
    )
    return TodayLine(text, "customers", "Customers", "good" if customers else "bad")


def describe_model(state: TodayState) -> TodayLine:
    """Return in one sentence whether the model is better than last week."""
    comparison = query_once(compare_with_earlier_model, state.copy, _get_compared_time(state.now))
    if comparison is None:
        return TodayLine(state.copy.explain_missing_metrics(), "quality", "Quality", "note")
    current, earlier = comparison
    baseline = label_method(str(current["best_baseline"]))
    lead = f"its lead over the best simple method ({baseline}) is {_format_lead(current)}"
    is_behind = current["ndcg_difference_upper_bound"] < 0
    if earlier is None:
        text = f"No earlier model to compare with: {lead}."
    elif earlier["run_id"] == current["run_id"]:
        text = f"The same model as last week: {lead}."
    else:
        since = (
            "last week" if _served_a_week_ago(earlier, state.now) else f"on {earlier['serving_started_at']:%d %b %Y}"
        )
        relation = _compare_leads(current, earlier)
        is_behind = is_behind or relation == "worse than"
        text = f"The model is {relation} {since}: {lead}, before {earlier['ndcg_difference']:+.3f}."
    return TodayLine(text, "quality", "Quality", "note" if is_behind or earlier is None else "good")


def describe_prices(state: TodayState) -> TodayLine:
    """Return how many available products have no usable price."""
    counts = query_once(count_product_problems, state.copy)
    problems = [
        format_count(count, f"product {problem}", f"products {problem}")
        for count, problem in ((counts.zero_prices, "with the price 0"), (counts.missing_prices, "without a price"))
        if count
    ]
    if not problems:
        return TodayLine(f"All {counts.products:,} available products have a price above 0.", "products", "Products")
    text = f"{' and '.join(problems)} can be recommended."
    return TodayLine(text, "products", "Products", "bad", make_list_params("Without a price"))


def describe_stale_products(state: TodayState) -> TodayLine | None:
    """Return how many products are stale: without actions for long, or missing in the newest catalogs."""
    counts = query_once(count_product_problems, state.copy)
    if counts.stale is None or counts.stale_in_lists is None:
        return None
    if not counts.stale:
        return TodayLine(
            "No product is stale: all have actions, and the newest catalogs have them.", "products", "Products"
        )
    text = (
        f"{format_count(counts.stale, 'product is', 'products are')} stale: without actions for long, or missing in "
        f"the newest catalogs. {format_count(counts.stale_in_lists, 'of them is', 'of them are')} in lists."
    )
    level = "note" if counts.stale_in_lists else "good"
    return TodayLine(text, "products", "Products", level, make_list_params("Stale"))


def describe_rules(state: TodayState) -> TodayLine:
    """Return the states of the merchandising rules, which start or end next, and which wait for the next lists."""
    store, today = RuleStore(state.settings), state.now.date()
    applied_changes = query_once(read_applied_changes, state.copy)
    try:
        text = summarize_rules(list(store.read_rules().values()), applied_changes, today)
        awaited = summarize_awaited(store.read_all_rules(), applied_changes, today)
    except RecomartError as error:
        return TodayLine(str(error), "rules", "Rules", "bad")
    text = text or "There are no merchandising rules."
    return TodayLine(f"{text} {awaited}" if awaited else text, "rules", "Rules", "note" if awaited else "good")


def describe_experiments(state: TodayState) -> TodayLine:
    """Return the running experiment."""
    arms = state.copy.get_experiment_arms()
    if not arms:
        return TodayLine("No experiment is running.", "effect", "Effect")
    names = sorted({arm.experiment for arm in arms})
    return TodayLine(
        f"Running: experiment {', '.join(names)} with {format_count(len(arms), 'arm')}.", "effect", "Effect"
    )


LINES: tuple[Callable[[TodayState], TodayLine | None], ...] = (
    describe_data_age,
    describe_deliveries,
    describe_live_lists,
    describe_model,
    describe_prices,
    describe_stale_products,
    describe_rules,
    describe_experiments,
)
"""The lines in their order; a function that returns None has no line."""


def _format_age(age: timedelta) -> str:
    if age < timedelta(hours=1):
        return "less than an hour ago"
    return (
        f"{format_count(age // timedelta(hours=1), 'hour')} ago"
        if age < timedelta(days=2)
        else f"{age.days:,} days ago"
    )


def _format_lead(run: Mapping[str, Any]) -> str:
    lower, upper = run["ndcg_difference_lower_bound"], run["ndcg_difference_upper_bound"]
    return f"{run['ndcg_difference']:+.3f} (likely {lower:+.3f} to {upper:+.3f})"


def _compare_leads(current: Mapping[str, Any], earlier: Mapping[str, Any]) -> str:
    """Return how the lead of a model compares with an earlier one, by the interval of the present lead."""
    if earlier["ndcg_difference"] < current["ndcg_difference_lower_bound"]:
        return "better than"
    return "worse than" if earlier["ndcg_difference"] > current["ndcg_difference_upper_bound"] else "about the same as"


def _served_a_week_ago(run: Mapping[str, Any], now: datetime) -> bool:
    return bool(run["serving_started_at"] <= pd.Timestamp(_get_compared_time(now)))


def _get_compared_time(now: datetime) -> datetime:
    """Return the end of the day a week ago; the same for a whole day, so that a query answers once a day."""
    return datetime.combine(now.date() - timedelta(days=COMPARED_DAYS - 1), time.min)
