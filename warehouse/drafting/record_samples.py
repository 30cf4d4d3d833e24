"""Samples of landing files: the first records, their values by name, and what is uncertain about them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa

from warehouse.loading.nested_records import reshape_records
from warehouse.sources.columns import format_json_path, split_json_path
from warehouse.sources.declaration import Feed
from warehouse.sources.feed_settings import FileFormat
from warehouse.sources.null_words import NULL_WORDS

MAX_SAMPLE_RECORDS = 1_000

Record = dict[str, Any]

Source = str | list[str] | dict[str, str] | None
"""What fills a column: a name, names whose values are joined by blanks, a constant, or nothing."""

MISSING_TEXTS = frozenset({"", *NULL_WORDS})


class Doubt(NamedTuple):
    """What is uncertain in a draft."""

    text: str
    column: str = ""
    """The column of the mapping that it is about, if it is about one."""

    def __str__(self) -> str:
        return f"{self.column}: {self.text}" if self.column else self.text


@dataclass
class RecordSample:
    """The first records of files of one kind, and what must be declared to read them."""

    format: FileFormat
    records: list[Record]
    """Objects; those of CSV have texts as values."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of a feed that the files need besides their format, such as `skip_lines`."""

    doubts: list[Doubt] = field(default_factory=list)
    part: str = ""
    """Description of the part of a file that the records are, such as a sheet."""

    item_list: str | None = None
    """Name of the list whose items are the records."""

    @cached_property
    def _columns(self) -> dict[str, list[Any]]:
        records = self.records if self.format == "csv" else [flatten(record) for record in self.records]
        names = dict.fromkeys(name for record in records for name in record)
        return {name: [_drop_missing(record.get(name)) for record in records] for name in names}

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

    def replace_records(self, records: list[Record]) -> "RecordSample":
        """Return the sample with other records."""
        return replace(self, records=records)

    def reshape(self, item_list: str | None, key_values: Sequence[str]) -> "RecordSample":
        """Return the sample as the loader reads it with a list as `unnest` and with `key_values`."""
        if not item_list and not key_values:
            return self
        texts = [json.dumps(record) for record in self.records]
        columns = {"line": range(len(texts)), "text": pa.array(texts, pa.large_string()), "error": [None] * len(texts)}
        feed = make_sample_feed("jsonl", unnest=item_list, key_values=key_values)
        rows = reshape_records(pa.table(columns), feed, 0)["text"].to_pylist()
        return replace(self, records=[json.loads(row) for row in rows], item_list=item_list)


def make_sample_feed(file_format: FileFormat, **settings: Any) -> Feed:
    """Make a feed that reads files with any columns."""
    # Joined files need no column.
    settings |= {"name": "draft", "joined_to": "-", "kind": "products", "files": ("*",), "columns": {"brand": "-"}}
    return Feed(format=file_format, **settings)


def _drop_missing(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in MISSING_TEXTS else value


def flatten(record: Record, parents: tuple[str, ...] = ()) -> Record:
    """Return the values of a record by name; values in nested objects have a path such as `$.product.id` as name."""
    values: Record = {}
    for key, value in record.items():
        path = (*parents, key)
        if isinstance(value, dict):
            values |= flatten(value, path)
        else:
            values[format_json_path(path) if parents or key.startswith("$.") else key] = value
    return values
