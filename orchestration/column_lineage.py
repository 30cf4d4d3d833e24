"""Column lineage of SQL queries: the source columns of every column, parsed from the SQL without reading data."""

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

from warehouse.sql_text import TableName

ColumnTypes = Mapping[str, str]
"""Types of a table's columns, by name."""


class SourceColumn(NamedTuple):
    """A table's column that a query reads."""

    schema: str
    table: str
    name: str


Lineage = dict[str, list[SourceColumn]]
"""Source columns of each column of a query."""


def trace_columns(sql: str, tables: Mapping[TableName, ColumnTypes]) -> Lineage:
    """Return the columns of `tables` that each column of a DuckDB query is computed from.

    Leaves out constants, and all columns of a query that sqlglot cannot parse.
    """
    schema: dict[str, dict[str, ColumnTypes]] = {}
    for table, columns in tables.items():
        schema.setdefault(table.schema, {})[table.name] = columns
    try:
        roots = lineage(None, sql, schema, dialect="duckdb")
    except SqlglotError:
        return {}
    source_columns: Lineage = {}
    for name, root in roots.items():
        leaves = ((leaf, leaf.expression.find(exp.Table)) for leaf in root.walk() if not leaf.downstream)
        sources = {
            SourceColumn(source.db, source.name, exp.to_column(leaf.name).name)
            for leaf, source in leaves
            if source is not None and TableName(source.db, source.name) in tables
        }
        if sources:
            source_columns[name] = sorted(sources)
    return source_columns


_CONSTANT_PATTERN = r"(?:\bdate '[\d-]+'|\b\d+\b)"

CONSTANTS_PATTERN = re.compile(rf"{_CONSTANT_PATTERN}(?:, {_CONSTANT_PATTERN})*")
"""Lists of constants, such as the days and load ids in the SQL of an incremental model; they have no lineage."""


class LineageCache:
    """Caches the lineage of queries in a file, ignoring constants: parsing the whole project takes three seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = self._read()
        self._is_changed = False

    def get_lineage(self, sql: str, tables: Mapping[TableName, ColumnTypes]) -> Lineage:
        """Return the result of `trace_columns`, from the cache if the query and the tables are the same."""
        query = CONSTANTS_PATTERN.sub("0", sql)
        content = json.dumps([query, sorted((*table, dict(columns)) for table, columns in tables.items())])
        digest = hashlib.sha256(content.encode()).hexdigest()
        if digest not in self._entries:
            self._entries[digest] = trace_columns(sql, tables)
            self._is_changed = True
        return self._entries[digest]

    def save(self) -> None:
        """Write the file if the cache has new entries."""
        if self._is_changed:
            self._path.write_bytes(_CACHE_ADAPTER.dump_json(self._entries))

    def _read(self) -> dict[str, Lineage]:
        try:
            return _CACHE_ADAPTER.validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}


_CACHE_ADAPTER = TypeAdapter(dict[str, Lineage])
