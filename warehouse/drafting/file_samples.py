"""A sample of landing files: the first records, and their values by name."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from warehouse.sources.columns import split_json_path
from warehouse.sources.feed_settings import FileFormat
from warehouse.sources.null_words import NULL_WORDS

SAMPLE_RECORDS = 1_000

Record = dict[str, Any]

Source = str | list[str] | dict[str, str] | None
"""What fills a column: a name, names whose values are joined by blanks, a constant, or nothing."""

MISSING_TEXTS = frozenset({"", *NULL_WORDS})


@dataclass
class FileSample:
    """The first records of files of one kind, and what must be declared to read them."""

    format: FileFormat
    records: list[Record]
    """Objects; those of CSV have texts as values."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of a feed that the files need besides their format, such as `skip_lines`."""

    doubts: list[str] = field(default_factory=list)
    part: str = ""
    """Description of the part of a file that the records are, such as a sheet."""

    item_list: str | None = None
    """Name of the list that `expand` replaced by its items."""

    @cached_property
    def _flat_records(self) -> list[Record]:
        return [flatten(record) for record in self.records]

    @cached_property
    def _columns(self) -> dict[str, list[Any]]:
        names = dict.fromkeys(name for record in self._flat_records for name in record)
        return {name: [_drop_missing(record.get(name)) for record in self._flat_records] for name in names}

    def is_item_name(self, name: str) -> bool:
        """Return whether a name is one of the items of a list, not of the record around it."""
        path = split_json_path(self.item_list) if self.item_list else ()
        return bool(path) and split_json_path(name)[: len(path)] == path

    @property
    def names(self) -> list[str]:
        """The names of all records, in the order of their first occurrence; nested ones as paths."""
        return [name for name in self._columns if name]

    def get_column(self, source: Source) -> list[Any]:
        """Return the value of a source in each record; None is a missing one. Constants are no values of the files."""
        if not isinstance(source, list):
            column = self._columns.get(source) if isinstance(source, str) else None
            return column or [None] * len(self.records)
        rows = zip(*(self.get_column(name) for name in source), strict=True)
        return [None if None in row else " ".join(map(str, row)) for row in rows]

    def get_values(self, source: Source) -> list[Any]:
        """Return the values of a source that are not missing."""
        return [value for value in self.get_column(source) if value is not None]

    def replace_records(self, records: list[Record]) -> "FileSample":
        """Return the sample with other records."""
        return FileSample(self.format, records, self.settings, self.doubts, self.part)

    def expand(self, name: str, get_values: Callable[[Any], list[Any]]) -> "FileSample":
        """Return the sample with one record for each of the values that a function returns for the value of a name."""
        keys = split_json_path(name)
        return self.replace_records(
            [
                _set_value(record, keys, value)
                for record, old_value in zip(self.records, self.get_column(name), strict=True)
                for value in get_values(old_value)
            ]
        )


def _drop_missing(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in MISSING_TEXTS else value


def _set_value(record: Record, keys: Sequence[str], value: Any) -> Record:
    """Return a copy of a record with a value under the keys, if it has objects there."""
    child = record.get(keys[0])
    if len(keys) == 1:
        return {**record, keys[0]: value}
    return {**record, keys[0]: _set_value(child, keys[1:], value)} if isinstance(child, dict) else record


def flatten(record: Record, parents: tuple[str, ...] = ()) -> Record:
    """Return the values of a record by name; values in nested objects have a path such as `$.product.id` as name."""
    values: Record = {}
    for key, value in record.items():
        path = (*parents, key)
        if isinstance(value, dict):
            values |= flatten(value, path)
        else:
            values[key if len(path) == 1 else format_path(path)] = value
    return values


def format_path(keys: Sequence[str]) -> str:
    """Return a path of keys as the sources file has it."""
    return "$." + ".".join(key if re.fullmatch(r"\w+", key) else json.dumps(key, ensure_ascii=False) for key in keys)
