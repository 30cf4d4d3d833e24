"""Rows that continue a group: lines of an order, or variants of a product, that lack the values of its first row."""

from typing import Any

from warehouse.drafting.column_guesses import ColumnMapping
from warehouse.drafting.file_samples import FileSample
from warehouse.sources.columns import FeedKind

FILLED_COLUMNS = {
    "purchases": ("user_id", "purchased_at", "currency"),
    "events": ("user_id", "event_at", "session_id", "device"),
    "products": ("product_name", "category", "brand"),
}
"""Columns that rows which continue a group can leave empty."""

MIN_EXPLAINED_SHARE = 0.9
"""Minimum share of the missing values that an earlier row of the group has."""


def find_group_name(sample: FileSample, columns: ColumnMapping, kind: FeedKind) -> str | None:
    """Find the name that groups rows of which only the first one has the values of the group, or return None."""
    filled_columns = [sample.get_column(columns[column]) for column in FILLED_COLUMNS[kind] if column in columns]
    products = sample.get_column(columns.get("product_id"))
    if kind != "products":
        name = str(columns.get("transaction_id"))
        groups = sample.get_column(name)
        rows = list(zip(groups, products, *filled_columns, strict=True))
        continued = [all(value is None for value in row[2:]) for row in rows if row[0] is None and row[1] is not None]
        if continued and rows[0][0] is not None and sum(continued) >= MIN_EXPLAINED_SHARE * len(continued):
            return name
        return name if any(_is_filled_down(groups, values) for values in filled_columns) else None
    used_names = {*map(str, columns.values())}
    for name in sample.names:
        groups = sample.get_column(name)
        is_group = name not in used_names and None not in groups and 1 < len(set(map(str, groups))) < len(groups)
        if is_group and any(_is_filled_down(groups, values) for values in filled_columns):
            return name
    return None


def _is_filled_down(groups: list[Any], values: list[Any]) -> bool:
    """Return whether rows that lack a value follow a row of their group that has one."""
    missing_count = explained_count = 0
    filled_groups: set[str] = set()
    for group, value in zip(groups, values, strict=True):
        if group is not None and value is not None:
            filled_groups.add(str(group))
        elif group is not None:
            missing_count += 1
            explained_count += str(group) in filled_groups
    return missing_count > 0 and explained_count >= MIN_EXPLAINED_SHARE * missing_count
