"""Search for a customer's id in the tables and files of a warehouse and its landing folder."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from orchestration.forgetting.file_search import (
    ARROW_FILE_MAGIC,
    ARROW_STREAM_MAGIC,
    PARQUET_MAGIC,
    FileSearch,
    FileSearcher,
    build_name_pattern,
    is_duckdb,
    is_in_name,
)
from warehouse.database import connect, connect_to_file, describe_lock_error, fetch_first_row, open_ledger_reader
from warehouse.erasure.customer_rows import clean_user_id, find_raw_rows, find_rejected_rows
from warehouse.errors import WarehouseBusyError
from warehouse.loading.cleaned_ids import build_can_have_id, build_cleaned_id, build_id_pattern, is_text_searched
from warehouse.loading.product_ids import find_product_ids
from warehouse.settings import Settings
from warehouse.sources.columns import RAW_COLUMNS
from warehouse.sources.yaml_file import read_sources
from warehouse.sql_text import TableName, quote_identifier, quote_literal

PATH_COLUMNS = ("path", "_file", "first_path")
"""Columns with paths of files."""

NUMBER_TYPES = re.compile(
    r"(BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*|DATE|TIME.*|INTERVAL)(\[\d*\])*"
)
"""Types whose values are numbers, times or truth values, in which ids are not searched."""

DEFINITIONS_QUERY = """
    select 'type ' || schema_name || '.' || type_name, labels::varchar
    from duckdb_types()
    where logical_type = 'ENUM' and database_name = current_database()
    union all
    select 'view ' || schema_name || '.' || view_name, sql
    from duckdb_views()
    where not internal and database_name = current_database()
    union all
    select 'table ' || schema_name || '.' || table_name, sql
    from duckdb_tables()
    where database_name = current_database()
"""

COLUMNS_QUERY = """
    select schema_name, table_name, map(list(column_name), list(data_type))
    from duckdb_columns()
    where
        (database_name, schema_name, table_name) in (
            select (database_name, schema_name, table_name)
            from duckdb_tables()
            where database_name = current_database()
        )
    group by all
    order by all
"""


class Trace(NamedTuple):
    """A place that has a customer's id."""

    place: str
    """A table, or the path of a file in its folder."""

    matches: int
    """Number of rows that have the id, 1 for a file that is no table, or 0 for a file that cannot be searched."""

    remedy: str | None = None
    """What has the id, and what to do, if the user must remove it."""

    def describe(self) -> str:
        """Return the place with the remedy."""
        return f"{self.place} ({self.remedy})" if self.remedy else self.place


def find_traces(settings: Settings, user_id: str) -> list[Trace]:
    """Find the id of a customer; `user_id` is cleaned.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
    """
    traces = []
    is_in_texts = is_text_searched(user_id)
    if settings.database.exists():
        with closing(connect(settings, read_only=True)) as connection:
            is_in_texts = is_searched_in_texts(connection, user_id)
            traces += [
                *_find_landing_rows(connection, settings, user_id),
                *_find_in_tables(connection, user_id, is_in_texts),
                *(_find_in_definitions(connection, user_id) if is_in_texts else ()),
            ]
    return traces + list(_find_in_files(settings, user_id, is_in_texts))


def is_searched_in_texts(connection: duckdb.DuckDBPyConnection, user_id: str) -> bool:
    """Return whether an id is searched in texts: it is neither short nor a number, nor the id of a product."""
    with suppress(duckdb.CatalogException):
        return is_text_searched(user_id) and not find_product_ids(connection, [user_id])
    return is_text_searched(user_id)


def describe_search_limit(settings: Settings, user_id: str) -> str | None:
    """Return a line that says in which places an id is not searched; None if it is searched everywhere."""
    user_id = clean_user_id(read_sources(settings.sources), user_id)
    with open_ledger_reader(settings) as connection:
        if is_searched_in_texts(connection, user_id):
            return None
        is_product = is_text_searched(user_id)
    reason = "also the id of a product" if is_product else "short or a number"
    return f"{user_id} is {reason}: it is searched in columns of customers, not in texts"


def _find_landing_rows(connection: duckdb.DuckDBPyConnection, settings: Settings, user_id: str) -> list[Trace]:
    """Find the landing files from which rows of the customer were loaded, also by a join or `fill_down`."""
    with suppress(duckdb.CatalogException):
        sources = read_sources(settings.sources)
        file_rows = [*find_raw_rows(connection, user_id), *find_rejected_rows(connection, sources, user_id)]
        files = {rows.path for rows in file_rows if (settings.landing_dir / rows.path).exists()}
        counts = {
            "loaded and rejected rows": sum(len(rows.lines) for rows in file_rows),
            "landing files of these rows": len(files),
            "names of loaded files": len(find_paths_with_id(connection, user_id)),
        }
        return [Trace(place, count) for place, count in counts.items() if count]
    return []


def _find_in_tables(connection: duckdb.DuckDBPyConnection, user_id: str, is_in_texts: bool) -> list[Trace]:
    tables = connection.execute(COLUMNS_QUERY).fetchall()
    names = [(TableName(schema, table), types) for schema, table, types in tables]
    counts = ((name, _count_rows(connection, name.quoted, types, user_id, is_in_texts)) for name, types in names)
    return [Trace(str(name), count) for name, count in counts if count]


def find_mentions(settings: Settings, user_id: str) -> list[str]:
    """Return the file and line of each loaded or rejected row that has the id of a customer, in any column."""
    columns = {f"raw.{kind}": ("_file", "_line", [*names, "_extra"]) for kind, names in RAW_COLUMNS.items()}
    columns["raw.rejected_rows"] = ("path", "line", ["text", "error"])
    mentions = []
    with open_ledger_reader(settings) as connection:
        is_in_texts = is_searched_in_texts(connection, user_id)
        for table, (path, line, texts) in columns.items():
            condition, parameters = _build_condition(dict.fromkeys(texts, "VARCHAR"), user_id, is_in_texts)
            query = f"select {path}, {line} from {table} where {condition} order by all"
            mentions += [f"{file}, line {number}" for file, number in connection.execute(query, parameters).fetchall()]
    return mentions


def find_paths_with_id(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[tuple[str, str]]:
    """Return the feed and path of each loaded or rejected file that has the id of a customer in its path."""
    if not is_searched_in_texts(connection, user_id):
        return []
    rows = connection.execute(
        "select feed, path from raw.loaded_files union select feed, path from raw.rejected_files order by all"
    ).fetchall()
    return [(feed, path) for feed, path in rows if is_in_name(user_id, path)]


def _find_in_definitions(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[Trace]:
    """Find the types, views and tables that have the id in their definition, such as a value of an ENUM.

    The definitions of dbt's tables and views are code of the project, which builds them again.
    """
    query = f"select name from ({DEFINITIONS_QUERY}) as definitions (name, sql) where regexp_matches(sql, ?)"
    names = {str(name) for (name,) in connection.execute(query, [build_id_pattern(user_id)]).fetchall()}
    with suppress(duckdb.CatalogException):
        nodes = connection.execute("select distinct split_part(node, '.', 3) from gates.node_results").fetchall()
        built = {str(node) for (node,) in nodes}
        names = {name for name in names if name.rpartition(".")[2] not in built}
    return [Trace(name, 1, remedy="its definition: drop it") for name in sorted(names)]


def _count_rows(
    connection: duckdb.DuckDBPyConnection, table: str, types: Mapping[str, str], user_id: str, is_in_texts: bool
) -> int:
    """Count the rows with the id: as `user_id`, or within any text. `types` are those of the columns, by name."""
    condition, parameters = _build_condition(types, user_id, is_in_texts)
    row = fetch_first_row(connection, f"select count(*) from {table} where {condition}", parameters)
    return int(row[0]) if row else 0


def _build_condition(types: Mapping[str, str], user_id: str, is_in_texts: bool) -> tuple[str, dict[str, str]]:
    """Return the condition that a row has the id in one of the columns, and its parameters."""
    conditions = []
    for column, data_type in types.items():
        text = _build_text(column, data_type)
        if column.lower() == "user_id":
            conditions.append(f"{build_cleaned_id(text)} = $user_id")
        elif is_in_texts and not NUMBER_TYPES.fullmatch(data_type):
            is_path = column.lower() in PATH_COLUMNS
            pattern = build_name_pattern(user_id) if is_path else build_id_pattern(user_id)
            if "UUID" in data_type:
                # DuckDB writes these ids in lower case.
                conditions.append(f"regexp_matches({text}, {quote_literal(f'(?i){pattern}')})")
            else:
                matches = f"regexp_matches({text}, {quote_literal(pattern)})"
                conditions.append(f"({build_can_have_id(text)} and {matches})")
    condition = " or ".join(conditions) or "false"
    return condition, {"user_id": user_id} if "$user_id" in condition else {}


def _build_text(column: str, data_type: str) -> str:
    """Return the expression of a column as text; of bytes that are no UTF-8, the ones of ASCII."""
    name = quote_identifier(column)
    if data_type == "BLOB":
        return f"coalesce(try(decode({name})), regexp_replace({name}::varchar, '\\\\x[0-9A-F]{{2}}', ' ', 'g'))"
    return f"{name}::varchar"


def _find_in_files(settings: Settings, user_id: str, is_in_texts: bool) -> Iterator[Trace]:
    """Find the id in all other files, which are searched as they are and decompressed, and in names."""
    for folder in {settings.warehouse, settings.landing_dir}:
        for path in sorted(folder.rglob("*")):
            is_landing = path.is_relative_to(settings.landing_dir)
            if folder == settings.warehouse and is_landing:
                continue
            place = f"{'landing/' if is_landing else ''}{path.relative_to(folder)}"
            if is_in_texts and is_in_name(user_id, path.name):
                yield Trace(place, 1, remedy="its name: rename or delete it")
            if not path.is_file():
                continue
            result = _search_file(settings, path, user_id, is_in_texts)
            if result.matches:
                yield Trace(place, result.matches)
            elif result.problem:
                yield Trace(place, 0, remedy=f"it cannot be searched: {result.problem}. Look for the id in it")


def count_in_file(settings: Settings, file: Path, user_id: str) -> int:
    """Return the number of rows of a table in a file that have the id; of another file 1 if it has the id.

    Raises:
        WarehouseBusyError: Another process is writing the DuckDB file.
    """
    return _search_file(settings, file, user_id, is_text_searched(user_id)).matches


def contains_id(file: Path, user_id: str) -> bool:
    """Return whether a file has an id as text, in any spelling and common encoding."""
    searcher = FileSearcher(user_id, lambda *_: None, is_in_texts=True)
    return searcher.search(file).matches > 0


def _search_file(settings: Settings, file: Path, user_id: str, is_in_texts: bool) -> FileSearch:
    search_table = partial(_search_table, settings, user_id, is_in_texts)
    try:
        return FileSearcher(user_id, search_table, is_in_texts=is_in_texts).search(file)
    except FileNotFoundError:
        # A file can disappear while the folder is listed.
        return FileSearch()
    except OSError as error:
        return FileSearch(problem=str(error.strerror))


def _search_table(settings: Settings, user_id: str, is_in_texts: bool, file: Path, start: bytes) -> FileSearch | None:
    """Count the rows with the id in a file of DuckDB, Parquet or Arrow: these are compressed.

    Raises:
        WarehouseBusyError: Another process is writing the DuckDB file.
    """
    try:
        if start.startswith(PARQUET_MAGIC):
            return FileSearch(_count_parquet_rows(file, user_id, is_in_texts))
        if start.startswith((ARROW_FILE_MAGIC, ARROW_STREAM_MAGIC)):
            return FileSearch(_count_arrow_rows(file, start, user_id, is_in_texts))
        if is_duckdb(start) and file != settings.database:
            return FileSearch(_count_database_rows(settings, file, user_id, is_in_texts))
    except FileNotFoundError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if is_duckdb(start) and (lock_message := describe_lock_error(str(error), file)):
            raise WarehouseBusyError(lock_message) from error
        return FileSearch(problem="the table is damaged, encrypted or of another version")
    return None


def _count_database_rows(settings: Settings, file: Path, user_id: str, is_in_texts: bool) -> int:
    with closing(connect_to_file(settings, file, read_only=True)) as connection:
        traces = _find_in_tables(connection, user_id, is_in_texts)
        if is_in_texts:
            traces += _find_in_definitions(connection, user_id)
        return sum(trace.matches for trace in traces)


def _count_parquet_rows(file: Path, user_id: str, is_in_texts: bool) -> int:
    """Count the rows with the id, and the entries of the file's metadata with it."""
    with duckdb.connect() as connection:
        connection.read_parquet(str(file)).create_view("rows")
        connection.execute(
            f"create view metadata as select key, value from parquet_kv_metadata({quote_literal(str(file))})"
        )
        counts = [_count_view_rows(connection, view, user_id, is_in_texts) for view in ("rows", "metadata")]
        return sum(counts)


def _count_arrow_rows(file: Path, start: bytes, user_id: str, is_in_texts: bool) -> int:
    count = 0
    with duckdb.connect() as connection, pa.memory_map(str(file)) as source:
        if start.startswith(ARROW_FILE_MAGIC):
            reader = pa.ipc.open_file(source)
            batches: Iterable[pa.RecordBatch] = map(reader.get_batch, range(reader.num_record_batches))
        else:
            batches = pa.ipc.open_stream(source)
        for batch in batches:
            connection.register("rows", pa.Table.from_batches([batch]))
            count += _count_view_rows(connection, "rows", user_id, is_in_texts)
    return count


def _count_view_rows(connection: duckdb.DuckDBPyConnection, view: str, user_id: str, is_in_texts: bool) -> int:
    rows = connection.table(view)
    types = dict(zip(rows.columns, map(str, rows.dtypes), strict=True))
    count = _count_rows(connection, view, types, user_id, is_in_texts)
    is_in_names = is_in_texts and any(re.search(build_id_pattern(user_id), column) for column in types)
    return count + is_in_names
