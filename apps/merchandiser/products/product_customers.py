"""The customers who get a product: counts by rank, and a paged table with links."""

from typing import Any

import altair as alt
import streamlit as st

from apps.merchandiser.exports import make_export_name, show_export_button
from apps.merchandiser.page_list import make_page_address
from apps.merchandiser.paging import PAGE_SIZE, describe_page, pick_page
from warehouse.publishing.product_queries import count_customers_by_rank, get_customers_of_product
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.spreadsheets import encode_csv

CHART_HEIGHT = 160
MAX_EXPORTED_CUSTOMERS = 100_000


def show_customers_of_product(copy: ServingCopy, product: dict[str, Any]) -> None:
    """Show how many customers have the product at which rank, and who they are, the best rank first."""
    product_id = product["product_id"]
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
