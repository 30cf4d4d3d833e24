"""The text of a landing file in blocks of bounded size: decompressed, and in UTF-8 whatever it was written in."""

import codecs
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO

import numpy as np
from charset_normalizer import from_bytes

from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError

BLOCK_BYTES = 16 << 20
"""Bytes read at a time; what bounds the loader's memory, whatever the size of a file."""

GZIP_MAGIC = b"\x1f\x8b"

UNSUPPORTED_ARCHIVES = {
    rb"PK\x03\x04": "a zip archive, as spreadsheets such as .xlsx are, too",
    rb"BZh[1-9]1AY&SY": "compressed with bzip2",
    rb"\xfd7zXZ\x00": "compressed with xz",
    rb"\x28\xb5\x2f\xfd": "compressed with zstd",
}
"""What the packed files begin with that are not read, as regular expressions."""

# The longer ones first: UTF-32's little-endian mark begins with UTF-16's.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

FALLBACK_ENCODING = "cp1252"
"""What Western shops' tools write when they do not write UTF-8."""

CANDIDATE_ENCODINGS = (
    *(FALLBACK_ENCODING, "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "koi8_r"),
    *("cp932", "gb18030", "big5", "cp949"),
)
"""What a file that is no Unicode is looked at for: what the world's spreadsheets write. Many more fit a short text."""

DETECTION_SAMPLE_BYTES = 64 << 10
"""How much of the lines with letters beyond ASCII an encoding is guessed from."""


def read_blocks(file: LandingFile, file_load: FileLoad) -> Generator[bytes, None, None]:
    """A file's text as UTF-8 blocks without a byte order mark; the blocks cut lines anywhere.

    UTF-8 passes as it is, and a byte that another encoding does not know stands as a lone surrogate, which UTF-8 does
    not know either: so a broken byte costs one line and not the file. Fills the reading's checksum, bytes and encoding.

    Raises:
        UnreadableFileError: The file cannot be opened or decompressed.
        ChangingFileError: The file is not as it was listed.
    """
    try:
        with file.location.open("rb") as plain:
            start = plain.peek(16)
            _reject_archive(start)
            is_gzip = start.startswith(GZIP_MAGIC)
            hashed = _HashingReader(plain, file_load)
            yield from _decode(gzip.GzipFile(fileobj=hashed) if is_gzip else hashed, file, file_load)
            file_load.checksum = hashed.hexdigest()
    except FileNotFoundError as error:
        raise ChangingFileError from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _check_unchanged(file)
        raise UnreadableFileError(f"the compressed file is damaged or incomplete: {error}") from error
    except OSError as error:
        raise UnreadableFileError(f"the file cannot be read: {error}") from error
    _check_unchanged(file)


def _reject_archive(start: bytes) -> None:
    for magic, packing in UNSUPPORTED_ARCHIVES.items():
        if re.match(magic, start):
            raise UnreadableFileError(f"the file is {packing}; unpack it, or compress it with gzip")


def _check_unchanged(file: LandingFile) -> None:
    if not file.is_unchanged():
        raise ChangingFileError


class _HashingReader(io.RawIOBase):
    """A binary file that computes the checksum of what is read from it, and counts it."""

    def __init__(self, file: BinaryIO, file_load: FileLoad) -> None:
        self._file = file
        self._file_load = file_load
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self._file_load.bytes_read += len(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _decode(stream: io.RawIOBase | gzip.GzipFile, file: LandingFile, file_load: FileLoad) -> Iterator[bytes]:
    block = stream.read(BLOCK_BYTES)
    encoding = file_load.encoding = file.feed.encoding or detect_encoding(
        block, is_guessing_allowed=file.feed.format == "csv"
    )
    decoder = None if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii") else _make_decoder(encoding)
    ends_with_returns = first = True
    while True:
        data = decoder.decode(block, final=not block).encode("utf-8", "surrogatepass") if decoder else block
        if first:
            data = data.removeprefix(codecs.BOM_UTF8)
            ends_with_returns = _has_return_line_ends(data)
        if data:
            yield data.replace(b"\r", b"\n") if ends_with_returns else data
            first = False
        if not block:
            return
        block = stream.read(BLOCK_BYTES)


def _has_return_line_ends(start: bytes) -> bool:
    """Whether the first line of the text ends with a lone carriage return, as the lines of old Macs do."""
    end = start.find(b"\r")
    return 0 <= end < len(start) - 1 and start[end + 1 : end + 2] != b"\n" and b"\n" not in start[:end]


def _make_decoder(encoding: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(encoding)(errors=BROKEN_BYTES_HANDLER)


BROKEN_BYTES_HANDLER = "recomart.broken_bytes"


def _replace_with_surrogates(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(BROKEN_BYTES_HANDLER, _replace_with_surrogates)


def detect_encoding(start: bytes, *, is_guessing_allowed: bool) -> str:
    """The Python name of the encoding of a text, from its first block.

    A byte order mark decides; then zeros where UTF-16 and UTF-32 have them; then UTF-8 if the text is valid, or broken
    in places but with valid letters beyond ASCII. Only what is left is guessed, where `guess` says so (JSON is UTF-8 by
    its standard): the detector's best of the likely encodings, or the usual one when nothing fits better.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    # The first two letters of a header or of JSON are ASCII.
    zeros = "".join("0" if byte == 0 else "x" for byte in start[:4])
    unicodes = {"000x": "utf-32-be", "x000": "utf-32-le", "0x0x": "utf-16-be", "x0x0": "utf-16-le"}
    if zeros in unicodes:
        return unicodes[zeros]
    if not is_guessing_allowed or start.isascii() or _is_mostly_utf8(start):
        return "utf-8"
    lines = b"\n".join(line for line in start.split(b"\n") if not line.isascii())
    matches = list(from_bytes(lines[:DETECTION_SAMPLE_BYTES], cp_isolation=list(CANDIDATE_ENCODINGS)))
    # Most letters of the encodings of Europe are the same: the usual one, where no other makes better sense.
    best = [match for match in matches if (match.chaos, -match.coherence) == (matches[0].chaos, -matches[0].coherence)]
    if not best or any(FALLBACK_ENCODING in match.could_be_from_charset for match in best):
        return FALLBACK_ENCODING
    return best[0].encoding


def _is_mostly_utf8(text: bytes) -> bool:
    """Whether the text is UTF-8, its end perhaps cut off, or has more letters beyond ASCII than broken bytes."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        valid = text.decode("utf-8", "ignore")
        ascii_letters = int((np.frombuffer(text, dtype=np.uint8) < 0x80).sum())
        return len(valid) - ascii_letters > len(text) - len(valid.encode())
    return True
