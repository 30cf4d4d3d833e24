"""Plain answers of the quality page: is anything unusual, are the data clean, is the model good, who gets lists."""

from datetime import UTC, datetime

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.quality.trends import DRIFT_SUBJECTS
from apps.merchandiser.table_columns import format_share
from apps.merchandiser.today.today_lines import (
    TodayLine,
    TodayState,
    describe_data_age,
    describe_deliveries,
    describe_model,
)
from warehouse.formatting import format_count
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

MAX_NAMED_CHECKS = 5


def show_answers(copy: ServingCopy) -> None:
    """Show a question and its answer for each subject; the other tabs have the figures behind them."""
    state = TodayState(copy, Settings(), datetime.now(UTC))
    model_line = describe_model(state)
    for question, line in (
        ("Anything unusual this week?", describe_drift(copy)),
        ("Are the data fresh?", describe_data_age(state)),
        ("Did everything arrive?", describe_deliveries(state)),
        ("Are the data clean?", describe_clean_rows(copy)),
        ("Is the model better than last week?", model_line),
        ("Do the lists show the catalog?", describe_coverage(copy)),
    ):
        if line is not None:
            show_answer(question, line)


def show_answer(question: str, line: TodayLine) -> None:
    """Show a question with its answer, in the color of its level."""
    show_box = {"good": st.success, "note": st.warning, "bad": st.error}[line.level]
    show_box(escape_markdown(line.text), title=question)


def describe_drift(copy: ServingCopy) -> TodayLine:
    """Return which distributions of the week are unusual."""
    drift = query_once(ServingCopy.get_drift, copy)
    if drift.empty:
        return TodayLine("Not known yet: there is not enough history for a comparison.", "quality", "Data", "note")
    unusual = drift[drift["drift_level"] != "stable"]
    if unusual.empty:
        newest_row_at = copy.published.newest_row_at
        week = f", of the week until {newest_row_at:%d %b %Y}," if newest_row_at is not None else ""
        return TodayLine(f"No: all {len(drift)} checks{week} are normal.", "quality", "Data")
    names = [DRIFT_SUBJECTS.get(name, name) for name in unusual["name"].head(MAX_NAMED_CHECKS)]
    more = " and others" if len(unusual) > MAX_NAMED_CHECKS else ""
    verb = "check is" if len(unusual) == 1 else "checks are"
    return TodayLine(
        f"Yes: {len(unusual)} of {len(drift)} {verb} unusual: {', '.join(names)}{more}. The tab Data has the shifts.",
        "quality",
        "Data",
        "bad" if (unusual["drift_level"] == "significant").any() else "note",
    )


def describe_clean_rows(copy: ServingCopy) -> TodayLine | None:
    """Return the share of the lines that became clean rows."""
    feeds = query_once(ServingCopy.get_feed_accounting, copy)
    lines, clean = int(feeds["lines"].sum()), int(feeds["clean"].sum())
    if not lines:
        return None
    rejected_files = int(feeds["rejected_files"].sum())
    text = f"{format_share(clean / lines)} of {format_count(lines, 'line')} are clean."
    if rejected_files:
        text += f" {format_count(rejected_files, 'file was', 'files were')} rejected."
    return TodayLine(text, "quality", "Data", "note" if rejected_files else "good")


def describe_coverage(copy: ServingCopy) -> TodayLine | None:
    """Return the share of the recommendable products that are in a list."""
    coverage = query_once(ServingCopy.get_coverage, copy)
    overall = coverage[coverage["segment"] == "all"]
    if overall.empty:
        return None
    total = overall.iloc[0]
    return TodayLine(
        f"{total.recommended_product_count:,} of the {total.recommendable_product_count:,} recommendable products are "
        "in at least one customer's recommendations.",
        "quality",
        "Lists",
    )
