"""Numbers as the profile's sentences and pictures say them."""

from datetime import datetime, timedelta


def format_quantity(number: float, singular: str, plural: str = "") -> str:
    """Return '1 row' or '1,234 rows'."""
    return f"{number:,.0f} {singular if number == 1 else plural or singular + 's'}"


def format_ratio(part: float, whole: float) -> str:
    """Return a part as a percentage of the whole."""
    return format_percent(part / whole if whole else 0)


def format_percent(share: float) -> str:
    """Return a share of 1 as a percentage, with more digits where it is small or nearly all."""
    digits = 0 if 0.1 <= share < 0.995 or share in (0, 1) else 1 if 0.0005 <= share < 0.9995 else 2
    return f"{share:.{digits}%}"


def format_short(number: float) -> str:
    """Return a number with three digits at the most, and k, M or G behind it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def format_count_bin(number: int) -> str:
    """Return the whole numbers of a step that doubles: '4-7' for 2; -1 is none."""
    if number < 1:
        return "0" if number < 0 else "1"
    low, high = 2**number, 2 ** (number + 1) - 1
    return f"{low}\u2013{high}" if high < 1000 else f"{format_short(round(low, -2))}+"


def format_days_bin(number: int) -> str:
    """Return the days of a step that doubles: '4-8' for 2; -1 is less than one."""
    return "<1" if number < 0 else f"{2**number}\u2013{2 ** (number + 1)}"


def format_price_bin(number: int) -> str:
    """Return the lowest price of a step that doubles: '4+' for 2."""
    return f"{float(f'{2.0**number:.2g}'):g}+" if number < 0 else f"{format_short(2.0**number)}+"


def format_period(start: datetime, end: datetime) -> str:
    """Return the days from one instant to another, with the hours where they are few."""
    form = "%Y-%m-%d" if end - start > timedelta(days=2) else "%Y-%m-%d %H:%M"
    return f"{start:{form}} to {end:{form}}"


def describe_omissions(drawn_count: int, total_count: int, selection: str) -> str:
    """Return a sentence that says what the picture leaves out; nothing when it leaves out nothing."""
    return "" if drawn_count == total_count else f" The {drawn_count} {selection} are drawn."
