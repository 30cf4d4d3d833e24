"""Landing files as bytes: which ones a feed means, their checksum, and their text in blocks of bounded size."""

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from warehouse.errors import RecomartError
from warehouse.sources import Feed

BLOCK_BYTES = 16 << 20
"""Bytes read at a time; what bounds the loader's memory, whatever the size of a file."""

GZIP_MAGIC = b"\x1f\x8b"
UNFINISHED_SUFFIXES = (".part", ".tmp", ".partial", ".crdownload")


class UnreadableFileError(Exception):
    """A file that no row can be taken from; the message says why."""


@dataclass(frozen=True)
class LandingFile:
    """A file of a feed, as it lies in the landing folder."""

    feed: Feed
    path: str
    """Relative to the landing folder, with forward slashes."""

    location: Path
    size_bytes: int


class NewFile(NamedTuple):
    """A file that the ledger does not know as it is now."""

    file: LandingFile
    checksum: str
    replaces: bool
    """Whether rows of an earlier content of the same path are loaded."""

    load_id: int
    """Number of this reading of the file."""


def find_files(feed: Feed, landing: Path) -> list[LandingFile]:
    """All finished files of a feed in path order; hidden files and those with a temporary suffix are left alone.

    Raises:
        RecomartError: The landing folder does not exist.
    """
    if not landing.is_dir():
        raise RecomartError(
            f"{landing}: no such landing folder; name one with --landing, or put the shop's files there"
        )
    found = {
        path
        for pattern in feed.files
        for path in landing.glob(pattern)
        if path.is_file() and not path.name.startswith(".") and path.suffix not in UNFINISHED_SUFFIXES
    }
    files = [LandingFile(feed, _readable(path.relative_to(landing)), path, path.stat().st_size) for path in found]
    return sorted(files, key=lambda file: file.path)


def _readable(path: Path) -> str:
    """A relative path as text that any table can hold, whatever bytes the file's name is made of."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _HashedFile(io.RawIOBase):
    """A binary file that computes the checksum of what is read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._digest.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def read_blocks(new: NewFile) -> Iterator[bytes]:
    """A file's text as UTF-8 blocks, decompressed, without a byte order mark; the blocks cut lines anywhere.

    UTF-8 files pass as they are, so that a broken byte costs one line and not the file.

    Raises:
        UnreadableFileError: The file cannot be opened, decompressed or decoded, or changed since it was listed.
    """
    file = new.file
    try:
        with file.location.open("rb") as plain:
            is_gzip = plain.peek(2)[:2] == GZIP_MAGIC
            hashed = _HashedFile(plain)
            buffered = io.BufferedReader(hashed, BLOCK_BYTES)
            yield from _decode(gzip.GzipFile(fileobj=buffered) if is_gzip else buffered, file.feed.encoding)
            if hashed.hexdigest() != new.checksum:
                raise UnreadableFileError("the file changed while it was being read; it is left for the next load")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"the compressed file is damaged or incomplete: {error}") from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"the file is not {file.feed.encoding} text: {error}") from error
    except OSError as error:
        raise UnreadableFileError(f"the file cannot be read: {error}") from error


def _decode(stream: io.BufferedIOBase, encoding: str) -> Iterator[bytes]:
    is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    decoder = codecs.getincrementaldecoder(encoding)()
    first = True
    while True:
        block = stream.read(BLOCK_BYTES)
        if not is_utf8:
            text = decoder.decode(block, final=not block)
            data = text.removeprefix("\ufeff").encode() if first else text.encode()
        else:
            data = block.removeprefix(codecs.BOM_UTF8) if first else block
        if data:
            yield data
        first = False
        if not block:
            return
