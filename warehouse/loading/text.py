"""The text of a landing file in blocks of bounded size: decompressed and converted to UTF-8."""

import codecs
import hashlib
import io
from collections.abc import Generator, Iterator
from typing import BinaryIO

import numpy as np
from charset_normalizer import from_bytes

from warehouse.loading.compression import DECOMPRESSION_ERRORS, ByteReader, open_decompressed
from warehouse.loading.file_signatures import check_signature
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileAccessError,
    FileLoad,
    LandingFile,
    UnreadableFileError,
    open_landing_file,
)

BLOCK_BYTES = 16 << 20
"""Bytes read at a time; the block size limits the loader's memory for files of any size."""

MAX_TEXT_BYTES = 64 << 30
"""Maximum bytes of the text of a file; it limits the files that a small compressed file can become."""

MAX_COMPRESSION_RATIO = 500
"""Maximum bytes of text for each byte of a compressed file. The files of shops have less than 50, one with a single
repeated line can have more than 1,000."""

MIN_CHECKED_TEXT_BYTES = 32 << 20
"""Bytes of text from which on the compression ratio is checked."""

# UTF-32 is before UTF-16, because its little-endian mark begins with UTF-16's mark.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

FALLBACK_ENCODING = "cp1252"
"""The most common encoding of Western European software besides UTF-8."""

CANDIDATE_ENCODINGS = (
    *(FALLBACK_ENCODING, "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "koi8_r"),
    *("cp932", "gb18030", "big5", "cp949"),
)
"""Encodings that detection considers for a file that is not Unicode: the ones that spreadsheets write. More candidates
would match a short text by chance."""

DETECTION_SAMPLE_BYTES = 64 << 10
"""Maximum bytes of non-ASCII lines that are used to detect the encoding."""


def read_blocks(file: LandingFile, file_load: FileLoad) -> Generator[bytes, None, None]:
    """Yield a file's text as UTF-8 blocks without a byte order mark; a block can end within a line.

    UTF-8 text is passed on unchanged. In other encodings an undecodable byte becomes a lone surrogate, which is invalid
    UTF-8, so that a broken byte rejects one line and not the file. Fills the checksum, bytes and encoding of the file
    load.

    Raises:
        UnreadableFileError: The file cannot be opened or decompressed, or is no text.
        ChangingFileError: The file changed after it was listed.
    """
    try:
        with open_landing_file(file) as opened:
            reader = HashingReader(opened, file_load)
            yield from _decode(open_decompressed(reader, opened.peek(16)), file, file_load)
            file_load.checksum = reader.hexdigest()
    except DECOMPRESSION_ERRORS as error:
        _check_unchanged(file)
        raise UnreadableFileError(f"the compressed file is damaged or incomplete: {error}") from error
    except OSError as error:
        raise FileAccessError(f"the file cannot be read: {error}") from error
    _check_unchanged(file)


def _check_unchanged(file: LandingFile) -> None:
    if not file.is_unchanged():
        raise ChangingFileError


class HashingReader(io.RawIOBase):
    """A binary file that computes the checksum and counts the bytes as they are read."""

    def __init__(self, file: BinaryIO, file_load: FileLoad) -> None:
        self._file = file
        self._file_load = file_load
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self._file_load.bytes_read += len(data)
        return data

    def hexdigest(self) -> str:
        """Return the checksum of the bytes that were read."""
        return self._digest.hexdigest()


def _decode(stream: ByteReader, file: LandingFile, file_load: FileLoad) -> Iterator[bytes]:
    block = stream.read(BLOCK_BYTES)
    check_signature(block, file.feed.format)
    encoding = file_load.encoding = file.feed.encoding or detect_encoding(
        block, is_guessing_allowed=file.feed.format == "csv"
    )
    decoder = None if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii") else _make_decoder(encoding)
    is_return_ended = is_first = True
    text_bytes = 0
    while True:
        text_bytes += len(block)
        check_text_size(text_bytes, file_load.bytes_read)
        data = decoder.decode(block, final=not block).encode("utf-8", "surrogatepass") if decoder else block
        if is_first:
            data = data.removeprefix(codecs.BOM_UTF8)
            is_return_ended = has_return_line_ends(data)
        if data:
            yield data.replace(b"\r", b"\n") if is_return_ended else data
            is_first = False
        if not block:
            return
        block = stream.read(BLOCK_BYTES)


def check_text_size(text_bytes: int, file_bytes: int) -> None:
    """Check that a file does not become much larger when it is decompressed.

    Raises:
        UnreadableFileError: The text of the file exceeds a maximum.
    """
    if text_bytes > MAX_TEXT_BYTES:
        raise UnreadableFileError(f"its text has more than {MAX_TEXT_BYTES >> 30:,} GiB. Split the file")
    if text_bytes > max(MIN_CHECKED_TEXT_BYTES, MAX_COMPRESSION_RATIO * file_bytes):
        raise UnreadableFileError(
            f"{file_bytes:,} compressed bytes become more than {text_bytes:,} bytes of text, as real data do not. If "
            "the file is right, decompress it"
        )


def has_return_line_ends(start: bytes) -> bool:
    """Return whether the first line ends with a lone carriage return, as in old Mac files."""
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
    """Detect the encoding of a text from its first block; return its Python name.

    The checks are, in order: a byte order mark; zero bytes at the places where UTF-16 and UTF-32 have them; UTF-8 that
    is valid, or that has more valid non-ASCII characters than broken bytes. Other text is UTF-8 if guessing is not
    allowed (the JSON standard requires UTF-8). Otherwise the result is the best candidate of charset_normalizer, or
    `FALLBACK_ENCODING` if no candidate is better.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    # The first two characters of a header or of JSON are ASCII.
    zero_pattern = "".join("0" if byte == 0 else "x" for byte in start[:4])
    wide_encodings = {"000x": "utf-32-be", "x000": "utf-32-le", "0x0x": "utf-16-be", "x0x0": "utf-16-le"}
    if zero_pattern in wide_encodings:
        return wide_encodings[zero_pattern]
    if not is_guessing_allowed or start.isascii() or _is_mostly_utf8(start):
        return "utf-8"
    lines = b"\n".join(line for line in start.split(b"\n") if not line.isascii())
    matches = list(from_bytes(lines[:DETECTION_SAMPLE_BYTES], cp_isolation=list(CANDIDATE_ENCODINGS)))
    # European encodings share most characters, so several candidates can be equally good.
    best_matches = [
        match for match in matches if (match.chaos, -match.coherence) == (matches[0].chaos, -matches[0].coherence)
    ]
    if not best_matches or any(FALLBACK_ENCODING in match.could_be_from_charset for match in best_matches):
        return FALLBACK_ENCODING
    return best_matches[0].encoding


def _is_mostly_utf8(text: bytes) -> bool:
    """Return whether the text is UTF-8 (perhaps truncated) or has more valid non-ASCII characters than broken bytes."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        valid_text = text.decode("utf-8", "ignore")
        ascii_count = int((np.frombuffer(text, dtype=np.uint8) < 0x80).sum())
        return len(valid_text) - ascii_count > len(text) - len(valid_text.encode())
    return True
