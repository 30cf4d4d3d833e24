"""Removal of records from landing files: the file is copied without them, the copy is verified and takes its place."""

import hashlib
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from warehouse.erasure.tabular_rewriting import copy_arrow, copy_parquet, copy_workbook
from warehouse.erasure.text_rewriting import (
    copy_document,
    copy_lines,
    copy_objects,
    has_objects_for_lines,
    parse_exactly,
)
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.nested_records import has_nested_lists, number_rows, replace_lists
from warehouse.loading.records import read_whole_records


def remove_records(file: LandingFile, rows: Collection[int]) -> None:
    """Remove records from a landing file.

    The compression, the encoding and the other records stay as they are. A file of which no record is left stays, with
    its header.

    Args:
        file: The file, as it was listed.
        rows: The numbers of the rows to remove, as `_line` of the raw tables has them. With `unnest`, the record of
            each row is removed with all its items.

    Raises:
        RecomartError: The file changes or cannot be read, or the copy would have other records. The file is unchanged.
    """
    # The loader skips hidden files.
    copy = file.location.with_name(f".{file.location.name}.rewritten")
    try:
        _write_verified_copy(file, copy, _find_records(file, rows))
        shutil.copystat(file.location, copy)
        _check_unchanged(file)
        copy.replace(file.location)
    except ChangingFileError as error:
        raise RecomartError(f"{file.path}: the file is changing. Call the command again when it is complete") from error
    except (UnreadableFileError, OSError, ValueError, KeyError, TypeError) as error:
        numbers = ", ".join(map(str, sorted(rows)[:5])) + (", ..." if len(rows) > 5 else "")
        raise RecomartError(
            f"{file.path}: {format_count(len(rows), 'record')} cannot be removed: {error}. Remove them by hand "
            f"(numbers {numbers}), or delete the file, and call the command again"
        ) from error
    finally:
        with suppress(FileNotFoundError):
            copy.unlink()


def _check_unchanged(file: LandingFile) -> None:
    if not file.is_unchanged():
        raise ChangingFileError


def _write_verified_copy(file: LandingFile, copy: Path, removed: set[int]) -> None:
    """Copy a file without the records of these numbers; check that the loader reads the other records as before.

    Raises:
        ChangingFileError: The file changed after it was listed.
        UnreadableFileError: The loader would read other records.
    """
    record_lines = _read_record_lines(file)
    if not removed.issubset(record_lines):
        raise ChangingFileError
    _copy(file, copy, record_lines, removed)
    copy_stat = copy.stat()
    copied = replace(file, location=copy, size_bytes=copy_stat.st_size, changed_ns=copy_stat.st_ctime_ns)
    if _hash_records(copied, frozenset()) != _hash_records(file, removed):
        raise UnreadableFileError("without these records, the loader would read the other ones differently")


def _find_records(file: LandingFile, rows: Collection[int]) -> set[int]:
    """Return the numbers of the records that have these rows."""
    if not has_nested_lists(file.feed) or not file.feed.unnest:
        return set(rows)
    removed: set[int] = set()
    row_count = 0
    for records in read_whole_records(file, FileLoad()):
        items = replace_lists(records.table, file.feed)
        numbers = number_rows(items, row_count).to_pylist()
        removed |= {line for line, number in zip(items["line"].to_pylist(), numbers, strict=True) if number in rows}
        row_count += len(items)
    return removed


def _read_record_lines(file: LandingFile) -> list[int]:
    return [line for records in read_whole_records(file, FileLoad()) for line in records.table["line"].to_pylist()]


def _copy(file: LandingFile, copy: Path, record_lines: list[int], removed: set[int]) -> None:
    match file.feed.format:
        case "parquet":
            copy_parquet(file, copy, removed)
        case "arrow":
            copy_arrow(file, copy, removed)
        case "excel":
            copy_workbook(file, copy, removed)
        case "json":
            copy_document(file, copy, removed)
        case "jsonl" if has_objects_for_lines(file):
            copy_objects(file, copy, removed)
        case _:
            copy_lines(file, copy, record_lines, removed)


def _hash_records(file: LandingFile, removed: Collection[int]) -> str:
    """Return the hash of the header and of the texts of all records but the removed ones."""
    digest = hashlib.sha256()
    is_document = file.feed.format == "json"
    header: tuple[str, ...] = ()
    for records in read_whole_records(file, FileLoad()):
        if records.header != header:
            header = records.header
            digest.update(repr(header).encode())
        for record in records.table.to_pylist():
            if record.pop("line") not in removed:
                if is_document:
                    # The white space of a document changes.
                    record["text"] = parse_exactly(record["text"])
                digest.update(repr(record).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
