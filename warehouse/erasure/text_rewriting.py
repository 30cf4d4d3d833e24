"""Copies of text files without some of their records; the bytes of the other records stay as they are."""

import bz2
import codecs
import gzip
import io
import lzma
import re
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import simplejson

from warehouse.loading.compression import BZIP2_PATTERN, GZIP_MAGIC, XZ_MAGIC, ZSTD_MAGIC, open_decompressed
from warehouse.loading.json_records import has_objects_across_lines, read_first_line, read_json_lines
from warehouse.loading.landing_files import FileLoad, LandingFile
from warehouse.loading.text import BLOCK_BYTES, has_return_line_ends, read_blocks

MAGIC_BYTES = 16
"""First bytes of a file that show its compression."""


def copy_lines(file: LandingFile, destination: Path, record_lines: list[int], removed_lines: Collection[int]) -> None:
    """Copy a file of lines without some records.

    Args:
        file: The CSV or JSON lines file.
        destination: The new file, in the compression of the file.
        record_lines: The number of the first line of every record, in order. A record ends before the next one.
        removed_lines: The first lines of the records to leave out.
    """
    encoding = _detect_encoding(file)
    starts = np.array(record_lines)
    removed = np.isin(starts, list(removed_lines))
    with _open_for_copy(file, destination) as target:
        for number, line in enumerate(_read_lines(file, encoding), start=1):
            record = int(np.searchsorted(starts, number, side="right")) - 1
            if record < 0 or not removed[record]:
                target.write(line)


def has_objects_for_lines(file: LandingFile) -> bool:
    """Return whether the records of a JSON lines file are objects that do not end with their lines."""
    return has_objects_across_lines(read_first_line(read_blocks(file, FileLoad())))


def copy_objects(file: LandingFile, destination: Path, removed_numbers: Collection[int]) -> None:
    """Copy a file of JSON objects, one behind the other, without some of them; each then has its own line."""
    file_load = FileLoad()
    with _open_for_copy(file, destination) as target:
        for table in read_json_lines(read_blocks(file, file_load), file_load):
            for number, text in zip(table["line"].to_pylist(), table["text"].to_pylist(), strict=True):
                if number not in removed_numbers:
                    target.write(f"{text}\n".encode(file_load.encoding or "utf-8"))


def copy_document(file: LandingFile, destination: Path, removed_numbers: Collection[int]) -> None:
    """Copy a JSON document without some of the records in its list; numbers keep their digits."""
    file_load = FileLoad()
    text = b"".join(read_blocks(file, file_load)).decode("utf-8")
    document = parse_exactly(text)
    parent: Any = {"": document}
    path = ("", *file.feed.records_path)
    for key in path[:-1]:
        parent = parent[key]
    records = parent[path[-1]]
    kept = (number not in removed_numbers for number in range(1, len(records) + 1))
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
    with file.location.open("rb") as opened:
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
    with file.location.open("rb") as opened:
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
