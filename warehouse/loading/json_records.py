"""Records of JSON files as unparsed text: the lines of a JSON lines file or the list elements of a document."""

import codecs
import json
import re
from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.formatting import MAX_LISTED_NAMES, format_names
from warehouse.loading.landing_files import FileLoad, UnreadableFileError
from warehouse.loading.lines import (
    MAX_LINE_BYTES,
    Lines,
    align_blocks_to_lines,
    find_line_problem,
    make_readable,
    split_lines,
)
from warehouse.sources.declaration import Feed

MAX_DEPTH = 500
"""Maximum nesting depth of objects and lists. DuckDB's JSON functions crash at some hundred thousand levels, Python's
at one thousand."""

TOO_DEEP_MESSAGE = f"the JSON is nested more than {MAX_DEPTH} deep"

TABLE_BYTES = 16 << 20
"""Text size of the document elements in one table."""

NON_SPACE_PATTERN = re.compile(r"[^ \t\r\n]")


def read_json_lines(blocks: Iterator[bytes], file_load: FileLoad) -> Iterator[pa.Table]:
    """Yield every line that is not empty, with line number, text and error; DuckDB checks the JSON syntax later."""
    first_number = 1
    for data in align_blocks_to_lines(blocks):
        lines = split_lines(data, first_number)
        first_number += len(lines.text)
        yield _build_line_table(lines, file_load.encoding or "")


def _build_line_table(lines: Lines, encoding: str) -> pa.Table:
    text = lines.text
    error: pa.Array = pa.nulls(len(text), pa.string())
    length = pc.binary_length(text)
    if not lines.is_utf8() or _is_possibly_too_deep(text.filter(pc.greater(length, MAX_DEPTH))):
        raw = lines.get_line_bytes()
        error = pa.array([find_line_problem(line, encoding) or _find_depth_problem(line) for line in raw], pa.string())
        if error.null_count < len(error):
            text = pa.array([make_readable(line) for line in raw], pa.large_string())
    table = pa.table({"line": pa.array(lines.numbers), "text": text, "error": error})
    is_short = pc.less_equal(length, 2)
    if pc.any(is_short).as_py():
        is_empty = pc.and_(is_short, pc.equal(pc.utf8_trim(table["text"], "\r\n"), ""))
        table = table.filter(pc.invert(is_empty))
    return table


def _is_possibly_too_deep(long_lines: pa.Array) -> bool:
    """Return whether a line has enough opening brackets to exceed the maximum depth, or is too long."""
    bracket_count = pc.add(pc.count_substring(long_lines, "["), pc.count_substring(long_lines, "{"))
    is_too_long = pc.greater(pc.binary_length(long_lines), MAX_LINE_BYTES)
    return bool(pc.any(pc.or_(pc.greater(bracket_count, MAX_DEPTH), is_too_long)).as_py())


def _find_depth_problem(line: bytes) -> str | None:
    if len(line) <= MAX_DEPTH or line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return None
    depth = max_depth = 0
    is_in_string = False
    characters = iter(line)
    for character in characters:
        if character == ord('"'):
            is_in_string = not is_in_string
        elif is_in_string:
            if character == ord("\\"):
                next(characters, None)
        elif character in b"[{":
            depth += 1
            max_depth = max(max_depth, depth)
        elif character in b"]}":
            depth -= 1
    return TOO_DEEP_MESSAGE if max_depth > MAX_DEPTH else None


def read_document_elements(blocks: Iterator[bytes], feed: Feed) -> Iterator[pa.Table]:
    """Yield each element of the document's list of records, with its number in the list.

    The document is read in blocks, so it can be larger than the memory. If a later part of it is invalid, the elements
    before were already yielded, and the caller must discard them.

    Raises:
        UnreadableFileError: The document is not valid JSON, is incomplete, or has no list under the feed's keys.
    """
    number, texts, size = 1, [], 0
    for text in _DocumentReader(blocks).read_elements(feed.records_path):
        texts.append(text)
        size += len(text)
        if size > TABLE_BYTES:
            yield _build_element_table(texts, number)
            number, texts, size = number + len(texts), [], 0
    if texts:
        yield _build_element_table(texts, number)


def _build_element_table(texts: list[str], first_number: int) -> pa.Table:
    raw = [text.encode("utf-8", "surrogateescape") for text in texts]
    errors = [find_line_problem(element, "utf-8") or _find_depth_problem(element) for element in raw]
    return pa.table(
        {
            "line": pa.array(range(first_number, first_number + len(texts)), pa.int64()),
            "text": pa.array([make_readable(element) for element in raw], pa.large_string()),
            "error": pa.array(errors, pa.string()),
        }
    )


class _DocumentReader:
    """Reads a JSON document through a moving window; an undecodable byte becomes a lone surrogate."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._window = ""
        self._position = 0
        self._is_at_end = False
        self._mismatch = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        # Only the ends of values are needed. Python does not convert a number of five thousand digits.
        self._scanner = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)

    def read_elements(self, keys: tuple[str, ...]) -> Iterator[str]:
        """Yield the text of each element of the list under the keys; read the document to its end.

        An empty file has no elements.
        """
        if not self._peek():
            return
        is_found = yield from self._read_elements_under(keys)
        if self._peek():
            raise self._make_error("there is text after its end. A file with one object per line needs format: jsonl")
        if not is_found:
            location = f"under '{'.'.join(keys)}'" if keys else "at the top"
            raise UnreadableFileError(f"the JSON document has no list of records {location}; {self._mismatch}")

    def _read_elements_under(self, keys: tuple[str, ...], path: tuple[str, ...] = ()) -> Generator[str, None, bool]:
        """Yield the elements of the list under the keys of the next value, which is at the path in the document."""
        location = f"'{'.'.join(path)}'" if path else "it"
        is_found = False
        match self._peek():
            case "[" if not keys:
                is_found = True
                yield from self._read_list()
            case "{":
                names: list[str] = []
                for key in self._read_keys():
                    names += [key] if len(names) <= MAX_LISTED_NAMES else []
                    if key in keys[:1] and not is_found:
                        is_found = yield from self._read_elements_under(keys[1:], (*path, key))
                    else:
                        self._skip_value()
                self._mismatch = self._mismatch or f"{location} has {format_names(names) or 'no keys'}"
            case character:
                self._skip_value()
                self._mismatch = self._mismatch or f"{location} is {'a list' if character == '[' else 'a plain value'}"
        return is_found

    def _read_keys(self) -> Iterator[str]:
        """Yield the keys of the next object; the caller reads the value after each key."""
        self._expect("{")
        if self._peek() != "}":
            yield self._read_key()
            while self._peek() == ",":
                self._expect(",")
                yield self._read_key()
        self._expect("}")

    def _read_key(self) -> str:
        if self._peek() != '"':
            raise self._make_error("a key is missing")
        key: str = json.loads(self._read_value(), strict=False)
        self._expect(":")
        return key

    def _read_list(self) -> Iterator[str]:
        """Yield the elements of the next list."""
        self._expect("[")
        if self._peek() != "]":
            yield self._read_value()
            while self._peek() == ",":
                self._expect(",")
                yield self._read_value()
        self._expect("]")

    def _skip_value(self) -> None:
        """Skip the next value, which can be larger than the window."""
        match self._peek():
            case "[":
                for _ in self._read_list():
                    pass
            case "{":
                for _ in self._read_keys():
                    self._read_value()
            case _:
                self._read_value()

    def _read_value(self) -> str:
        """Return the text of the next value."""
        self._peek()
        while True:
            problem = ""
            try:
                _, end = self._scanner.raw_decode(self._window, self._position)
            except RecursionError:
                raise UnreadableFileError(TOO_DEEP_MESSAGE) from None
            except json.JSONDecodeError as error:
                end, problem = len(self._window), error.msg
            # A value that ends with the window can continue after it.
            if end < len(self._window) or (self._is_at_end and not problem):
                text = self._window[self._position : end]
                self._position = end
                return text
            if self._is_at_end or len(self._window) - self._position > MAX_LINE_BYTES:
                raise self._make_error(problem or "a value is too long")
            self._fill_window()

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._make_error(f"'{character}' is missing")
        self._position += 1

    def _peek(self) -> str:
        """Return the next character that is not white space; empty at the end."""
        while True:
            match = NON_SPACE_PATTERN.search(self._window, self._position)
            if match:
                self._position = match.start()
                return match[0]
            self._position = len(self._window)
            if self._is_at_end:
                return ""
            self._fill_window()

    def _fill_window(self) -> None:
        block = next(self._blocks, None)
        self._is_at_end = block is None
        self._window = self._window[self._position :] + self._decoder.decode(block or b"", final=self._is_at_end)
        self._position = 0

    def _make_error(self, problem: str) -> UnreadableFileError:
        return UnreadableFileError(f"the file is not a complete JSON document: {problem}")
