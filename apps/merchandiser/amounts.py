"""Amounts that people type: a decimal point or a decimal comma, and no guess about what is ambiguous."""

import re

from warehouse.errors import RecomartError

PLAIN_PATTERN = re.compile(r"\d+([.,]\d+)?", re.ASCII)
GROUPED_PATTERN = re.compile(r"\d{1,3}(?P<group>[ .,'\u2019\u00a0\u202f])\d{3}((?P=group)\d{3})*((?!(?P=group))[.,]\d+)?", re.ASCII)
"""An amount with separated thousands, such as 1,234.50 or 1.234,50 or 1 234,50."""
AMBIGUOUS_PATTERN = re.compile(r"[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
"""An amount such as 1,200, which is 1.2 in some countries and 1200 in others."""

MAX_AMOUNT = 1e15


def parse_amount(text: str) -> float | None:
    """Return the amount of a text; None for an empty one.

    Raises:
        RecomartError: The text is no amount, or can mean two amounts.
    """
    text = text.strip()
    if not text:
        return None
    shown_text = text if len(text) <= 30 else f"{text[:30]}…"
    if AMBIGUOUS_PATTERN.fullmatch(text):
        whole, decimals = re.split("[.,]", text)
        raise RecomartError(
            f"“{shown_text}” can mean {whole}{decimals} or {float(f'{whole}.{decimals}'):g}. "
            f"Write {whole}{decimals}, or {whole}.{decimals.rstrip('0') or '0'}"
        )
    if PLAIN_PATTERN.fullmatch(text):
        amount = float(text.replace(",", "."))
    elif match := GROUPED_PATTERN.fullmatch(text):
        amount = float(text.replace(match["group"], "").replace(",", "."))
    else:
        raise RecomartError(f"“{shown_text}” is not an amount. Write a number such as 12.50 or 12,50")
    if amount > MAX_AMOUNT:
        raise RecomartError(f"“{shown_text}” is too large. Write a smaller amount")
    return amount
