"""Search for a customer's id in the tables and files of a warehouse and its landing folder."""

import codecs
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb

from warehouse.database import connect, connect_to_file, describe_lock_error, fetch_first_row, open_ledger_reader
from warehouse.erasure.customer_rows import find_raw_rows, find_rejected_rows
from warehouse.errors import WarehouseBusyError
from warehouse.loading.cleaned_ids import (
    build_can_have_id,
    build_cleaned_id,
    build_id_pattern,
    spell_id,
)
from warehouse.loading.cleaned_ids import is_text_searched as is_text_searched
from warehouse.loading.compression import DECOMPRESSION_ERRORS, ByteReader, open_decompressed
from warehouse.loading.text import CANDIDATE_ENCODINGS, detect_encoding
from warehouse.settings import Settings
from warehouse.sources.columns import RAW_COLUMNS
from warehouse.sources.yaml_file import read_sources
from warehouse.sql_text import TableName, quote_identifier, quote_literal

READ_BYTES = 16 << 20

DECOMPRESSED_BYTES = 8 << 10
"""Bytes read at a time by readers that return no bytes if the file is damaged behind some of them."""

MAX_CHARACTER_BYTES = 64
"""Maximum bytes of a character in any spelling: a decomposed one of four parts, escaped in JSON, has 48."""

DUCKDB_MAGIC = b"DUCK"
"""Bytes 8 to 12 of a DuckDB file."""

PATH_COLUMNS = ("path", "_file", "first_path")
"""Columns with paths of files."""

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
    if settings.database.exists():
        with closing(connect(settings, read_only=True)) as connection:
            traces += [
                *_find_landing_rows(connection, settings, user_id),
                *_find_in_tables(connection, user_id),
                *_find_in_definitions(connection, user_id),
            ]
    return traces + list(_find_in_files(settings, user_id))


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
    return [(feed, path) for feed, path in rows if _is_in_name(user_id, path)]


def _find_in_definitions(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[Trace]:
    """Find the types, views and tables that have the id in their definition, such as a value of an ENUM."""
    if not is_text_searched(user_id):
        return []
    query = f"select * from ({DEFINITIONS_QUERY}) as definitions (name, sql) where regexp_matches(sql, ?)"
    rows = connection.execute(query, [build_id_pattern(user_id)]).fetchall()
    return [Trace(name, 1, remedy="its definition: drop it") for name, _ in rows]


def _count_rows(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], user_id: str) -> int:
    """Count the rows with the id: as `user_id`, or if it is long enough, within any text."""
    condition, parameters = _build_condition(columns, user_id)
    row = fetch_first_row(connection, f"select count(*) from {table} where {condition}", parameters)
    return int(row[0]) if row else 0


def _build_condition(columns: Sequence[str], user_id: str) -> tuple[str, dict[str, str]]:
    """Return the condition that a row has the id in one of the columns, and its parameters."""
    texts = {column.lower(): f"{quote_identifier(column)}::varchar" for column in columns}
    user_column = texts.pop("user_id", None)
    conditions = [f"{build_cleaned_id(user_column)} = $user_id"] if user_column else []
    if texts and is_text_searched(user_id):
        patterns = {True: quote_literal(build_name_pattern(user_id)), False: quote_literal(build_id_pattern(user_id))}
        conditions += [
            f"({build_can_have_id(text)} and regexp_matches({text}, {patterns[column in PATH_COLUMNS]}))"
            for column, text in texts.items()
        ]
    return " or ".join(conditions) or "false", {"user_id": user_id} if conditions else {}


def _is_in_name(user_id: str, name: str) -> bool:
    is_found = re.search(build_name_pattern(user_id), unicodedata.normalize("NFC", name)) is not None
    return is_found and is_text_searched(user_id)


def build_name_pattern(user_id: str) -> str:
    """Return the regular expression of an id in the name of a file: `_`, `-` and `.` separate the parts of names."""
    return rf"(?:^|[^0-9A-Za-z]){spell_id(user_id)}(?:$|[^0-9A-Za-z])"


def _find_in_files(settings: Settings, user_id: str) -> Iterator[Trace]:
    """Find the id in all other files, which are searched as they are and decompressed, and in names."""
    for folder in {settings.warehouse, settings.landing_dir}:
        for path in sorted(folder.rglob("*")):
            is_landing = path.is_relative_to(settings.landing_dir)
            if folder == settings.warehouse and is_landing:
                continue
            place = f"{'landing/' if is_landing else ''}{path.relative_to(folder)}"
            if _is_in_name(user_id, path.name):
                yield Trace(place, 1, remedy="its name: rename or delete it")
            if path.is_file() and (count := count_in_file(settings, path, user_id)):
                yield Trace(place, count)


def count_in_file(settings: Settings, file: Path, user_id: str) -> int:
    """Return the number of rows of a DuckDB or Parquet file that have the id; of another file 1 if it has the id.

    A damaged file is searched as far as it can be read, and as it is.

    Raises:
        WarehouseBusyError: Another process is writing the DuckDB file.
    """
    # A file can disappear while the folder is listed.
    with suppress(FileNotFoundError):
        if file.suffix == ".parquet":
            with suppress(duckdb.Error):
                return _count_parquet_rows(file, user_id)
        if (
            file != settings.database
            and _is_duckdb_file(file)
            and (count := _count_database_rows(settings, file, user_id))
        ):
            return count
        return int(is_text_searched(user_id) and contains_id(file, user_id))
    return 0


def _is_duckdb_file(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(12)[8:] == DUCKDB_MAGIC


def _count_database_rows(settings: Settings, file: Path, user_id: str) -> int:
    """Count the rows of a DuckDB file: its blocks are compressed."""
    try:
        with closing(connect_to_file(settings, file, read_only=True)) as connection:
            traces = [*_find_in_tables(connection, user_id), *_find_in_definitions(connection, user_id)]
            return sum(trace.matches for trace in traces)
    except duckdb.Error as error:
        if lock_message := describe_lock_error(str(error), file):
            raise WarehouseBusyError(lock_message) from error
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
    """Return whether a file, decompressed or as it is, has an id as text in any spelling and common encoding."""
    patterns = _compile_patterns(user_id)
    overlap = MAX_CHARACTER_BYTES * (len(user_id) + 2)
    return any(_contains(reader, patterns, overlap) for reader in _open_readers(file))


def _compile_patterns(user_id: str) -> list[re.Pattern[bytes]]:
    """Compile the patterns of an id in UTF-8 and in the encodings that the loader detects; most ids have one."""
    patterns = []
    for encoding in ("utf-8", *CANDIDATE_ENCODINGS):
        with suppress(UnicodeEncodeError):
            user_id.encode(encoding)
            patterns.append(build_id_pattern(user_id, partial(_encode, encoding)).encode("latin-1"))
    return [re.compile(pattern, re.MULTILINE) for pattern in dict.fromkeys(patterns)]


def _encode(encoding: str, text: str) -> str:
    """Return a character for each byte of a text in an encoding, and an escape if it has no bytes."""
    return text.encode(encoding, "backslashreplace").decode("latin-1")


def _open_readers(file: Path) -> Iterator[ByteReader]:
    """Yield the content of a file, then the decompressed content, or the members of a zip archive such as Excel's."""
    with file.open("rb") as opened:
        yield opened
        opened.seek(0)
        try:
            archive = zipfile.ZipFile(opened)
        except zipfile.BadZipFile:
            opened.seek(0)
            reader = open_decompressed(cast(Any, opened), opened.peek(16))
            if reader is not opened:
                yield reader
            return
        with archive:
            for name in archive.namelist():
                # Encrypted members, and those of unknown compression, cannot be searched.
                with suppress(RuntimeError, zipfile.BadZipFile):
                    yield cast(ByteReader, archive.open(name))


def _contains(reader: ByteReader, patterns: Sequence[re.Pattern[bytes]], overlap: int) -> bool:
    # Unlike `read`, `read1` returns the bytes before a damage.
    read, size = getattr(reader, "read1", None), READ_BYTES
    if read is None:
        read, size = reader.read, DECOMPRESSED_BYTES
    data = decoded = b""
    decoder: codecs.IncrementalDecoder | None = None
    with suppress(*DECOMPRESSION_ERRORS):
        while block := read(size):
            if not data:
                encoding = detect_encoding(block[:4], is_guessing_allowed=False)
                if encoding != "utf-8":
                    decoder = codecs.getincrementaldecoder(encoding)("replace")
            data = data[-overlap:] + block
            if decoder:
                decoded = decoded[-overlap:] + decoder.decode(block).encode()
            if any(pattern.search(data) or pattern.search(decoded) for pattern in patterns):
                return True
    return False
