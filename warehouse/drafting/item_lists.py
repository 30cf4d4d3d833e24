"""Lists within sampled records: items that become rows, and keys with values."""

from typing import Any

from warehouse.drafting.column_guesses import ITEM_COLUMNS, MIN_FILLED_SHARE, guess_columns
from warehouse.drafting.name_words import find_concepts
from warehouse.drafting.record_samples import RecordSample
from warehouse.sources.columns import VISITOR_COLUMNS, split_json_path


def find_key_value_lists(sample: RecordSample) -> list[str]:
    """Find the lists of which every item has a key and a value."""
    return [
        name
        for name in sample.names
        if (items := _get_items(sample, name))
        and all(isinstance(item, dict) and {"key", "value"} <= set(item) for item in items)
    ]


def find_item_list(sample: RecordSample) -> str | None:
    """Find the list whose items are the lines of an order, the variants of a product, or products that were seen.

    The items have a product and an amount or a position; the records have no product of their own.
    """
    counts: dict[str, int] = {}
    for name in sample.names:
        items = _get_items(sample, name)
        if not items or _has_product(sample, name):
            continue
        if all(isinstance(item, str | int) for item in items):
            is_frequent = len(sample.get_values(name)) > MIN_FILLED_SHARE * len(sample.records)
            if is_frequent and {"product", "sku", "item"}.intersection(find_concepts(name)):
                counts[name] = 1
        elif all(isinstance(item, dict) for item in items):
            # The name of the list says what the id of an item is.
            key = split_json_path(name)[-1]
            item_sample = RecordSample("json", [{key: item} for item in items])
            columns = guess_columns(item_sample, "purchases")
            count = sum(column in columns for column in ITEM_COLUMNS)
            is_line = count > 1 and not {"product_id", "quantity"}.isdisjoint(columns)
            if is_line or {"product_id", "purchased_at"} <= set(columns):
                counts[name] = count
            elif {"product_id", "position"} <= guess_columns(item_sample, "impressions").keys() and _has_visitor(
                sample
            ):
                counts[name] = 1
    return max(counts, key=lambda name: counts[name], default=None)


def _get_items(sample: RecordSample, name: str) -> list[Any]:
    return [item for value in sample.get_values(name) if isinstance(value, list) for item in value]


def _has_visitor(sample: RecordSample) -> bool:
    columns = guess_columns(sample, "impressions").keys()
    return "seen_at" in columns and not columns.isdisjoint(VISITOR_COLUMNS)


def _has_product(sample: RecordSample, list_name: str) -> bool:
    """Return whether the records with the list have a product of their own, by more than the name id."""
    records = [record for record, items in zip(sample.records, sample.get_column(list_name), strict=True) if items]
    name = guess_columns(RecordSample("json", records), "products").get("product_id")
    return name is not None and find_concepts(str(name)) not in (("id",), ("order", "id"))
