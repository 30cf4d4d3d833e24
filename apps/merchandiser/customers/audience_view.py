"""Audiences: customers by conditions, their number, and their recommendations as a file."""

from collections.abc import Callable

import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.customers.audience_form import fill_form, show_form
from apps.merchandiser.customers.audience_texts import describe_empty_audience
from apps.merchandiser.exports import make_export_name, show_export_button
from apps.merchandiser.live_lists import get_blocked_products
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import MISSING_TEXT, make_amount_column
from apps.merchandiser.table_columns import make_count_column, make_time_column, select_filled_columns
from apps.merchandiser.users import ask_user_name
from warehouse.audiences import MAX_NAME_LENGTH, Audience, AudienceStore, SavedAudience
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.publishing.audience_queries import (
    CUSTOMER_COLUMNS,
    AudienceSize,
    count_audience,
    count_by_condition,
    get_audience_customers,
    get_audience_lists,
)
from warehouse.publishing.customer_queries import get_shop_currency
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings
from warehouse.spreadsheets import encode_csv

MAX_EXPORTED_ROWS = 500_000
"""Maximum rows of an exported file, which the app builds in its memory."""
MAX_SHOWN_CUSTOMERS = 100
MAX_MESSAGE_LENGTH = 600
DEFAULT_NAME = "audience"
CHANGE_KEY = "audience_change"
"""Key of the change that the next run of the page confirms: the audience to select, and a message."""


def show_audiences(copy: ServingCopy) -> None:
    """Show the conditions, the number of customers, the export, and the saved audiences."""
    store = AudienceStore(Settings())
    saved_audiences = store.list_audiences()
    _show_saved_audiences(saved_audiences)
    audience = show_form(copy)
    if audience is None:
        return
    size = query_once(count_audience, copy, audience)
    if size.customers == 0:
        message = describe_empty_audience(audience, query_once(count_by_condition, copy, audience))
        st.info(escape_markdown(shorten_text(message, MAX_MESSAGE_LENGTH)), icon=":material/group_off:")
    else:
        _show_export(copy, audience, size)
        _show_customers(copy, audience, size)
    _show_changes(store, saved_audiences, audience)


def _show_saved_audiences(saved_audiences: list[SavedAudience]) -> None:
    audiences = {saved.name: saved for saved in saved_audiences}
    selected_name, message = st.session_state.pop(CHANGE_KEY, (None, None))
    if message is not None:
        # Before the selection is shown, because Streamlit refuses a new value afterwards.
        st.session_state["saved_audience"] = selected_name
        st.success(escape_markdown(message), icon=":material/check_circle:")

    def open_audience() -> None:
        name = st.session_state["saved_audience"]
        fill_form(audiences[name].audience if name in audiences else Audience())

    if not audiences:
        st.caption("No audience is saved yet.")
        return
    name = st.selectbox(
        "Saved audience",
        list(audiences),
        index=None,
        placeholder="Choose a saved audience",
        key="saved_audience",
        on_change=open_audience,
        width=420,
        persist_state="session",
    )
    if name in audiences:
        change = audiences[name].change
        st.caption(escape_markdown(f"Saved by {change.user} on {change.changed_at:%d %b %Y, %H:%M} UTC."))


def _show_export(copy: ServingCopy, audience: Audience, size: AudienceSize) -> None:
    st.subheader(format_count(size.customers, "customer"), anchor=False)
    without_list = size.customers - size.customers_with_list
    if without_list:
        st.caption(
            f"{format_count(without_list, 'of them has', 'of them have')} no recommendations, and no rows in the file."
        )
    max_n = max(1, query_once(ServingCopy.get_max_list_length, copy))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.number_input(
            "Products per customer", 1, max_n, min(3, max_n), key="audience_n", width=180, persist_state="session"
        )
        row_count = n * size.customers_with_list
        name = st.session_state.get("saved_audience") or DEFAULT_NAME
        show_export_button(
            lambda: encode_csv(get_audience_lists(copy, audience, n, get_blocked_products(copy))),
            make_export_name("recomart", f"{name}-top-{n}"),
            key="audience_export",
            help_text="The customers of the table below with their recommendations as CSV, one row for each product",
            is_disabled=not 0 < row_count <= MAX_EXPORTED_ROWS,
        )
        st.caption(f"Up to {format_count(row_count, 'row')}", width="content")
    if row_count > MAX_EXPORTED_ROWS:
        st.warning(
            f"The file would have more than {MAX_EXPORTED_ROWS:,} rows. Export fewer products per customer, or add a "
            "condition.",
            icon=":material/warning:",
        )


def _show_customers(copy: ServingCopy, audience: Audience, size: AudienceSize) -> None:
    rows = get_audience_customers(copy, audience, MAX_SHOWN_CUSTOMERS)
    if len(rows) < size.customers:
        st.caption(f"The {len(rows):,} customers with the highest spend, the highest first.")
    elif len(rows) > 1:
        st.caption("The highest spend first.")
    columns = ["user_id", *(name for name in CUSTOMER_COLUMNS if name in rows)]
    st.dataframe(
        rows.astype({"total_spend": float}),
        height=400,
        hide_index=True,
        alt="Customers of the audience",
        placeholder=MISSING_TEXT,
        column_order=select_filled_columns(rows, columns),
        column_config={
            "user_id": st.column_config.TextColumn("Customer", width=220),
            "last_seen_at": make_time_column("Last seen", width=170),
            "favourite_category": st.column_config.TextColumn("Favourite category", width=170),
            "order_count": make_count_column("Orders"),
            "purchase_count": make_count_column("Items bought"),
            "total_spend": make_amount_column("Spent", query_once(get_shop_currency, copy)),
        },
    )


def _show_changes(store: AudienceStore, saved_audiences: list[SavedAudience], audience: Audience) -> None:
    """Show the fields that save the conditions under a name, or delete a saved audience."""
    st.subheader("Save this audience", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = " ".join(st.text_input("Name", key="audience_name", max_chars=MAX_NAME_LENGTH, width=240).split())
        user = ask_user_name()
        replaced_user = _confirm_for_other(saved_audiences, name, user, "Replace")
        if st.button("Save", key="audience_save", icon=":material/save:", disabled=not (name and user)):
            _change(
                lambda: store.save(user, name, audience, replaced_user=replaced_user),
                name,
                f"Saved: audience “{name}”.",
            )
        opened_name = str(st.session_state.get("saved_audience") or "")
        if any(saved.name == opened_name for saved in saved_audiences):
            deleted_user = _confirm_for_other(saved_audiences, opened_name, user, "Delete")
            label = f"Delete “{escape_markdown(shorten_text(opened_name, 40))}”"
            if st.button(label, key="audience_delete", icon=":material/delete:", disabled=not user):
                _change(
                    lambda: store.delete(user, opened_name, deleted_user=deleted_user),
                    None,
                    f"Deleted: audience “{opened_name}”.",
                )
    if not (name and user):
        st.caption("Type a name for the audience and your own name.")


def _confirm_for_other(saved_audiences: list[SavedAudience], name: str, user: str, verb: str) -> str | None:
    """Return the other person whose audience of this name the person agrees to replace or delete; None without one."""
    other = next((saved.change.user for saved in saved_audiences if saved.name == name), user)
    if not user or other == user:
        return None
    label = f"{verb} the audience of {escape_markdown(shorten_text(other, 40))}"
    # A key for each name and person, because a tick holds for one audience only.
    return other if st.checkbox(label, key=f"audience_{verb.lower()}_{name}_{other}") else None


def _change(change: Callable[[], None], selected_name: str | None, message: str) -> None:
    """Make a change; the next run selects an audience and shows the message."""
    try:
        change()
    except RecomartError as error:
        st.error(escape_markdown(str(error)))
    else:
        st.session_state[CHANGE_KEY] = (selected_name, message)
        st.rerun()
