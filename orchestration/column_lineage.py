"""From which columns of which tables the columns of a query are made: read off its SQL, without touching any data."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage

ColumnTypes = Mapping[str, str]
"""Types of a table's columns, by name."""


class TableName(NamedTuple):
    """A table's name."""

    schema: str
    name: str


class SourceColumn(NamedTuple):
    """A column of a table."""

    schema: str
    table: str
    name: str


Lineage = dict[str, list[SourceColumn]]
"""What each column of a query is made from."""


def trace_columns(sql: str, tables: Mapping[TableName, ColumnTypes]) -> Lineage:
    """Return the columns of `tables` that each column of a DuckDB query is made from.

    A constant is made from none and is left out, and so are all columns of a query that sqlglot does not understand.
    """
    schema: dict[str, dict[str, ColumnTypes]] = {}
    for table, columns in tables.items():
        schema.setdefault(table.schema, {})[table.name] = columns
    try:
        found = lineage(None, sql, schema, dialect="duckdb")
    except SqlglotError:
        return {}
    made_from: Lineage = {}
    for name, root in found.items():
        leaves = ((leaf, leaf.expression.find(exp.Table)) for leaf in root.walk() if not leaf.downstream)
        sources = {
            SourceColumn(origin.db, origin.name, exp.to_column(leaf.name).name)
            for leaf, origin in leaves
            if origin is not None and TableName(origin.db, origin.name) in tables
        }
        if sources:
            made_from[name] = sorted(sources)
    return made_from


_CONSTANT_PATTERN = r"(?:\bdate '[\d-]+'|\b\d+\b)"

CONSTANTS_PATTERN = re.compile(rf"{_CONSTANT_PATTERN}(?:, {_CONSTANT_PATTERN})*")
"""Days and loads that an incremental model was compiled for stand in its SQL; nothing is made from them."""


class LineageCache:
    """Remembers the lineage of queries, constants aside: to read all of the project's takes three seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = self._read()
        self._is_changed = False

    def get_lineage(self, sql: str, tables: Mapping[TableName, ColumnTypes]) -> Lineage:
        """Return what `column_lineage` does."""
        query = CONSTANTS_PATTERN.sub("0", sql)
        content = json.dumps([query, sorted((*table, dict(columns)) for table, columns in tables.items())])
        digest = hashlib.sha256(content.encode()).hexdigest()
        if digest not in self._entries:
            self._entries[digest] = trace_columns(sql, tables)
            self._is_changed = True
        return self._entries[digest]

    def save(self) -> None:
        """Write down what is new."""
        if self._is_changed:
            self._path.write_bytes(_CACHE_ADAPTER.dump_json(self._entries))

    def _read(self) -> dict[str, Lineage]:
        try:
            return _CACHE_ADAPTER.validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}


_CACHE_ADAPTER = TypeAdapter(dict[str, Lineage])
