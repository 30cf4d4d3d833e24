"""Copies of text files without some of their records; the bytes of the other records stay as they are."""

import bz2
import codecs
import gzip
import io
import lzma
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain, repeat
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import simplejson

from warehouse.erasure.removal import Removal
from warehouse.loading.compression import BZIP2_PATTERN, GZIP_MAGIC, XZ_MAGIC, ZSTD_MAGIC, open_decompressed
from warehouse.loading.json_records import has_objects_across_lines, read_first_line, read_json_lines
from warehouse.loading.landing_files import FileLoad, LandingFile, open_landing_file
from warehouse.loading.text import BLOCK_BYTES, has_return_line_ends, read_blocks

MAGIC_BYTES = 16
"""First bytes of a file that show its compression."""


def copy_lines(file: LandingFile, destination: Path, record_lines: list[int], removal: Removal) -> None:
    """Copy a file of lines without some records.

    Args:
        file: The CSV or JSON lines file.
        destination: The new file, in the compression of the file.
        record_lines: The number of the first line of every record, in order. A record ends before the next one.
        removal: The first lines of the records to leave out, and the items to leave out of other records.
    """
    encoding = _detect_encoding(file)
    next_lines = iter([*record_lines, -1])
    next_line, is_removed = next(next_lines), False
    with _open_for_copy(file, destination) as target:
        for number, line in enumerate(_read_lines(file, encoding), start=1):
            if number == next_line:
                next_line, is_removed = next(next_lines), number in removal.records
            if number in removal.items:
                text = line.decode(encoding)
                edited = _remove_items(removal, number, text.removeprefix("\ufeff"))
                target.write(f"{edited}{text[len(text.rstrip()) :]}".encode(encoding))
            elif not is_removed:
                target.write(line)


def _remove_items(removal: Removal, number: int, text: str) -> str:
    record = parse_exactly(text)
    removal.edit_record(number, record)
    return str(simplejson.dumps(record, use_decimal=True, ensure_ascii=False))


def has_objects_for_lines(file: LandingFile) -> bool:
    """Return whether the records of a JSON lines file are objects that do not end with their lines."""
    return has_objects_across_lines(read_first_line(read_blocks(file, FileLoad())))


def copy_objects(file: LandingFile, destination: Path, removal: Removal) -> None:
    """Copy a file of JSON objects, one behind the other, without some of them; the first two share a line."""
    file_load = FileLoad()
    # A second object in the first line shows the loader that lines are no objects.
    separators = chain(["", " "], repeat("\n"))
    with _open_for_copy(file, destination) as target:
        for table in read_json_lines(read_blocks(file, file_load), file_load):
            for number, text in zip(table["line"].to_pylist(), table["text"].to_pylist(), strict=True):
                if number in removal.items:
                    text = _remove_items(removal, number, text)
                if number not in removal.records:
                    target.write(f"{next(separators)}{text}".encode(file_load.encoding or "utf-8"))


def copy_document(file: LandingFile, destination: Path, removal: Removal) -> None:
    """Copy a JSON document without some of the records in its list; numbers keep their digits."""
    file_load = FileLoad()
    text = b"".join(read_blocks(file, file_load)).decode("utf-8")
    document = parse_exactly(text)
    parent: Any = {"": document}
    path = ("", *file.feed.records_path)
    for key in path[:-1]:
        parent = parent[key]
    records = parent[path[-1]]
    for number, record in enumerate(records.values() if isinstance(records, dict) else records, start=1):
        if number in removal.items:
            removal.edit_record(number, record)
    kept = (number not in removal.records for number in range(1, len(records) + 1))
    if isinstance(records, dict):
        parent[path[-1]] = {key: value for (key, value), is_kept in zip(records.items(), kept, strict=True) if is_kept}
    else:
        parent[path[-1]] = [value for value, is_kept in zip(records, kept, strict=True) if is_kept]
    with _open_for_copy(file, destination) as target:
        rewritten = simplejson.dumps(parent[""] if not file.feed.records_path else document, use_decimal=True, indent=1)
        target.write(rewritten.encode(file_load.encoding or "utf-8"))


def parse_exactly(text: str) -> Any:
    """Parse JSON; numbers with decimals become decimals."""
    return simplejson.loads(text, use_decimal=True)


def _detect_encoding(file: LandingFile) -> str:
    file_load = FileLoad()
    for _ in read_blocks(file, file_load):
        break
    return file_load.encoding or "utf-8"


def _read_lines(file: LandingFile, encoding: str) -> Iterator[bytes]:
    """Yield the bytes of each line, as the loader counts lines, in the encoding of the file."""
    # In all other encodings that the loader reads, the bytes of line ends are no part of other characters.
    is_wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    codec, errors = (encoding, "surrogatepass") if is_wide else ("latin-1", "strict")
    decoder = codecs.getincrementaldecoder(codec)(errors)
    with open_landing_file(file) as opened:
        stream = open_decompressed(cast(io.RawIOBase, opened), opened.peek(MAGIC_BYTES))
        text, line_end = "", ""
        while block := stream.read(BLOCK_BYTES):
            text += decoder.decode(block)
            line_end = line_end or ("\r" if has_return_line_ends(text.encode("utf-8", "surrogatepass")) else "\n")
            *lines, text = text.split(line_end)
            for line in lines:
                yield f"{line}{line_end}".encode(codec, errors)
        text += decoder.decode(b"", True)
        if text:
            yield text.encode(codec, errors)


def _open_for_copy(file: LandingFile, destination: Path) -> AbstractContextManager[Any]:
    """Open the destination in the compression of the file."""
    with open_landing_file(file) as opened:
        start = opened.peek(MAGIC_BYTES)
    if start.startswith(GZIP_MAGIC):
        return gzip.open(destination, "wb")
    if re.match(BZIP2_PATTERN, start):
        return bz2.open(destination, "wb")
    if start.startswith(XZ_MAGIC):
        return lzma.open(destination, "wb")
    if start.startswith(ZSTD_MAGIC):
        writer: AbstractContextManager[Any] = pa.CompressedOutputStream(pa.OSFile(str(destination), "wb"), "zstd")
        return writer
    return destination.open("wb")
