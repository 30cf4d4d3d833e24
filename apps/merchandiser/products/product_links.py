"""Links to products on the page Products, and addresses and pictures of the shop's catalog, which can be hostile."""

import re
from collections.abc import Mapping

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.page_list import make_page_address
from warehouse.settings import Settings

HTTPS_PATTERN = re.compile(r"https://[^\W_][\w.-]*(:\d+)?([/?#][\w.~:/?#@!$&()*+,;=%-]*)?")
"""Addresses that a page may open: no user name before the host, no quotes, brackets and blanks."""

MAX_URL_LENGTH = 2000
PICTURE_WIDTH = 140
PLACEHOLDER = """<svg xmlns="http://www.w3.org/2000/svg" width="140" height="140" viewBox="0 0 140 140">
<rect width="140" height="140" rx="8" fill="#e2e8f0"/>
<path d="M38 92l22-26 16 18 10-11 18 19z" fill="#94a3b8"/><circle cx="92" cy="52" r="9" fill="#94a3b8"/></svg>"""


def is_safe_url(url: str | None) -> bool:
    """Return whether the app may link to an address."""
    return url is not None and len(url) <= MAX_URL_LENGTH and HTTPS_PATTERN.fullmatch(url) is not None


def select_safe_urls(urls: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses that the app may open, by the same keys."""
    return {key: url for key, url in urls.items() if is_safe_url(url)}


def show_picture(image_url: str | None) -> None:
    """Show the picture of a product if the settings allow pictures of other servers; otherwise a placeholder."""
    if image_url is not None and is_safe_url(image_url) and Settings().app_show_images:
        st.image(image_url, width=PICTURE_WIDTH)
    else:
        st.image(PLACEHOLDER, width=PICTURE_WIDTH)


def show_product_link(product_url: str | None) -> None:
    """Show a link to the page of a product in the shop; another address than https as text."""
    if product_url is None:
        return
    if is_safe_url(product_url):
        st.link_button("Open in the shop", product_url, icon=":material/open_in_new:", type="tertiary")
    else:
        st.caption(f"Address in the catalog: {escape_markdown(shorten_text(product_url, 200))}")


def add_product_links(table: pd.DataFrame, id_column: str) -> pd.DataFrame:
    """Return a table of products with the column `product_link`: the address of each on the page Products."""
    links = [make_page_address("products", {"product": str(product_id)}) for product_id in table[id_column]]
    return table.assign(product_link=links)


def make_product_link_column() -> ColumnConfig:
    """Return the column `product_link`."""
    return st.column_config.LinkColumn("Details", display_text="Open", width=60)
