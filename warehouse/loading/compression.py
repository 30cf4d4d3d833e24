"""Decompression of files by their first bytes: gzip, bzip2, xz and zstd."""

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

READ_BYTES = 1 << 20
"""Compressed bytes read at a time."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
XZ_MAGIC = b"\xfd7zXZ\x00"
BZIP2_PATTERN = rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"
"""The first bytes of a bzip2 file with data, or of an empty one."""

DECOMPRESSION_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, pa.ArrowInvalid)


class ByteReader(Protocol):
    """A file that can be read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes; none at the end."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def is_compressed(start: bytes) -> bool:
    """Return whether the first bytes of a file are those of a compressed one."""
    return start.startswith((GZIP_MAGIC, XZ_MAGIC, ZSTD_MAGIC)) or bool(re.match(BZIP2_PATTERN, start))


def open_decompressed(reader: io.RawIOBase, start: bytes) -> ByteReader:
    """Return a reader of the decompressed bytes; `start` are the first bytes of the file."""
    if start.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=reader)
    if re.match(BZIP2_PATTERN, start):
        return _StreamReader(reader, bz2.BZ2Decompressor)
    if start.startswith(XZ_MAGIC):
        return _StreamReader(reader, lzma.LZMADecompressor)
    if start.startswith(ZSTD_MAGIC):
        return _ZstdReader(reader)
    return reader


class _StreamReader:
    """Reads one or more compressed streams, one behind the other.

    The standard library's file classes take damage at the start of a further stream for the end of the file.
    """

    def __init__(self, reader: ByteReader, make_decompressor: Callable[[], _Decompressor]) -> None:
        self._reader = reader
        self._make_decompressor = make_decompressor
        self._decompressor = make_decompressor()

    def read(self, size: int, /) -> bytes:
        while True:
            data = b""
            if self._decompressor.eof:
                # xz pads a stream with zeros.
                data = self._decompressor.unused_data.lstrip(b"\0")
                while not data:
                    if not (data := self._reader.read(READ_BYTES)):
                        return b""
                    data = data.lstrip(b"\0")
                self._decompressor = self._make_decompressor()
            elif self._decompressor.needs_input and not (data := self._reader.read(READ_BYTES)):
                raise EOFError("the last stream has no end")
            try:
                text = self._decompressor.decompress(data, size)
            except OSError as error:
                # bz2 raises it for invalid data.
                raise EOFError(str(error)) from error
            if text:
                return text


class _ZstdReader:
    """Reads zstd frames, and raises an error if the last one has no end."""

    def __init__(self, reader: ByteReader) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(reader, mode="r"), "zstd")

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except OSError as error:
            raise EOFError(str(error)) from error
        return data
