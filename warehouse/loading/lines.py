"""Splitting of text into numbered physical lines, many at a time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

MAX_LINE_BYTES = 16 << 20
"""Maximum bytes of a line; a longer line is rejected, so that a file without line ends does not fill the memory."""

MAX_BLOCK_LINES = 1 << 18
"""Maximum lines that are parsed at a time: a line needs up to a kilobyte of memory, however short it is."""

MAX_BROKEN_LINE_BYTES = 10_000
"""Maximum bytes of a rejected line that are kept with its error."""

BROKEN_BYTE_PATTERN = re.compile(rb"\xed([\xb0-\xb3])([\x80-\xbf])")
"""An undecodable byte, as `text.read_blocks` encodes it."""


@dataclass(frozen=True)
class Lines:
    """Consecutive physical lines of a file."""

    text: pa.Array
    """Each line with its line end."""

    first_number: int
    """Number of the first line in the file."""

    @property
    def numbers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The line numbers in the file."""
        return np.arange(self.first_number, self.first_number + len(self.text), dtype=np.int64)

    def is_utf8(self) -> bool:
        """Return whether all lines are valid UTF-8."""
        try:
            self.text.validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    def get_line_bytes(self, start: int = 0) -> list[bytes]:
        """Return the bytes of each line from index `start` on."""
        lines: list[bytes] = self.text[start:].cast(pa.large_binary()).to_pylist()
        return lines


def align_blocks_to_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the text in blocks that end with a line end, except the last; a line that is too long is truncated.

    A block has at most `MAX_BLOCK_LINES` lines.
    """
    rest = b""
    for block in blocks:
        data = rest + block
        end = data.rfind(b"\n") + 1
        rest = data[end : end + MAX_LINE_BYTES + 1]
        if end:
            yield from _split_by_line_count(data[:end])
    if rest:
        yield rest


def _split_by_line_count(data: bytes) -> Iterator[bytes]:
    if data.count(b"\n") <= MAX_BLOCK_LINES:
        yield data
        return
    last_ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))[MAX_BLOCK_LINES - 1 :: MAX_BLOCK_LINES]
    ends = [0, *(last_ends + 1).tolist(), len(data)]
    yield from (data[start:end] for start, end in pairwise(ends) if start < end)


def split_lines(data: bytes, first_number: int) -> Lines:
    """Split text into lines without copying it; `data` ends with a line end or with the file."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")).astype(np.int64) + 1
    if len(ends) == 0 or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    return Lines(pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data)), first_number)


def find_line_problem(line: bytes, encoding: str) -> str | None:
    """Describe why a line of any format cannot be read, or return None."""
    if len(line) > MAX_LINE_BYTES:
        return f"the line is longer than {MAX_LINE_BYTES:,} bytes"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return f"the line is not valid {encoding}"
    return None


def make_readable(line: bytes) -> str:
    """Decode a line; of an invalid line, decode the start and write its broken bytes as escapes."""
    if len(line) <= MAX_LINE_BYTES:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            pass
    escaped = BROKEN_BYTE_PATTERN.sub(
        lambda match: b"\\x%02x" % ((match[1][0] & 3) << 6 | match[2][0] & 0x3F), line[:MAX_BROKEN_LINE_BYTES]
    )
    return escaped.decode("utf-8", errors="backslashreplace")
