"""Do the columns that a mapping names exist in the files? A misspelt name must not end as a column of nulls."""

import json
from itertools import chain
from pathlib import Path

import duckdb

from warehouse.errors import RecomartError
from warehouse.loading.files import NewFile, UnreadableFileError, read_blocks
from warehouse.loading.records import count_records, csv_header
from warehouse.sources import REQUIRED_COLUMNS, Feed

SAMPLE_FILES = 20
SAMPLE_RECORDS = 200
MOST_NAMES = 30


def check_mapping(connection: duckdb.DuckDBPyConnection, feed: Feed, new_files: list[NewFile], sources: Path) -> None:
    """Refuse a mapping that names a column which neither the new files nor those loaded before have.

    JSON leaves out what has no value, so there only the required columns are held to this.

    Raises:
        RecomartError: A mapped column is in none of the files.
    """
    # A header is one line and tells all; of other files, the first ones tell enough.
    sample = new_files if feed.format == "csv" else new_files[:SAMPLE_FILES]
    present = set(chain.from_iterable(_columns_of(new) for new in sample))
    if not present:
        return
    known = connection.execute(
        "select column_name from raw.seen_columns where feed = ? and is_declared", [feed.name]
    ).fetchall()
    present |= {name for (name,) in known}
    for column, name in feed.columns.items():
        is_held = feed.format == "csv" or column in REQUIRED_COLUMNS[feed.kind]
        if is_held and name not in present:
            raise RecomartError(
                f"{sources}: feeds.{feed.name}.columns.{column}: no column '{name}' in {sample[0].file.path} or the "
                f"other files of the feed; they have {_listed(present)}"
            )


def _listed(names: set[str]) -> str:
    """Names for a message: printable, and not more than a line."""
    shown = [name if name.isprintable() else repr(name) for name in sorted(names)[:MOST_NAMES]]
    return ", ".join(name[:60] for name in shown) + (" and others" if len(names) > MOST_NAMES else "")


def _columns_of(new: NewFile) -> set[str]:
    """The column names at the head of a file; none where it cannot be read, which the load itself will report."""
    blocks = read_blocks(new)
    try:
        match new.file.feed.format:
            case "csv":
                return set(csv_header(next(blocks, b"").partition(b"\n")[0], new.file.feed))
            case "json":
                return _keys_of_document(b"".join(blocks), new.file.feed)
            case "jsonl":
                lines = next(blocks, b"").split(b"\n", SAMPLE_RECORDS)[:SAMPLE_RECORDS]
                records = [_json_or_none(line) for line in lines]
    except UnreadableFileError:
        return set()
    return {key for record in records if isinstance(record, dict) for key in record}


def _keys_of_document(data: bytes, feed: Feed) -> set[str]:
    count_records(data, feed)
    keys = """
        select distinct unnest(json_keys(element))
        from (select unnest(json_extract($text, $path)) as element)
        where json_type(element) = 'OBJECT'
    """
    with duckdb.connect() as connection:
        found = connection.execute(keys, {"text": data.decode(), "path": feed.records_path + "[*]"}).fetchall()
    return {key for (key,) in found}


def _json_or_none(line: bytes) -> object:
    try:
        value: object = json.loads(line)
    except ValueError:
        return None
    return value
