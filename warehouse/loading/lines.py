"""Physical lines of a text: whole, numbered, and cheap to look at many at a time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

MAX_LINE_BYTES = 16 << 20
"""A longer line is rejected, and read no further than this: a file without line ends must not fill the memory."""

MAX_BROKEN_LINE_BYTES = 10_000
"""Bytes of a line that is too long or cannot be decoded that are kept beside the error."""

BROKEN_BYTE_PATTERN = re.compile(rb"\xed([\xb0-\xb3])([\x80-\xbf])")
"""A byte that the file's encoding does not know, as `text.read_blocks` hands it on."""


@dataclass(frozen=True)
class Lines:
    """Whole physical lines: `text` keeps each line's end; `first` is the number of the first in the file."""

    text: pa.Array
    first_number: int

    @property
    def numbers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The number of each line in the file."""
        return np.arange(self.first_number, self.first_number + len(self.text), dtype=np.int64)

    def is_utf8(self) -> bool:
        """Whether no line has a broken byte."""
        try:
            self.text.validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    def get_line_bytes(self, start: int = 0) -> list[bytes]:
        """The lines from a place on."""
        lines: list[bytes] = self.text[start:].cast(pa.large_binary()).to_pylist()
        return lines


def align_blocks_to_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The text in pieces that end where a line does, but for the last; of a line too long, only its start."""
    rest = b""
    for block in blocks:
        data = rest + block
        cut = data.rfind(b"\n") + 1
        rest = data[cut : cut + MAX_LINE_BYTES + 1]
        if cut:
            yield data[:cut]
    if rest:
        yield rest


def split_lines(data: bytes, first_number: int) -> Lines:
    """Lines of `data`, which ends where a line does; the text is not copied."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")).astype(np.int64) + 1
    if len(ends) == 0 or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    return Lines(pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data)), first_number)


def find_line_problem(line: bytes, encoding: str) -> str | None:
    """What keeps a line from being read whatever the format, or None."""
    if len(line) > MAX_LINE_BYTES:
        return f"the line is longer than {MAX_LINE_BYTES:,} bytes"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return f"the line is not valid {encoding}"
    return None


def make_readable(line: bytes) -> str:
    """The line as valid text; of one that is too long or cannot be decoded the start, its broken bytes written out."""
    if len(line) <= MAX_LINE_BYTES:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            pass
    spelled = BROKEN_BYTE_PATTERN.sub(
        lambda found: b"\\x%02x" % ((found[1][0] & 3) << 6 | found[2][0] & 0x3F), line[:MAX_BROKEN_LINE_BYTES]
    )
    return spelled.decode("utf-8", errors="backslashreplace")
