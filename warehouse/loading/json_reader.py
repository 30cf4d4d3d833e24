"""Reading of JSON values from blocks of text: the records of a document, or values one behind the other."""

import codecs
import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from warehouse.formatting import MAX_LISTED_NAMES, format_names
from warehouse.loading.landing_files import UnreadableFileError
from warehouse.loading.lines import MAX_LINE_BYTES

MAX_DEPTH = 500
"""Maximum nesting depth of objects and lists. DuckDB's JSON functions crash at some hundred thousand levels, Python's
at one thousand."""

TOO_DEEP_MESSAGE = f"the JSON is nested more than {MAX_DEPTH} deep"

INCOMPLETE_MESSAGE = "the file is not a complete JSON document: "

NON_SPACE_PATTERN = re.compile(r"[^ \t\r\n]")

OBJECT_BOUNDARY_PATTERN = re.compile(r"(\}[ \t\r\n]*|\n)(?=\{)")
"""The end of an object before another one, or of a line before one that begins with an object."""


def parse_json(text: str) -> Any:
    """Parse a JSON value; None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class InvalidJsonError(UnreadableFileError):
    """The text is no JSON; other errors are those of the file, such as damaged compression."""


class JsonReader:
    """Reads JSON values through a moving window; an undecodable byte becomes a lone surrogate."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._window = ""
        self._position = 0
        self._is_at_end = False
        self._mismatch = ""
        self._hint = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        # Only the ends of values are needed. Python does not convert a number of five thousand digits.
        self._scanner = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)

    def read_elements(self, keys: tuple[str, ...], record_key: str | None = None) -> Iterator[str]:
        """Yield the text of each element of the list under the keys; read the document to its end.

        With `record_key`, the elements are the values of an object under the keys, and each gets its key under this
        name. An empty file has no elements.
        """
        if not self._peek():
            return
        is_found = yield from self._read_elements_under(keys, record_key)
        if self._peek():
            raise self._make_error("there is text after its end. A file with one object per line needs format: jsonl")
        if not is_found:
            location = f"under '{'.'.join(keys)}'" if keys else "at the top"
            kind = "object" if record_key else "list"
            problem = f"the JSON document has no {kind} of records {location}; {self._mismatch}"
            raise UnreadableFileError(problem + self._hint)

    def read_values(self) -> Iterator[tuple[str, str | None]]:
        """Yield the text of each value of a file with one behind the other, and None.

        Text that is no value is yielded with its problem, up to the next place where an object probably begins.
        """
        while self._peek():
            try:
                yield self._read_value(), None
            except InvalidJsonError as error:
                # The text can be up to a block longer than the maximum, so the memory is bounded.
                boundary = OBJECT_BOUNDARY_PATTERN.search(self._window, self._position + 1)
                end = boundary.end() if boundary else len(self._window)
                text, self._position = self._window[self._position : end], end
                yield text, f"the object is not valid JSON: {str(error).removeprefix(INCOMPLETE_MESSAGE)}"

    def _read_elements_under(
        self, keys: tuple[str, ...], record_key: str | None, path: tuple[str, ...] = ()
    ) -> Generator[str, None, bool]:
        """Yield the elements of the list under the keys of the next value, which is at the path in the document."""
        location = f"'{'.'.join(path)}'" if path else "it"
        is_found = False
        match self._peek():
            case "[" if not keys and record_key is None:
                is_found = True
                yield from self._read_list()
            case "{" if not keys and record_key is not None:
                is_found = True
                for key in self._read_keys():
                    yield _add_key(self._read_value(), record_key, key)
            case "{":
                if not keys:
                    self._hint = ". If the values of these keys are the records, declare record_key"
                names: list[str] = []
                for key in self._read_keys():
                    names += [key] if len(names) <= MAX_LISTED_NAMES else []
                    if key in keys[:1] and not is_found:
                        is_found = yield from self._read_elements_under(keys[1:], record_key, (*path, key))
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
                raise InvalidJsonError(TOO_DEEP_MESSAGE) from None
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

    def _make_error(self, problem: str) -> InvalidJsonError:
        return InvalidJsonError(f"{INCOMPLETE_MESSAGE}{problem}")


def _add_key(record: str, name: str, key: str) -> str:
    """Add a key to the text of a record; a value that is not an object stays as it is.

    Raises:
        UnreadableFileError: The record has the key already.
    """
    if not record.startswith("{"):
        return record
    # Reading the record would take longer than the search.
    if json.dumps(name) in record and name in json.loads(record, strict=False):
        raise UnreadableFileError(f"the record '{key}' has a key '{name}' of its own. Give record_key another name")
    members = record[1:].lstrip(" \t\r\n")
    return f"{{{json.dumps(name)}: {json.dumps(key)}{'' if members == '}' else ', '}{members}"
