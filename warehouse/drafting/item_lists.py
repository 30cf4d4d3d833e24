"""Lists within sampled records: items that become rows, and keys with values."""

from typing import Any

from warehouse.drafting.column_guesses import guess_columns
from warehouse.drafting.file_samples import FileSample
from warehouse.drafting.name_words import find_concepts

ITEM_COLUMNS = ("product_id", "quantity", "price", "line_total")

PRODUCT_CONCEPTS = {"product", "sku", "item"}


def find_key_value_lists(sample: FileSample) -> list[str]:
    """Find the lists of which every item has a key and a value."""
    return [
        name
        for name in sample.names
        if (items := _get_items(sample, name))
        and all(isinstance(item, dict) and {"key", "value"} <= set(item) for item in items)
    ]


def read_key_values(pairs: Any) -> dict[str, Any]:
    """Return the object that a list of keys and values stands for."""
    values: dict[str, Any] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        value = pair.get("value")
        members = value.values() if isinstance(value, dict) else [value]
        values[str(pair.get("key"))] = next((member for member in members if member is not None), None)
    return values


def find_item_list(sample: FileSample) -> str | None:
    """Find the list whose items are the lines of an order or the variants of a product.

    The items have a product and an amount; the records have no product of their own.
    """
    candidates = []
    for name in sample.names:
        items = _get_items(sample, name)
        if items and all(isinstance(item, str | int) for item in items):
            is_frequent = len(sample.get_values(name)) > len(sample.records) / 2
            is_product = PRODUCT_CONCEPTS.intersection(find_concepts(name))
            candidates += [(1, name)] if is_frequent and is_product and not _has_product(sample, name) else []
        elif items and all(isinstance(item, dict) for item in items):
            # The name of the list says what the id of an item is.
            key = name.rpartition(".")[2]
            columns = guess_columns(FileSample("json", [{key: item} for item in items]), "purchases")
            count = sum(column in columns for column in ITEM_COLUMNS)
            is_item = {"product_id", "quantity"}.intersection(columns) and count > 1
            if (is_item or {"product_id", "purchased_at"} <= set(columns)) and not _has_product(sample, name):
                candidates.append((count, name))
    return max(candidates, key=lambda candidate: candidate[0])[1] if candidates else None


def _get_items(sample: FileSample, name: str) -> list[Any]:
    return [item for value in sample.get_values(name) if isinstance(value, list) for item in value]


def _has_product(sample: FileSample, list_name: str) -> bool:
    """Return whether the records with the list have a product of their own, by more than the name id."""
    records = [record for record, items in zip(sample.records, sample.get_column(list_name), strict=True) if items]
    name = guess_columns(FileSample("json", records), "products").get("product_id")
    return name is not None and find_concepts(str(name)) not in (("id",), ("order", "id"))
