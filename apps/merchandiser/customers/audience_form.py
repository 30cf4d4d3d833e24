"""The form of an audience's conditions."""

from collections.abc import Mapping

import streamlit as st
from pydantic import ValidationError

from apps.merchandiser.amounts import parse_amount
from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown
from warehouse.audiences import Audience
from warehouse.errors import RecomartError
from warehouse.publishing.audience_queries import get_data_end, has_order_counts, list_arms, list_favourite_categories
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.validation_messages import describe_validation_error

FIELD_LABELS = {
    "min_days_since_seen": "Not seen for at least (days)",
    "max_days_since_seen": "Seen within the last (days)",
    "min_spend": "Spent at least",
    "max_spend": "Spent at most",
    "min_orders": "At least this many orders",
    "max_orders": "At most this many orders",
}
CHOICES = ("favourite_category", "experiment_arm")
WHOLE_NUMBERS = ("min_days_since_seen", "max_days_since_seen", "min_orders", "max_orders")
ORDER_CONDITIONS = ("min_orders", "max_orders")
MAX_WHOLE_NUMBER = 100_000
FIELD_WIDTH = 200


def fill_form(audience: Audience) -> None:
    """Put the conditions of an audience into the form, before it is shown."""
    for name, value in audience.model_dump().items():
        if name in CHOICES:
            st.session_state[_make_key(name)] = value
        else:
            st.session_state[_make_key(name)] = "" if value is None else f"{value:.10g}"


def show_form(copy: ServingCopy) -> Audience | None:
    """Show the form; return its audience, or None below messages about the fields that are wrong."""
    data_end = query_once(get_data_end, copy)
    if data_end is None:
        st.info("There are no customers yet.", icon=":material/group_off:")
        return None
    with st.form("audience", enter_to_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            category = _choose("Favourite category", "favourite_category", query_once(list_favourite_categories, copy))
            texts = {
                name: st.text_input(label, key=_make_key(name), width=FIELD_WIDTH, persist_state="session")
                for name, label in FIELD_LABELS.items()
            }
            arms = query_once(list_arms, copy)
            # A saved audience keeps its arm after the end of the experiment.
            has_arms = arms or st.session_state.get(_make_key("experiment_arm")) is not None
            arm = _choose("Experiment arm", "experiment_arm", arms) if has_arms else None
        st.caption(
            f"Days count back from {data_end.day} {data_end:%b %Y}, the end of the data. An empty field means any "
            "value. All conditions must hold."
        )
        st.form_submit_button("Count", icon=":material/group:")
    try:
        numbers = {name: _read_number(name, text) for name, text in texts.items()}
        _check_order_conditions(copy, numbers)
        return Audience.model_validate({"favourite_category": category, "experiment_arm": arm, **numbers})
    except ValidationError as error:
        st.error(escape_markdown(describe_validation_error(error)))
    except RecomartError as error:
        st.error(escape_markdown(str(error)))
    return None


def _choose(label: str, name: str, options: list[str]) -> str | None:
    # A saved audience can have a value that the copy no longer has.
    saved_value = st.session_state.get(_make_key(name))
    all_options = [*options, *([saved_value] if saved_value not in (None, *options) else [])]
    return st.selectbox(
        label,
        all_options,
        index=None,
        placeholder="Any",
        key=_make_key(name),
        width=FIELD_WIDTH,
        persist_state="session",
    )


def _check_order_conditions(copy: ServingCopy, numbers: Mapping[str, float | None]) -> None:
    """Raise an error for a condition on orders that the copy cannot answer."""
    labels = [f"“{FIELD_LABELS[name]}”" for name in ORDER_CONDITIONS if numbers[name] is not None]
    if labels and not query_once(has_order_counts, copy):
        raise RecomartError(
            f"audience not counted: {' and '.join(labels)}: an earlier version of RecoMart published this copy, "
            "without the customers' orders. Empty the field, or publish a new version with `recomart run`"
        )


def _read_number(name: str, text: str) -> float | None:
    try:
        number = parse_amount(text)
    except RecomartError as error:
        raise RecomartError(f"{FIELD_LABELS[name]}: {error}") from error
    if number is not None and name in WHOLE_NUMBERS and (number > MAX_WHOLE_NUMBER or number != int(number)):
        raise RecomartError(f"{FIELD_LABELS[name]}: “{text.strip()}” is not a whole number up to {MAX_WHOLE_NUMBER:,}")
    return number


def _make_key(name: str) -> str:
    return f"audience_{name}"
