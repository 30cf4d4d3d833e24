"""Check that the files have the columns that a mapping names, so that a misspelt name does not load as nulls."""

import json
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from warehouse.errors import RecomartError
from warehouse.formatting import format_names
from warehouse.loading.csv_header import LinesBeforeHeader, describe_later_header, read_header
from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.records import read_records
from warehouse.loading.text import read_blocks
from warehouse.sources.columns import get_source_names, split_json_path
from warehouse.sources.declaration import Feed
from warehouse.sources.yaml_file import locate_setting

SAMPLE_FILES = 20
SAMPLE_RECORDS = 200


def check_mapping(
    connection: duckdb.DuckDBPyConnection, feed: Feed, new_files: list[LandingFile], sources: Path
) -> None:
    """Reject a mapping that names a column which neither the new files nor the loaded files have.

    JSON records omit keys without a value, so for JSON only the required columns are checked.

    Raises:
        RecomartError: A mapped column is in none of the files.
    """
    # Every CSV header is read, because it is one line. Of other files, the first ones are a sufficient sample.
    sample = new_files if feed.format == "csv" else new_files[:SAMPLE_FILES]
    names = set(chain.from_iterable(map(_read_column_names, sample)))
    if not names:
        return
    loaded_names = connection.execute(
        "select column_name from raw.seen_columns where feed = ? and is_declared", [feed.name]
    ).fetchall()
    names |= {name for (name,) in loaded_names}
    names_by_column = (
        [(column, name) for column, source in feed.columns.items() for name in get_source_names(source)]
        if feed.format == "csv"
        else feed.required_names
    )
    for column, name in names_by_column:
        if name not in names:
            setting = f"feeds.{feed.name}.columns.{column}"
            raise RecomartError(
                f"{locate_setting(sources, setting)}: {setting}: no column '{name}' in {sample[0].path} or the "
                f"other files of the feed; they have {format_names(sorted(names))}"
                f"{_find_later_header(sample[0]) or '. Correct the mapping'}"
            )


def _read_column_names(file: LandingFile) -> set[str]:
    """Read the column names at the start of a file; empty for an unreadable file, which the load reports."""
    try:
        if file.feed.format == "csv":
            lines_before_header, start = _read_start(file)
            return set(read_header(start, file.feed, lines_before_header.delimiter).names) if start else set()
        with closing(read_records(file, FileLoad())) as chunks:
            texts = next(chunks).table["text"][:SAMPLE_RECORDS].to_pylist()
    except (UnreadableFileError, ChangingFileError, StopIteration):
        return set()
    records = [value for value in map(_parse_json, texts) if isinstance(value, dict)]
    mapped_names = {
        name
        for name in file.feed.mapped_names
        if any(_has_key_path(record, split_json_path(name)) for record in records)
    }
    return mapped_names.union(*records)


def _read_start(file: LandingFile) -> tuple[LinesBeforeHeader, bytes]:
    """Read the start of a CSV file, from its header on."""
    lines_before_header = LinesBeforeHeader(file.feed)
    with closing(read_blocks(file, FileLoad())) as blocks:
        return lines_before_header, lines_before_header.skip(next(blocks, b""))


def _find_later_header(file: LandingFile) -> str:
    """Describe the line of a CSV file that looks like its header, if the first line is none; otherwise empty."""
    if file.feed.format != "csv":
        return ""
    try:
        lines_before_header, start = _read_start(file)
        hint = describe_later_header(start, lines_before_header.line_count + 1, file.feed)
    except (UnreadableFileError, ChangingFileError):
        return ""
    return f". {file.path}: {hint.removeprefix('. ')}" if hint else ""


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
