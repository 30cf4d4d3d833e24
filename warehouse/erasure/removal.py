"""What to remove from a landing file: whole records, and single items of records that `unnest` makes several rows."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from warehouse.loading.landing_files import FileLoad, LandingFile
from warehouse.loading.nested_records import number_rows, replace_lists
from warehouse.loading.records import read_whole_records
from warehouse.sources.columns import split_json_path


class Removal(NamedTuple):
    """The records to remove, and the items to remove from other records."""

    records: set[int]
    """Numbers of records of which no row is left."""

    items: dict[int, set[int]]
    """Positions of items, from 1, by the number of their record."""

    path: Sequence[str] = ()
    """Keys of the list of items in a record."""

    def edit_record(self, number: int, record: Any) -> None:
        """Remove the items from a record that has rows left."""
        *parent_keys, key = self.path
        for parent_key in parent_keys:
            record = record[int(parent_key) if isinstance(record, list) else parent_key]
        record[key] = [item for position, item in enumerate(record[key], start=1) if position not in self.items[number]]


def find_removal(file: LandingFile, rows: Collection[int]) -> Removal:
    """Find the records and items of rows, which have the numbers that `_line` of the raw tables has."""
    if not file.feed.unnest:
        return Removal(set(rows), {})
    rows = set(rows)
    records: set[int] = set()
    items: dict[int, set[int]] = {}
    row_count = 0
    for table in (records.table for records in read_whole_records(file, FileLoad())):
        file_rows = replace_lists(table, file.feed)
        row_numbers_by_record: dict[int, list[int]] = {}
        for record, number in zip(
            file_rows["line"].to_pylist(), number_rows(file_rows, row_count).to_pylist(), strict=True
        ):
            row_numbers_by_record.setdefault(record, []).append(number)
        row_count += len(file_rows)
        for record, numbers in row_numbers_by_record.items():
            positions = {position for position, number in enumerate(numbers, start=1) if number in rows}
            if len(positions) == len(numbers):
                records.add(record)
            elif positions:
                items[record] = positions
    return Removal(records, items, split_json_path(file.feed.unnest))
