"""Guesses about quantities and money: prices or totals, decimal marks, cents, currencies."""

from typing import Any

from warehouse.drafting.column_guesses import ColumnMapping
from warehouse.drafting.name_words import find_concepts
from warehouse.drafting.record_samples import Doubt, RecordSample
from warehouse.drafting.value_tests import guess_number_settings
from warehouse.formatting import format_names

MIN_CENTS = 50
"""Prices that are all lower are hardly cents."""


def guess_amounts(sample: RecordSample, columns: ColumnMapping) -> tuple[dict[str, Any], list[Doubt]]:
    """Guess the settings of numbers; remove a total from the columns if there is a price."""
    if "price" in columns:
        # A price needs no total; without a quantity, both are the price of one piece.
        columns.pop("line_total", None)
    names = {column: str(columns[column]) for column in ("quantity", "price", "line_total") if column in columns}
    settings, doubt = guess_number_settings([value for name in names.values() for value in sample.get_values(name)])
    doubts = [Doubt(doubt)] if doubt else []
    if "line_total" in names and {"line", "item"}.isdisjoint(find_concepts(names["line_total"])):
        text = "If this is the price of one piece, map price. If it is the total of an order, map none."
        doubts.append(Doubt(text, "line_total"))
    for column in ("price", "line_total"):
        if column in names and (example := _find_cents(sample, names[column])):
            settings["price_divisor"] = 100
            text = f"{names[column]} has whole numbers such as {example}. If they are no cents, remove price_divisor."
            doubts.append(Doubt(text, column))
    currencies = {str(value) for value in sample.get_values(columns.get("currency"))}
    if len(currencies) > 1:
        listed = format_names(sorted(currencies))
        doubts.append(Doubt(f"Prices are in {listed}. Declare currency and exchange_rates beside feeds."))
    return settings, doubts


def _find_cents(sample: RecordSample, name: str) -> str | None:
    """Return a value of a name whose words and values mean cents, or None."""
    concepts = set(find_concepts(name))
    values = [str(value) for value in sample.get_values(name)]
    has_cents_name = "cents" in concepts or {"unit", "amount"} <= concepts or "money" in name.lower()
    are_cents = all(value.lstrip("-").isdigit() for value in values) and max(map(int, values), default=0) >= MIN_CENTS
    return values[0] if has_cents_name and are_cents else None
