"""The customers who get a product: one customer's rank, counts by rank, and a paged table with links."""

from typing import Any

import altair as alt
import streamlit as st

from apps.merchandiser.exports import make_export_name, show_export_button
from apps.merchandiser.linked_choice import find_match
from apps.merchandiser.live_lists import explain_live_absence
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.page_list import make_page_address, show_page_link
from apps.merchandiser.paging import PAGE_SIZE, describe_page, pick_page
from apps.merchandiser.search_box import ask_search
from warehouse.publishing.product_queries import count_customers_by_rank, get_customers_of_product
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.spreadsheets import encode_csv

CHART_HEIGHT = 160
MAX_EXPORTED_CUSTOMERS = 100_000
MAX_NAMED_CUSTOMERS = 5


def show_customers_of_product(copy: ServingCopy, product: dict[str, Any]) -> None:
    """Show how many customers have the product at which rank, and who they are, the best rank first."""
    product_id = product["product_id"]
    _show_one_customer(copy, product_id)
    row_count = int(product["list_customer_count"])
    if not row_count:
        st.info("No customer has this product in the recommendations.", icon=":material/person_off:")
        return
    chart = (
        alt.Chart(count_customers_by_rank(copy, product_id))
        .mark_bar()
        .encode(x=alt.X("rank:O", title="Rank", axis=alt.Axis(labelAngle=0)), y=alt.Y("customers:Q", title="Customers"))
        .properties(height=CHART_HEIGHT)
    )
    st.altair_chart(chart, width="stretch")
    first_row = pick_page(row_count, f"customers_page_of_{product_id}")
    rows = get_customers_of_product(copy, product_id, PAGE_SIZE, first_row)
    with st.container(horizontal=True, vertical_alignment="center"):
        show_export_button(
            lambda: encode_csv(get_customers_of_product(copy, product_id, MAX_EXPORTED_CUSTOMERS)),
            make_export_name("recomart-customers-of", product_id),
            key="product_customers_export",
            help_text=f"Export the customers as CSV, the best {MAX_EXPORTED_CUSTOMERS:,} ranks at most",
        )
        st.caption(f"{describe_page(first_row, len(rows), row_count, 'customer')}, best rank first", width="content")
    st.dataframe(
        rows.assign(link=[make_page_address("customers", {"customer": str(user_id)}) for user_id in rows["user_id"]]),
        hide_index=True,
        alt="Customers",
        # In a narrow window, the first columns are on the screen.
        column_order=["rank", "user_id", "link"],
        column_config={
            "user_id": st.column_config.TextColumn("Customer", width=300),
            "rank": st.column_config.NumberColumn("Rank", width=60),
            "link": st.column_config.LinkColumn("Recommendations", display_text="Open", width=130),
        },
    )


def _show_one_customer(copy: ServingCopy, product_id: str) -> None:
    """Show a field for a customer's id, and the rank of the product in the customer's list or why it has none."""
    search = ask_search("Customer id", "For the rank in one list", f"customer_of_{product_id}", persist_state="session")
    if not search:
        return
    shown_search = escape_markdown(shorten_text(search, 100))
    user_ids = [str(user_id) for user_id in copy.search_customers(search, MAX_NAMED_CUSTOMERS + 1)["user_id"]]
    user_id = find_match(search, user_ids)
    if not user_ids:
        st.info(f"No customer id contains “{shown_search}”.", icon=":material/search_off:")
    elif user_id is None:
        names = ", ".join(escape_markdown(shorten_text(name, 60)) for name in user_ids[:MAX_NAMED_CUSTOMERS])
        more = " and others" if len(user_ids) > MAX_NAMED_CUSTOMERS else ""
        st.info(f"Several customer ids contain “{shown_search}”: {names}{more}. Type the whole id.")
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            reasons = escape_markdown(" ".join(explain_live_absence(copy, user_id, product_id)))
            st.markdown(f"**{escape_markdown(shorten_text(user_id, 60))}**: {reasons}", width="content")
            show_page_link("customers", "Open the customer", {"customer": user_id})
