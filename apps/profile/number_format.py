"""Formats of numbers in the texts and charts of the profile."""

from datetime import datetime, timedelta


def format_ratio(part: float, whole: float) -> str:
    """Return a part as a percentage of the whole."""
    return format_percent(part / whole if whole else 0)


def format_percent(share: float) -> str:
    """Return a share of 1 as a percentage, with more digits near 0 and 1."""
    digits = 0 if 0.1 <= share < 0.995 or share in (0, 1) else 1 if 0.0005 <= share < 0.9995 else 2
    return f"{share:.{digits}%}"


def format_short(number: float) -> str:
    """Return a number with up to three digits and the suffix k, M or G."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def format_count_bin(number: int) -> str:
    """Return the range of counts in a doubling bin: '4-7' for bin 2, '0' for bin -1."""
    if number < 1:
        return "0" if number < 0 else "1"
    low, high = 2**number, 2 ** (number + 1) - 1
    return f"{low}\u2013{high}" if high < 1000 else f"{format_short(round(low, -2))}+"


def format_days_bin(number: int) -> str:
    """Return the range of days in a doubling bin: '4-8' for bin 2, '<1' for bin -1."""
    return "<1" if number < 0 else f"{2**number}\u2013{2 ** (number + 1)}"


def format_price_bin(number: int) -> str:
    """Return the lowest price in a doubling bin: '4+' for bin 2."""
    return f"{float(f'{2.0**number:.2g}'):g}+" if number < 0 else f"{format_short(2.0**number)}+"


def format_period(start: datetime, end: datetime) -> str:
    """Return a period as dates, with times if the period has at most two days."""
    date_format = "%Y-%m-%d" if end - start > timedelta(days=2) else "%Y-%m-%d %H:%M"
    return f"{start:{date_format}} to {end:{date_format}}"


def describe_omissions(drawn_count: int, total_count: int, selection: str) -> str:
    """Return a sentence about a chart that shows only a part of the rows; empty if it shows all rows."""
    return "" if drawn_count == total_count else f" The chart shows the {drawn_count} {selection}."
