"""The button that exports a table as CSV, and the names of exported files."""

import hashlib
import re
from collections.abc import Callable

import streamlit as st

MAX_NAME_LENGTH = 60
"""Characters of an id in a file name; file systems refuse names of more than 255 bytes."""


def make_export_name(prefix: str, name: str) -> str:
    """Return a file name of the prefix and a name: short, and of characters that every file system takes.

    A changed or shortened name ends in a part of its checksum, so that different names have different files.
    """
    safe_name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:MAX_NAME_LENGTH]
    if safe_name != name:
        safe_name = f"{safe_name}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}".lstrip("-")
    return f"{prefix}-{safe_name}.csv"


def show_export_button(
    make_content: Callable[[], bytes], file_name: str, *, key: str, help_text: str, is_disabled: bool = False
) -> None:
    """Show a button that downloads a CSV file, whose content is made when the button is pressed."""
    st.download_button(
        "Export",
        make_content,
        file_name,
        "text/csv",
        key=key,
        help=help_text,
        icon=":material/download:",
        on_click="ignore",
        disabled=is_disabled,
    )
