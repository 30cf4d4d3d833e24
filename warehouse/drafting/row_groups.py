"""Rows that continue a group: lines of an order, or variants of a product, that lack the values of its first row."""

from typing import Any

from warehouse.drafting.column_guesses import ColumnMapping, is_item_column
from warehouse.drafting.record_samples import RecordSample
from warehouse.drafting.value_tests import MIN_SHARE
from warehouse.sources.columns import FeedKind


def find_group_name(sample: RecordSample, columns: ColumnMapping, kind: FeedKind) -> str | None:
    """Find the name that groups rows of which only the first one has the values of the group, or return None."""
    group_columns = [sample.get_column(columns[column]) for column in columns if not is_item_column(column, kind)]
    if kind == "products":
        used_names = {*map(str, columns.values())}
        names = [name for name in sample.names if name not in used_names and _is_grouped(sample.get_column(name))]
    else:
        names = [str(columns["transaction_id"])] if "transaction_id" in columns else []
        groups = sample.get_column(columns.get("transaction_id"))
        rows = zip(sample.get_column(columns.get("product_id")), *group_columns, strict=True)
        # A row of a group can also lack its name.
        without_name = [row for group, row in zip(groups, rows, strict=True) if group is None and row[0] is not None]
        continued_count = sum(row.count(None) == len(group_columns) for row in without_name)
        if without_name and groups[0] is not None and continued_count >= MIN_SHARE * len(without_name):
            return names[0]
    return next(
        (name for name in names if any(_is_filled_down(sample.get_column(name), values) for values in group_columns)),
        None,
    )


def _is_grouped(values: list[Any]) -> bool:
    return None not in values and 1 < len(set(map(str, values))) < len(values)


def _is_filled_down(groups: list[Any], values: list[Any]) -> bool:
    """Return whether rows that lack a value follow a row of their group that has one."""
    is_explained = []
    filled_groups: set[str] = set()
    for group, value in zip(groups, values, strict=True):
        if group is not None and value is not None:
            filled_groups.add(str(group))
        elif group is not None:
            is_explained.append(str(group) in filled_groups)
    return bool(is_explained) and sum(is_explained) >= MIN_SHARE * len(is_explained)
