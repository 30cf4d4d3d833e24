"""Check that the files fit a mapping, so that a misspelt name does not load as nulls, nor an object as an id."""

from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.errors import RecomartError
from warehouse.formatting import format_names
from warehouse.loading.csv_header import LinesBeforeHeader, describe_later_header, read_header
from warehouse.loading.json_reader import parse_json
from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.records import read_records
from warehouse.loading.text import read_blocks
from warehouse.sources.columns import ID_COLUMNS, format_json_path, get_source_names, split_json_path
from warehouse.sources.declaration import Feed
from warehouse.sources.yaml_file import locate_setting

SAMPLE_FILES = 20
SAMPLE_RECORDS = 200


class FileSample(NamedTuple):
    """The start of a file; empty for an unreadable file, which the load reports."""

    file: LandingFile
    names: set[str]
    """The names of its columns, or the keys of its first records."""

    records: list[dict[str, Any]]
    """The first records of a file with JSON objects."""


def check_mapping(
    connection: duckdb.DuckDBPyConnection,
    feed: Feed,
    new_files: Sequence[LandingFile],
    sources: Path,
    joined_files: Sequence[LandingFile] = (),
) -> None:
    """Reject a declaration that names a column which neither the new files nor the loaded files have.

    JSON records omit keys without a value, so for JSON only the required columns are checked, and the names without
    which all rows would be excluded. A mapping is also rejected if an id column has only objects or lists. Conditions
    and the key can name columns of `joined_files`.

    Raises:
        RecomartError: A mapped column is in none of the files, or is no id.
    """
    # Every CSV header is read, because it is one line. Of other files, the first ones are a sufficient sample.
    samples = [_read_sample(file) for file in (new_files if feed.format == "csv" else new_files[:SAMPLE_FILES])]
    names = set(chain.from_iterable(sample.names for sample in samples))
    if names:
        _check_mapped_names(connection, feed, samples[0].file, names, sources)
    joined_names = set(chain.from_iterable(_read_sample(file).names for file in joined_files[:SAMPLE_FILES]))
    _check_row_names(connection, feed, names, joined_names, sources)
    for column in ID_COLUMNS:
        for name in get_source_names(feed.columns.get(column, ())):
            if problem := _find_id_problem(name, samples):
                setting = f"feeds.{feed.name}.columns.{column}"
                raise RecomartError(f"{locate_setting(sources, setting)}: {setting}: {problem}")


def _check_mapped_names(
    connection: duckdb.DuckDBPyConnection, feed: Feed, first_file: LandingFile, names: set[str], sources: Path
) -> None:
    loaded_names = connection.execute(
        "select column_name from raw.seen_columns where feed = ? and is_declared", [feed.name]
    ).fetchall()
    names = names | {name for (name,) in loaded_names}
    names_by_column = (
        [(column, name) for column, source in feed.columns.items() for name in get_source_names(source)]
        # Files of a log lack the columns that a later version of RecoMart added.
        if _has_all_keys(feed) and not feed.is_log
        else feed.required_names
    )
    for column, name in names_by_column:
        if name not in names:
            setting = f"feeds.{feed.name}.columns.{column}"
            raise RecomartError(
                f"{locate_setting(sources, setting)}: {setting}: no column '{name}' in {first_file.path} or the "
                f"other files of the feed; they have {format_names(sorted(names))}"
                f"{_find_later_header(first_file) or '. Correct the mapping'}"
            )


def _check_row_names(
    connection: duckdb.DuckDBPyConnection, feed: Feed, names: set[str], joined_names: set[str], sources: Path
) -> None:
    """Check the names in conditions, key and fill_down; they can change when no file is new."""
    query = "select column_name from raw.seen_columns where feed = ?"
    names = names | {name for (name,) in connection.execute(query, [feed.name]).fetchall()}
    joined_names = joined_names | {name for (name,) in connection.execute(query, [f"{feed.name}.join"]).fetchall()}
    # Joined files can arrive later than the rows that they fill.
    if not names or (feed.join and not joined_names):
        return
    names |= joined_names
    for setting_name, name in feed.get_row_names(is_complete=_has_all_keys(feed)):
        # Of nested values that are not mapped, only the first key of the path is recorded.
        if name not in names and split_json_path(name)[0] not in names:
            setting = f"feeds.{feed.name}.{setting_name}"
            raise RecomartError(
                f"{locate_setting(sources, setting)}: {setting}: no column '{name}' in the files of the feed; they "
                f"have {format_names(sorted(names))}. Correct the name"
            )


def _has_all_keys(feed: Feed) -> bool:
    """Return whether a record has a key without a value, too."""
    return feed.format not in ("jsonl", "json")


def _read_sample(file: LandingFile) -> FileSample:
    texts: list[str] = []
    with suppress(UnreadableFileError, ChangingFileError):
        if file.feed.format == "csv":
            lines_before_header, start = _read_start(file)
            header_names = read_header(start, file.feed, lines_before_header.delimiter).names if start else ()
            return FileSample(file, set(header_names), [])
        with closing(read_records(file, FileLoad())) as chunks:
            for chunk in chunks:
                texts += chunk.table["text"][: SAMPLE_RECORDS - len(texts)].to_pylist()
                if len(texts) == SAMPLE_RECORDS:
                    break
    records = [value for value in map(parse_json, texts) if isinstance(value, dict)]
    mapped_names = {
        name
        for name in file.feed.mapped_names
        if any(_has_key_path(record, split_json_path(name)) for record in records)
    }
    return FileSample(file, mapped_names.union(*records), records)


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


def _find_id_problem(name: str, samples: Sequence[FileSample]) -> str | None:
    """Describe an id that is an object or a list in all records of the samples that have it, or return None."""
    path = split_json_path(name)
    values = [(sample.file, _get_value(record, path)) for sample in samples for record in sample.records]
    values = [(file, value) for file, value in values if value is not None]
    if not values or not all(isinstance(value, dict | list) for _, value in values):
        return None
    file, value = values[0]
    # A list of plain values needs no path.
    item = next((item for item in value if isinstance(item, dict)), {}) if isinstance(value, list) else value
    example = f"a path such as {format_json_path((*path, _choose_id_key(item)))}" if item else ""
    if isinstance(value, list):
        remedy = f"Declare unnest: {name}, which makes each item a row{f', and write {example}' if example else ''}"
        return f"'{name}' is a list (first seen in {file.path}). {remedy}"
    keys = f" with the keys {format_names(list(value))}" if value else " without keys"
    return f"'{name}' is an object{keys} (first seen in {file.path}). Write {example or 'a path to the id'}"


def _choose_id_key(item: dict[str, Any]) -> str:
    """Return the key that most probably has the id of an object."""
    return next((key for key in item if key.lower() == "id"), None) or next(
        (key for key in item if key.lower().endswith(("id", "sku", "code"))), next(iter(item))
    )


def _has_key_path(value: Any, keys: tuple[str, ...]) -> bool:
    return keys[-1] in _get_members(_get_value(value, keys[:-1]))


def _get_value(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = _get_members(value).get(key)
    return value


def _get_members(value: Any) -> dict[str, Any]:
    """Return the members of an object by key, or the items of a list by number."""
    if isinstance(value, list):
        return {str(number): item for number, item in enumerate(value)}
    return value if isinstance(value, dict) else {}
