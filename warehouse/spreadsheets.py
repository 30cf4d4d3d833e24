"""Tables as CSV files that spreadsheets open without running their texts as formulas."""

import csv

import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")  # noqa: RUF001
"""First characters of the texts that spreadsheets run as formulas; Japanese ones also run wide characters."""


def encode_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV with a byte order mark, by which spreadsheets recognize UTF-8.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    texts = table.select_dtypes(["object", "string"]).map(_neutralize_formula)
    # Texts are quoted: pandas would not quote one with a carriage return.
    return table.assign(**texts).to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig")


def _neutralize_formula(value: object) -> object:
    if isinstance(value, str) and (value.startswith(FORMULA_STARTS) or value.lstrip().startswith(FORMULA_STARTS)):
        return f"'{value}"
    return value
