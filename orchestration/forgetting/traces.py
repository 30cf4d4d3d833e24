"""Search for a customer's id in the tables and files of a warehouse and its landing folder."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb

from warehouse.database import connect, connect_to_file, fetch_first_row, open_ledger_reader
from warehouse.erasure.customer_rows import find_raw_rows, find_rejected_rows
from warehouse.erasure.database_rewriting import TableName
from warehouse.loading.cleaned_ids import MIN_TEXT_LENGTH, build_cleaned_id
from warehouse.loading.compression import DECOMPRESSION_ERRORS, ByteReader, open_decompressed
from warehouse.settings import Settings
from warehouse.sources.columns import RAW_COLUMNS

READ_BYTES = 16 << 20

TEXT_COLUMNS_QUERY = """
    select schema_name, table_name, list(column_name)
    from duckdb_columns()
    where
        (regexp_matches(data_type, 'VARCHAR|JSON|ENUM') or lower(column_name) = 'user_id')
        and (database_name, schema_name, table_name) in (
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
    """Number of rows that have the id, or 1 for a file that is no table."""


def find_traces(settings: Settings, user_id: str) -> list[Trace]:
    """Find the id of a customer; `user_id` is cleaned.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
    """
    traces = []
    if settings.database.exists():
        with closing(connect(settings, read_only=True)) as connection:
            traces += [*_find_landing_rows(connection, settings, user_id), *_find_in_tables(connection, user_id)]
    for copy in sorted(settings.serving_dir.glob("*.duckdb")):
        with closing(connect_to_file(settings, copy, read_only=True)) as connection:
            if count := sum(trace.matches for trace in _find_in_tables(connection, user_id)):
                traces.append(Trace(f"serving/{copy.name}", count))
    return traces + list(_find_in_files(settings, user_id))


def _find_landing_rows(connection: duckdb.DuckDBPyConnection, settings: Settings, user_id: str) -> list[Trace]:
    """Find the landing files from which rows of the customer were loaded, also by a join or `fill_down`."""
    with suppress(duckdb.CatalogException):
        file_rows = [*find_raw_rows(connection, user_id), *find_rejected_rows(connection, user_id)]
        files = {rows.path for rows in file_rows if (settings.landing_dir / rows.path).exists()}
        counts = {
            "loaded and rejected rows": sum(len(rows.lines) for rows in file_rows),
            "landing files of these rows": len(files),
            "names of loaded files": len(find_paths_with_id(connection, user_id)),
        }
        return [Trace(place, count) for place, count in counts.items() if count]
    return []


def _find_in_tables(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[Trace]:
    tables = connection.execute(TEXT_COLUMNS_QUERY).fetchall()
    names = [(TableName(schema, table), columns) for schema, table, columns in tables]
    counts = ((name, _count_rows(connection, name.quoted, columns, user_id)) for name, columns in names)
    return [Trace(str(name), count) for name, count in counts if count]


def find_mentions(settings: Settings, user_id: str) -> list[str]:
    """Return the file and line of each loaded or rejected row that has the id of a customer, in any column."""
    columns = {f"raw.{kind}": ("_file", "_line", [*names, "_extra"]) for kind, names in RAW_COLUMNS.items()}
    columns["raw.rejected_rows"] = ("path", "line", ["text", "error"])
    mentions = []
    with open_ledger_reader(settings) as connection:
        for table, (path, line, texts) in columns.items():
            condition, parameters = _build_condition(texts, user_id)
            query = f"select {path}, {line} from {table} where {condition} order by all"
            mentions += [f"{file}, line {number}" for file, number in connection.execute(query, parameters).fetchall()]
    return mentions


def find_paths_with_id(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[tuple[str, str]]:
    """Return the feed and path of each loaded or rejected file that has the id of a customer in its path."""
    rows = connection.execute(
        "select feed, path from raw.loaded_files union select feed, path from raw.rejected_files order by all"
    ).fetchall()
    return [(feed, path) for feed, path in rows if _is_in_path(user_id, path)]


def _is_in_path(user_id: str, path: str) -> bool:
    """Return whether a path has an id that is no part of a longer word; all marks separate words in paths."""
    pattern = rf"(?<![0-9A-Za-z]){re.escape(user_id)}(?![0-9A-Za-z])"
    return is_text_searched(user_id) and re.search(pattern, path) is not None


def _count_rows(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], user_id: str) -> int:
    """Count the rows with the id: as `user_id`, or if it is long enough, within any text."""
    condition, parameters = _build_condition(columns, user_id)
    row = fetch_first_row(connection, f"select count(*) from {table} where {condition}", parameters)
    return int(row[0]) if row else 0


def _build_condition(columns: Sequence[str], user_id: str) -> tuple[str, dict[str, str]]:
    """Return the condition that a row has the id in one of the columns, and its parameters."""
    texts = {column.lower(): '"' + column.replace('"', '""') + '"::varchar' for column in columns}
    user_column = texts.pop("user_id", None)
    conditions = [f"{build_cleaned_id(user_column)} = $user_id"] if user_column else []
    parameters = {"user_id": user_id} if user_column else {}
    if texts and is_text_searched(user_id):
        conditions += [f"(contains({text}, $user_id) and regexp_matches({text}, $pattern))" for text in texts.values()]
        parameters = {"user_id": user_id, "pattern": build_pattern(user_id)}
    return " or ".join(conditions) or "false", parameters


def is_text_searched(user_id: str) -> bool:
    """Return whether an id is searched in texts: short ones and numbers are also prices, counts and other ids."""
    return len(user_id) >= MIN_TEXT_LENGTH and not re.fullmatch(r"[0-9.,+-]+", user_id)


def build_pattern(user_id: str) -> str:
    """Return the regular expression of an id that is no part of a longer word or of an e-mail address."""
    return rf"(?:^|[^0-9A-Za-z_@.+-]){re.escape(user_id)}[.+]?(?:$|[^0-9A-Za-z_@.+-])"


def _find_in_files(settings: Settings, user_id: str) -> Iterator[Trace]:
    """Find the id in all other files, which are searched as they are and decompressed."""
    for folder in {settings.warehouse, settings.landing_dir}:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            is_landing = file.is_relative_to(settings.landing_dir)
            if folder == settings.warehouse and is_landing:
                continue
            count = _count_in_file(file, user_id)
            if count:
                yield Trace(f"{'landing/' if is_landing else ''}{file.relative_to(folder)}", count)


def _count_in_file(file: Path, user_id: str) -> int:
    # A damaged file is searched as it is. A file can disappear while the folder is listed.
    with suppress(FileNotFoundError):
        if file.suffix == ".parquet":
            with suppress(duckdb.Error):
                return _count_parquet_rows(file, user_id)
        return int(is_text_searched(user_id) and contains_id(file, user_id))
    return 0


def _count_parquet_rows(file: Path, user_id: str) -> int:
    with duckdb.connect() as connection:
        rows = connection.read_parquet(str(file))
        rows.create_view("rows")
        columns = [
            name
            for name, data_type in zip(rows.columns, rows.dtypes, strict=True)
            if "VARCHAR" in str(data_type) or name == "user_id"
        ]
        return _count_rows(connection, "rows", columns, user_id)


def contains_id(file: Path, user_id: str) -> bool:
    """Return whether a file, decompressed or as it is, has an id as UTF-8 text."""
    pattern = re.compile(build_pattern(user_id).encode(), re.MULTILINE)
    return any(_contains(reader, pattern, len(user_id.encode()) + 2) for reader in _open_readers(file))


def _open_readers(file: Path) -> Iterator[ByteReader]:
    """Yield the decompressed content of a file, or the members of a zip archive such as an Excel file."""
    with file.open("rb") as opened:
        try:
            archive = zipfile.ZipFile(opened)
        except zipfile.BadZipFile:
            opened.seek(0)
            yield open_decompressed(cast(Any, opened), opened.peek(16))
            return
        with archive:
            for name in archive.namelist():
                # Encrypted members, and those of unknown compression, cannot be searched.
                with suppress(RuntimeError, zipfile.BadZipFile):
                    yield cast(ByteReader, archive.open(name))


def _contains(reader: ByteReader, pattern: re.Pattern[bytes], overlap: int) -> bool:
    data = b""
    with suppress(*DECOMPRESSION_ERRORS):
        while block := reader.read(READ_BYTES):
            data = data[-overlap:] + block
            if pattern.search(data):
                return True
    return False
