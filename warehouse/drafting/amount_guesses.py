"""Guesses about quantities and money: prices or totals, decimal marks, cents, currencies."""

from statistics import median
from typing import Any

from warehouse.drafting.column_guesses import ColumnMapping
from warehouse.drafting.name_words import find_concepts
from warehouse.drafting.record_samples import Doubt, RecordSample
from warehouse.drafting.value_tests import MIN_SHARE, guess_number_settings
from warehouse.formatting import format_names

MIN_CENTS = 50
"""Prices that are all lower are hardly cents."""

MIN_DOUBTED_MEDIAN = 300
"""Whole prices of a higher median may be cents, although their name does not say so."""


def guess_amounts(sample: RecordSample, columns: ColumnMapping) -> tuple[dict[str, Any], list[Doubt]]:
    """Guess the settings of numbers; remove a total from the columns if there is a price in each row."""
    totals = sample.get_column(columns.get("line_total"))
    prices = sample.get_column(columns.get("price"))
    # Weighed goods can have no price of one piece.
    is_needed = any(price is None and total is not None for price, total in zip(prices, totals, strict=True))
    # One divisor is for both.
    is_needed &= _is_called_cents(str(columns.get("price"))) == _is_called_cents(str(columns.get("line_total")))
    if "price" in columns and not (is_needed and totals.count(None) <= (1 - MIN_SHARE) * len(totals)):
        # A price needs no total; without a quantity, both are the price of one piece.
        columns.pop("line_total", None)
    names = {column: str(columns[column]) for column in ("quantity", "price", "line_total") if column in columns}
    settings, doubt = guess_number_settings([value for name in names.values() for value in sample.get_values(name)])
    doubts = [Doubt(doubt)] if doubt else []
    if "line_total" in names and {"line", "item"}.isdisjoint(find_concepts(names["line_total"])):
        text = "If this is the price of one piece, map price. If it is the total of an order, map none."
        doubts.append(Doubt(text, "line_total"))
    for column in ("price", "line_total"):
        values = [str(value) for value in sample.get_values(names.get(column))]
        numbers = [int(value.strip("+-")) for value in values if value.strip("+-").isdecimal()]
        if not numbers:
            continue
        text = f"{names[column]} has whole numbers such as {numbers[0]}"
        if _is_called_cents(names[column]) and len(numbers) >= MIN_SHARE * len(values) and max(numbers) >= MIN_CENTS:
            settings["price_divisor"] = 100
            doubts.append(Doubt(f"{text}. If they are no cents, remove price_divisor.", column))
        elif len(numbers) == len(values) and median(numbers) > MIN_DOUBTED_MEDIAN:
            doubts.append(Doubt(f"{text}. They may be in cents: price_divisor: 100.", column))
    currencies = {str(value) for value in sample.get_values(columns.get("currency"))}
    if len(currencies) > 1:
        listed = format_names(sorted(currencies))
        doubts.append(Doubt(f"Prices are in {listed}. Declare currency and exchange_rates beside feeds."))
    return settings, doubts


def _is_called_cents(name: str) -> bool:
    concepts = set(find_concepts(name))
    return "cents" in concepts or {"unit", "amount"} <= concepts or "money" in name.lower()
