"""Tables and exports of a run of the app, and texts that names of a shop can have."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from warehouse.publishing.serving_copy import ServingCopy

HOSTILE_TEXTS = (
    "<img src=x onerror=alert(1)>",
    "**bold** [link](http://evil.example) $x$ :red[c]",
    "=HYPERLINK(1)",
    "🛍️ emoji",
    "\u202eright to left",
    "x" * 500,
)
PUBLISHED_HOSTILE_TEXTS = (
    *HOSTILE_TEXTS[:3],
    *(pytest.param(text, marks=pytest.mark.slow) for text in HOSTILE_TEXTS[3:]),
)
"""For tests that publish the text; the slow tests have those that no part of a page could run."""


def get_table(app: AppTest, column: str) -> pd.DataFrame:
    """Return the table with a column."""
    (table,) = (element.value for element in app.dataframe if column in element.value)
    return table


def get_recommendations_table(app: AppTest) -> pd.DataFrame:
    """Return the recommendations table."""
    return get_table(app, "relative_score")


def list_customer_ids(copy: ServingCopy) -> list[str]:
    """Return ids, the most active first."""
    return [str(user_id) for user_id in copy.search_customers(limit=300)["user_id"]]


def list_checkbox_columns(app: AppTest) -> list[str]:
    """Return the columns that Streamlit shows as checkboxes, which look as if they could be clicked."""
    return [
        column
        for table in app.dataframe
        for column in table.proto.column_order or table.value.columns
        if column in table.value and table.value[column].dtype == bool
    ]


def capture_exports(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return a dictionary that collects the data of the download buttons in later runs, by file name."""
    exports: dict[str, bytes] = {}
    download_button = st.download_button

    def capture(label: str, data: Callable[[], bytes], file_name: str, *args: Any, **options: Any) -> bool:
        exports[file_name] = data()
        return download_button(label, data, file_name, *args, **options)

    monkeypatch.setattr(st, "download_button", capture)
    return exports
