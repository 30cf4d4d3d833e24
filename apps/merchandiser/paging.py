"""Pages of a long table."""

import math

import streamlit as st

from warehouse.formatting import format_count

PAGE_SIZE = 100
"""Rows of a page."""


def pick_page(row_count: int, key: str) -> int:
    """Show the choice of a page if there are several; return the number of rows before the chosen one."""
    if row_count <= PAGE_SIZE:
        return 0
    page = st.pagination(math.ceil(row_count / PAGE_SIZE), key=key, persist_state="session")
    return (page - 1) * PAGE_SIZE


def describe_page(first_row: int, page_row_count: int, row_count: int, noun: str) -> str:
    """Return which rows a page has, such as '101 to 150 of 150 customers'; `first_row` counts the rows before it."""
    return f"{first_row + 1:,} to {first_row + page_row_count:,} of {format_count(row_count, noun)}"
