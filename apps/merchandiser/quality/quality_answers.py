"""Plain answers of the quality page: is anything unusual, are the data clean, is the model good, who gets lists."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

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
    describe_experiments,
    describe_live_lists,
    describe_model,
    describe_prices,
    describe_rules,
    describe_stale_products,
)
from warehouse.formatting import format_count
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

MAX_NAMED_CHECKS = 5
UNKNOWN_DRIFT = TodayLine(
    "Distributions of the week: not known yet, there is not enough history for a comparison.", "quality", "Data", "note"
)


class TodaySubject(NamedTuple):
    """What a line of the page Today answers on this page."""

    question: str
    subject: str
    """Name of the subject in the first answer."""

    is_always_shown: bool = False
    """Whether the answer is shown also when it is not red."""


TODAY_SUBJECTS = {
    describe_data_age: TodaySubject("Are the data fresh?", "the age of the data", is_always_shown=True),
    describe_deliveries: TodaySubject("Did everything arrive?", "yesterday's delivery", is_always_shown=True),
    describe_model: TodaySubject("Is the model better than last week?", "the model", is_always_shown=True),
    describe_live_lists: TodaySubject("Do customers have lists?", "the lists"),
    describe_prices: TodaySubject("Do all available products have a price?", "the prices"),
    describe_stale_products: TodaySubject("Are products stale?", "stale products"),
    describe_rules: TodaySubject("Can the rules be read?", "the rules"),
    describe_experiments: TodaySubject("Does an experiment run?", "the experiment"),
}
"""The lines of the page Today in the order of the answers, so that both pages agree on what is wrong."""


def show_answers(copy: ServingCopy) -> None:
    """Show a question and its answer for each subject; the other tabs have the figures behind them."""
    state = TodayState(copy, Settings(), datetime.now(UTC))
    today_lines = {describe: describe(state) for describe in TODAY_SUBJECTS}
    red_subjects = [
        TODAY_SUBJECTS[describe].subject for describe, line in today_lines.items() if line and line.level == "bad"
    ]
    show_answer("Anything unusual this week?", describe_unusual(describe_drift(copy), red_subjects))
    for describe, line in today_lines.items():
        if line is not None and (line.level == "bad" or TODAY_SUBJECTS[describe].is_always_shown):
            show_answer(TODAY_SUBJECTS[describe].question, line)
    for question, line in (
        ("Are the data clean?", describe_clean_rows(copy)),
        ("Do the lists show the catalog?", describe_coverage(copy)),
    ):
        if line is not None:
            show_answer(question, line)


def show_answer(question: str, line: TodayLine) -> None:
    """Show a question with its answer, in the color of its level."""
    show_box = {"good": st.success, "note": st.warning, "bad": st.error}[line.level]
    show_box(escape_markdown(line.text), title=question)


def describe_unusual(drift: TodayLine, red_subjects: Sequence[str]) -> TodayLine:
    """Return whether anything is unusual: the red lines of the page Today, and the distributions of the week."""
    if red_subjects:
        *first_subjects, last_subject = red_subjects
        subjects = f"{', '.join(first_subjects)} and {last_subject}" if first_subjects else last_subject
        text = f"Yes: {subjects}. The red answers below say why, as the page Today does. {drift.text}"
        return drift._replace(text=text, level="bad")
    if drift == UNKNOWN_DRIFT:
        return drift
    return drift._replace(text=f"{'No' if drift.level == 'good' else 'Yes'}. {drift.text}")


def describe_drift(copy: ServingCopy) -> TodayLine:
    """Return which distributions of the week are unusual."""
    drift = query_once(ServingCopy.get_drift, copy)
    if drift.empty:
        return UNKNOWN_DRIFT
    unusual = drift[drift["drift_level"] != "stable"]
    newest_row_at = copy.published.newest_row_at
    week = f" of the week until {newest_row_at:%d %b %Y}" if newest_row_at is not None else ""
    checks = format_count(len(drift), "check")
    if unusual.empty:
        return TodayLine(f"Distributions{week}: {checks}, all normal.", "quality", "Data")
    names = [DRIFT_SUBJECTS.get(name, name) for name in unusual["name"].head(MAX_NAMED_CHECKS)]
    more = " and others" if len(unusual) > MAX_NAMED_CHECKS else ""
    return TodayLine(
        f"Distributions{week}: {checks}, {len(unusual)} unusual: {', '.join(names)}{more}. "
        "The tab Data has the shifts.",
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
