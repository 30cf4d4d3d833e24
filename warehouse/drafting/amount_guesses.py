"""Guesses about quantities and money: prices or totals, decimal marks, cents, currencies."""

from collections import defaultdict
from itertools import pairwise
from math import isclose
from typing import Any

from warehouse.drafting.column_guesses import ColumnMapping
from warehouse.drafting.file_samples import FileSample
from warehouse.drafting.name_words import find_concepts
from warehouse.drafting.value_tests import MIN_SHARE, guess_number_settings, parse_number
from warehouse.formatting import format_names

MIN_EVIDENCE = 3
"""Minimum number of comparisons of rows."""

MIN_CENTS = 50
"""Prices that are all lower are hardly cents."""


def guess_amounts(sample: FileSample, columns: ColumnMapping) -> tuple[ColumnMapping, dict[str, Any], list[str]]:
    """Check which amount is a price and which a total; return the columns, the settings of numbers, and doubts."""
    names = {column: str(columns[column]) for column in ("quantity", "price", "line_total") if column in columns}
    values = [value for name in names.values() for value in sample.get_values(name)]
    settings, doubt = guess_number_settings(values)
    doubts = [doubt] if doubt else []
    decimal = settings.get("decimal", ".")
    numbers = {
        column: [None if value is None else parse_number(value, decimal) for value in sample.get_column(name)]
        for column, name in names.items()
    }
    if "price" in names and "line_total" in names:
        # A price needs no total; without a quantity, both are the price of one piece.
        doubts += _check_total(names, numbers)
        del names["line_total"]
    amount = "price" if "price" in names else "line_total"
    if amount in names and (meaning := _find_meaning(sample, columns, numbers, amount)):
        if meaning == "order total":
            doubts.append(
                f"{names[amount]} is equal in all lines of an order: a total of the order, which is not mapped."
            )
            del names[amount]
        elif meaning != amount:
            grows = "grows" if meaning == "line_total" else "does not grow"
            doubts.append(f"{meaning}: {names[amount]} {grows} with {names['quantity']} in rows of the same product.")
            names[meaning] = names.pop(amount)
    for column, name in names.items():
        if doubt := _find_cents(sample, column, name):
            settings["price_divisor"] = 100
            doubts.append(f"{column}: {doubt}")
    currencies = {str(value) for value in sample.get_values(columns.get("currency"))}
    if len(currencies) > 1:
        doubts.append(
            f"Prices are in {format_names(sorted(currencies))}. Declare currency and exchange_rates beside feeds."
        )
    kept = {c: source for c, source in columns.items() if c not in ("quantity", "price", "line_total")}
    return {**kept, **names}, settings, doubts


def _check_total(names: dict[str, str], numbers: dict[str, list[float | None]]) -> list[str]:
    if "quantity" not in names:
        return []
    rows = [
        isclose(quantity * price, total, abs_tol=0.02 * abs(quantity) + 0.01)
        for quantity, price, total in zip(numbers["quantity"], numbers["price"], numbers["line_total"], strict=True)
        if quantity is not None and price is not None and total is not None and quantity != 1
    ]
    if len(rows) < MIN_EVIDENCE or sum(rows) > MIN_SHARE * len(rows):
        return []
    product = f"{names['price']} times {names['quantity']}"
    return [f"{product} is {names['line_total']} in only {sum(rows)} of {len(rows)} rows. Which one is the price?"]


def _find_meaning(
    sample: FileSample, columns: ColumnMapping, numbers: dict[str, list[float | None]], amount: str
) -> str | None:
    """Find by the rows of each product and order whether an amount is a price, or a total of the line or the order.

    None means that too few rows can be compared.
    """
    products = sample.get_column(columns.get("product_id"))
    orders = sample.get_column(columns.get("transaction_id"))
    quantities = numbers.get("quantity", [None] * len(products))
    rows_by_product: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    rows_by_order: dict[Any, set[tuple[Any, float | None, float]]] = defaultdict(set)
    for product, order, quantity, value in zip(products, orders, quantities, numbers[amount], strict=True):
        if value and product is not None:
            rows_by_order[order].add((product, quantity, value))
            if quantity and quantity > 0:
                rows_by_product[product].append((quantity, value))
    orders_of_products = [rows for order, rows in rows_by_order.items() if order is not None and len(rows) > 1]
    same_totals = [len({value for *_, value in rows}) == 1 for rows in orders_of_products]
    different_values = {value for rows in orders_of_products for *_, value in rows}
    if amount == "line_total" and len(same_totals) >= MIN_EVIDENCE and all(same_totals) and len(different_values) > 2:
        return "order total"
    pairs = [pair for rows in rows_by_product.values() for pair in pairwise(sorted(rows)) if pair[0][0] != pair[1][0]]
    meanings = {
        "price": sum(isclose(first[1], second[1], rel_tol=0.01) for first, second in pairs),
        "line_total": sum(isclose(a[1] / a[0], b[1] / b[0], rel_tol=0.01) for a, b in pairs),
    }
    return next(
        (meaning for meaning, count in meanings.items() if count >= MIN_EVIDENCE and count > MIN_SHARE * len(pairs)),
        None,
    )


def _find_cents(sample: FileSample, column: str, name: str) -> str | None:
    concepts = set(find_concepts(name))
    values = [str(value) for value in sample.get_values(name)]
    has_cents_name = "cents" in concepts or {"unit", "amount"} <= concepts or "money" in name.lower()
    if column == "quantity" or not has_cents_name or not all(value.lstrip("-").isdigit() for value in values):
        return None
    if max(map(int, values), default=0) < MIN_CENTS:
        return None
    return f"{name} has whole numbers such as {values[0]}. If they are no cents, remove price_divisor."
