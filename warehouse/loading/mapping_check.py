"""Do the columns that a mapping names exist in the files? A misspelt name must not end as a column of nulls."""

import json
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from warehouse.errors import RecomartError
from warehouse.formatting import format_names
from warehouse.loading.csv_records import read_header, skip_to_header
from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.records import read_records
from warehouse.loading.text import read_blocks
from warehouse.sources.declaration import REQUIRED_COLUMNS, Feed, split_json_path

SAMPLE_FILES = 20
SAMPLE_RECORDS = 200


def check_mapping(
    connection: duckdb.DuckDBPyConnection, feed: Feed, new_files: list[LandingFile], sources: Path
) -> None:
    """Refuse a mapping that names a column which neither the new files nor those loaded before have.

    JSON leaves out what has no value, so there only the required columns are held to this.

    Raises:
        RecomartError: A mapped column is in none of the files.
    """
    # A header is one line and tells all; of other files, the first ones tell enough.
    sample = new_files if feed.format == "csv" else new_files[:SAMPLE_FILES]
    present = set(chain.from_iterable(map(_read_column_names, sample)))
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
                f"{sources}: feeds.{feed.name}.columns.{column}: no column '{name}' in {sample[0].path} or the "
                f"other files of the feed; they have {format_names(sorted(present))}"
            )


def _read_column_names(file: LandingFile) -> set[str]:
    """The column names at the head of a file; none where it cannot be read, which the load itself will report."""
    reading = FileLoad()
    try:
        if file.feed.format == "csv":
            with closing(read_blocks(file, reading)) as blocks:
                start, delimiter = skip_to_header(next(blocks, b""))
                return set(read_header(start, file.feed, delimiter)[1])
        with closing(read_records(file, reading)) as pieces:
            texts = next(pieces).table["text"][:SAMPLE_RECORDS].to_pylist()
    except (UnreadableFileError, ChangingFileError, StopIteration):
        return set()
    objects = [value for value in map(_parse_json, texts) if isinstance(value, dict)]
    mapped = {
        name
        for name in file.feed.columns.values()
        if any(_has_key_path(value, split_json_path(name)) for value in objects)
    }
    return mapped.union(*objects)


def _has_key_path(value: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _parse_json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
