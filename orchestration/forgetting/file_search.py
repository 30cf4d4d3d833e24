"""Search for a customer's id in the bytes of files: as they are, decompressed, and in the members of archives."""

import codecs
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple, cast

from warehouse.loading.cleaned_ids import build_id_pattern, spell_id
from warehouse.loading.compression import DECOMPRESSION_ERRORS, ByteReader, is_compressed, open_decompressed
from warehouse.loading.text import (
    CANDIDATE_ENCODINGS,
    MAX_COMPRESSION_RATIO,
    MAX_TEXT_BYTES,
    MIN_CHECKED_TEXT_BYTES,
    detect_encoding,
)

READ_BYTES = 16 << 20

DECOMPRESSED_BYTES = 8 << 10
"""Bytes read at a time by readers that return no bytes if the file is damaged behind some of them."""

MAX_CHARACTER_BYTES = 64
"""Maximum bytes of a character in any spelling: a decomposed one of four parts, escaped in JSON, has 48."""

MAX_ARCHIVE_DEPTH = 3
"""Maximum number of archives or compressed files in one another that are opened."""

MAX_COPIED_BYTES = 1 << 30
"""Maximum bytes of a member of an archive that is copied to a temporary file, because its format is not read from its
beginning to its end: a table or a further archive."""

DUCKDB_MAGIC = b"DUCK"
"""Bytes 8 to 12 of a DuckDB file."""

PARQUET_MAGIC = b"PAR1"
ARROW_FILE_MAGIC = b"ARROW1"
ARROW_STREAM_MAGIC = b"\xff\xff\xff\xff"
ZIP_MAGIC = b"PK\x03\x04"

UNREADABLE_FORMATS = {
    b"7z\xbc\xaf\x27\x1c": "7z archives",
    b"Rar!\x1a\x07": "RAR archives",
    b"\x04\x22\x4d\x18": "files of LZ4",
    b"\xff\x06\x00\x00sNaPpY": "files of Snappy",
    b"LZIP": "files of lzip",
    b"\x1f\x9d": "files of compress",
    b"Obj\x01": "files of Avro",
    b"%PDF-": "files of PDF",
}
"""The first bytes of compressed formats that are searched only as they are."""

READ_ERRORS = (*DECOMPRESSION_ERRORS, zipfile.BadZipFile, RuntimeError, OSError)
"""Errors of damaged and encrypted files, and of unknown kinds of compression."""


class UnsearchableError(Exception):
    """A part of a file cannot be searched; the text says why."""


class FileSearch(NamedTuple):
    """The result of a search in a file."""

    matches: int = 0
    """Number of rows with the id in a table, or 1 for a file that is no table."""

    problem: str | None = None
    """Why a part of the file could not be searched, if no match was found in the others."""


SearchTable = Callable[[Path, bytes], FileSearch | None]
"""A search in a file that can be a table, from its path and first bytes; None if it is none."""


def build_name_pattern(user_id: str) -> str:
    """Return the regular expression of an id in the name of a file: `_`, `-` and `.` separate the parts of names."""
    return rf"(?:^|[^0-9A-Za-z]){spell_id(user_id)}(?:$|[^0-9A-Za-z])"


def is_in_name(user_id: str, name: str) -> bool:
    """Return whether a name of a file has an id as one of its parts."""
    return re.search(build_name_pattern(user_id), unicodedata.normalize("NFC", name)) is not None


class FileSearcher:
    """Searches files for one id."""

    def __init__(self, user_id: str, search_table: SearchTable, *, is_in_texts: bool) -> None:
        """Prepare the search.

        Args:
            user_id: The cleaned id.
            search_table: Searches tables in files, such as of Parquet.
            is_in_texts: Whether the id is searched in texts, besides columns of customers.
        """
        self._user_id = user_id
        self._search_table = search_table
        self._is_in_texts = is_in_texts
        self._patterns = _compile_patterns(user_id) if is_in_texts else []
        self._overlap = MAX_CHARACTER_BYTES * (len(user_id) + 2)
        self._remaining_bytes = 0

    def search(self, file: Path) -> FileSearch:
        """Search a file and what it has in archives; a damaged file as far as it can be read, and as it is.

        Raises:
            FileNotFoundError: The file does not exist.
        """
        limit = MAX_COMPRESSION_RATIO * file.stat().st_size
        self._remaining_bytes = min(MAX_TEXT_BYTES, max(MIN_CHECKED_TEXT_BYTES, limit))
        return self._search_file(file, depth=0)

    def _search_file(self, file: Path, depth: int) -> FileSearch:
        with file.open("rb") as opened:
            start = opened.peek(16)[:16]
            result = self._search_table(file, start) or FileSearch()
            if result.matches:
                return result
            if self._is_in_texts and self._contains(opened):
                return FileSearch(1)
            opened.seek(0)
            try:
                archive = zipfile.ZipFile(opened)
            except zipfile.BadZipFile:
                opened.seek(0)
                if start.startswith(ZIP_MAGIC):
                    return FileSearch(problem="the zip archive is damaged")
                inner = self._search_decompressed(opened, start, depth)
            else:
                with archive:
                    inner = self._search_members(archive, depth)
            return inner if inner.matches or inner.problem else result

    def _search_members(self, archive: zipfile.ZipFile, depth: int) -> FileSearch:
        problem = None
        for name in archive.namelist():
            if self._is_in_texts and is_in_name(self._user_id, name):
                return FileSearch(1)
            try:
                with archive.open(name) as member:
                    result = self._search_stream(self._limit(cast(ByteReader, member)), depth + 1)
            except READ_ERRORS:
                result = FileSearch(problem="a member of the archive is encrypted, damaged or of another compression")
            except UnsearchableError as error:
                result = FileSearch(problem=str(error))
            if result.matches:
                return result
            problem = problem or result.problem
        return FileSearch(problem=problem)

    def _search_decompressed(self, opened: io.BufferedReader, start: bytes, depth: int) -> FileSearch:
        """Search the content of a compressed file, if it is one; `opened` is at its beginning."""
        if not is_compressed(start):
            name = next((name for magic, name in UNREADABLE_FORMATS.items() if start.startswith(magic)), None)
            return FileSearch(problem=f"{name} are not decompressed" if name and self._is_in_texts else None)
        try:
            return self._search_stream(self._limit(open_decompressed(cast(Any, opened), start)), depth + 1)
        except READ_ERRORS:
            return FileSearch(problem="the compressed file is damaged")
        except UnsearchableError as error:
            return FileSearch(problem=str(error))

    def _search_stream(self, opened: io.BufferedReader, depth: int) -> FileSearch:
        """Search what is in an archive or a compressed file.

        Raises:
            UnsearchableError: It is too large, or in too many archives.
        """
        start = opened.peek(16)[:16]
        is_table = start.startswith((PARQUET_MAGIC, ARROW_FILE_MAGIC, ARROW_STREAM_MAGIC)) or is_duckdb(start)
        if (is_compressed(start) or start.startswith(ZIP_MAGIC)) and depth >= MAX_ARCHIVE_DEPTH:
            raise UnsearchableError(f"more than {MAX_ARCHIVE_DEPTH} archives are in one another")
        if is_table or start.startswith(ZIP_MAGIC):
            with NamedTemporaryFile() as copy:
                for block in iter(partial(opened.read1, READ_BYTES), b""):
                    copy.write(block)
                    if copy.tell() > MAX_COPIED_BYTES:
                        raise UnsearchableError(f"a member of the archive has more than {MAX_COPIED_BYTES >> 30} GiB")
                copy.flush()
                return self._search_file(Path(copy.name), depth)
        if not is_compressed(start) and self._is_in_texts and self._contains(opened):
            return FileSearch(1)
        return self._search_decompressed(opened, start, depth)

    def _limit(self, reader: ByteReader) -> io.BufferedReader:
        return io.BufferedReader(_LimitedReader(reader, self._spend), READ_BYTES)

    def _spend(self, count: int) -> None:
        self._remaining_bytes -= count
        if self._remaining_bytes < 0:
            raise UnsearchableError("its decompressed content is too large for the size of the file")

    def _contains(self, reader: io.BufferedReader) -> bool:
        data = decoded = b""
        decoder: codecs.IncrementalDecoder | None = None
        # Unlike `read`, `read1` returns the bytes before a damage.
        while block := reader.read1(READ_BYTES):
            if not data:
                encoding = detect_encoding(block[:4], is_guessing_allowed=False)
                if encoding != "utf-8":
                    decoder = codecs.getincrementaldecoder(encoding)("replace")
            data = data[-self._overlap :] + block
            if decoder:
                decoded = decoded[-self._overlap :] + decoder.decode(block).encode()
            if any(pattern.search(data) or pattern.search(decoded) for pattern in self._patterns):
                return True
        return False


def is_duckdb(start: bytes) -> bool:
    """Return whether the first bytes of a file are those of a DuckDB file."""
    return start[8:12] == DUCKDB_MAGIC


class _LimitedReader(io.RawIOBase):
    """Reads decompressed bytes, and reports their number."""

    def __init__(self, reader: ByteReader, spend: Callable[[int], None]) -> None:
        self._read = getattr(reader, "read1", None) or partial(_read_some, reader)
        self._spend = spend

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._read(len(buffer))
        self._spend(len(data))
        buffer[: len(data)] = data
        return len(data)


def _read_some(reader: ByteReader, size: int) -> bytes:
    return reader.read(min(size, DECOMPRESSED_BYTES))


def _compile_patterns(user_id: str) -> Sequence[re.Pattern[bytes]]:
    """Compile the patterns of an id in UTF-8 and in the encodings that the loader detects; most ids have one."""
    return [re.compile(pattern, re.MULTILINE) for pattern in dict.fromkeys(_build_patterns(user_id))]


def _build_patterns(user_id: str) -> Iterator[bytes]:
    for encoding in ("utf-8", *CANDIDATE_ENCODINGS):
        with suppress(UnicodeEncodeError):
            user_id.encode(encoding)
            yield build_id_pattern(user_id, partial(_encode, encoding)).encode("latin-1")


def _encode(encoding: str, text: str) -> str:
    """Return a character for each byte of a text in an encoding, and an escape if it has no bytes."""
    return text.encode(encoding, "backslashreplace").decode("latin-1")
