"""Removal of records from landing files: the file is copied without them, the copy is verified and takes its place."""

import hashlib
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from warehouse.atomic_files import flush_to_disk
from warehouse.erasure.removal import Removal, find_removal
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
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileLoad,
    LandingFile,
    UnreadableFileError,
    make_landing_file,
)
from warehouse.loading.records import read_records, read_whole_records
from warehouse.sources.feed_settings import ITEM_NUMBER_NAME

COPY_NAME = ".{}.rewritten"
"""Name of an unfinished copy. The loader skips hidden files."""


def delete_unfinished_copies(landing: Path) -> None:
    """Delete the copies of a killed call; no other call may be active."""
    for copy in landing.rglob(COPY_NAME.format("*")):
        copy.unlink()


def remove_records(file: LandingFile, rows: Collection[int], checksum: str | None = None) -> None:
    """Remove records from a landing file.

    The compression, the encoding and the other records stay as they are. A file of which no record is left stays, with
    its header. Of a symbolic link, the file behind it is rewritten.

    Args:
        file: The file, as it was listed.
        rows: The numbers of the rows to remove, as `_line` of the raw tables has them. With `unnest`, a record of which
            other rows stay loses only the items of these rows.
        checksum: Checksum of the file that has these rows.

    Raises:
        RecomartError: The file changes or cannot be read, or the copy would have other records. The file is unchanged.
    """
    location = file.location.resolve()
    copy = location.with_name(COPY_NAME.format(location.name))
    try:
        _write_verified_copy(file, copy, set(rows), checksum)
        _copy_permissions(location, copy)
        _check_unchanged(file)
        copy.replace(location)
    except ChangingFileError as error:
        raise RecomartError(
            f"{file.path}: the file changed. Call the command again when the file is complete"
        ) from error
    except (UnreadableFileError, OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        numbers = ", ".join(map(str, sorted(rows)[:5])) + (", ..." if len(rows) > 5 else "")
        raise RecomartError(
            f"{file.path}: {format_count(len(rows), 'record')} cannot be removed: {error}. Remove them by hand "
            f"(numbers {numbers}), or delete the file, and call the command again"
        ) from error
    finally:
        with suppress(OSError):
            copy.unlink()


def _copy_permissions(original: Path, copy: Path) -> None:
    """Give a copy the times, mode and owner of the original, and write it to the disk."""
    shutil.copystat(original, copy)
    original_stat = original.stat()
    # Only root can give files away.
    with suppress(PermissionError):
        os.chown(copy, original_stat.st_uid, original_stat.st_gid)
    flush_to_disk(copy)


def _check_unchanged(file: LandingFile) -> None:
    if not file.is_unchanged():
        raise ChangingFileError


def _write_verified_copy(file: LandingFile, copy: Path, rows: set[int], checksum: str | None) -> None:
    """Copy a file without these rows; check that the loader reads the other rows as before.

    Raises:
        ChangingFileError: The file changed after it was listed or loaded.
        UnreadableFileError: The loader would read other rows.
    """
    file_load = FileLoad()
    record_lines = [
        line for records in read_whole_records(file, file_load) for line in records.table["line"].to_pylist()
    ]
    removal = find_removal(file, rows)
    if checksum not in (None, file_load.checksum) or not removal.records.issubset(record_lines):
        raise ChangingFileError
    _copy(file, copy, record_lines, removal)
    copied = make_landing_file(file.feed, file.path, copy, copy.stat())
    is_parsed = file.feed.format == "json" or bool(removal.items)
    if _hash_rows(copied, frozenset(), is_parsed=is_parsed) != _hash_rows(file, rows, is_parsed=is_parsed):
        raise UnreadableFileError("without these records, the loader would read the other ones differently")


def _copy(file: LandingFile, copy: Path, record_lines: list[int], removal: Removal) -> None:
    match file.feed.format:
        case "parquet":
            copy_parquet(file, copy, removal)
        case "arrow":
            copy_arrow(file, copy, removal)
        case "excel":
            copy_workbook(file, copy, removal.records)
        case "json":
            copy_document(file, copy, removal)
        case "jsonl" if has_objects_for_lines(file):
            copy_objects(file, copy, removal)
        case _:
            copy_lines(file, copy, record_lines, removal)


def _hash_rows(file: LandingFile, removed: Collection[int], *, is_parsed: bool) -> str:
    """Return the hash of the header and of the texts of all rows but the removed ones.

    Args:
        file: The file to read.
        removed: The numbers of the rows to leave out.
        is_parsed: Whether the texts are JSON of which the white space and the numbers of items can change.
    """
    digest = hashlib.sha256()
    header: tuple[str, ...] = ()
    for records in read_records(file, FileLoad()):
        for row in records.table.to_pylist():
            if row.pop("line") in removed:
                continue
            # Without rows, the reader does not yield the header.
            if records.header != header:
                header = records.header
                digest.update(repr(header).encode())
            # The rest of a file decides which of several errors a broken line has.
            row["error"] = row["error"] is not None
            if is_parsed:
                row["text"] = parse_exactly(row["text"])
                if isinstance(row["text"], dict):
                    row["text"].pop(ITEM_NUMBER_NAME, None)
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
