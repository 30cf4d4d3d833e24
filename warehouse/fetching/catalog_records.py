"""The distinct records of one pass over a catalog, in a file that grows page by page."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import simplejson


class Record(NamedTuple):
    """A record as a line of the file."""

    id: str | None
    """The id as text; None if the record has no id."""

    line: bytes
    """The record as JSON with a line end; numbers keep their digits."""


class ConflictingRecordError(Exception):
    """Two different records within a pass have the same id."""


class RecordStore:
    """The distinct records of one pass, as JSON lines in a file; each needs about 350 bytes of memory (measured)."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._positions: dict[str, tuple[bytes, int]] = {}
        self._size_bytes = 0
        with path.open("ab") as file:
            file.truncate(size)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return self._size_bytes

    def load_existing(self, id_column: str) -> None:
        """Index the records that are already in the file."""
        with self._path.open("rb") as file:
            for line in file:
                self._register(make_record(simplejson.loads(line, use_decimal=True), id_column))

    def add(self, records: Iterable[Record]) -> int:
        """Append the records whose id is new; return their number.

        Raises:
            ConflictingRecordError: A record differs from an earlier one with the same id.
        """
        new_lines = [record.line for record in records if self._register(record)]
        with self._path.open("ab") as file:
            file.writelines(new_lines)
        return len(new_lines)

    def compute_ids_fingerprint(self) -> str:
        """Compute a fingerprint of the set of ids."""
        digest = hashlib.sha256()
        for key in sorted(self._positions):
            digest.update(key.encode(errors="surrogatepass") + b"\n")
        return digest.hexdigest()

    def write_sorted(self, target: Path) -> None:
        """Write the records in the order of their ids, so that equal catalogs give equal files."""
        with self._path.open("rb") as source, target.open("wb") as file:
            for key in sorted(self._positions):
                source.seek(self._positions[key][1])
                file.write(source.readline())
            file.flush()
            os.fsync(file.fileno())

    def _register(self, record: Record) -> bool:
        """Add a record's position to the index; return False if the record is already in it."""
        # Different records without an id are all kept; the staging models quarantine them.
        key = record.line.decode() if record.id is None else record.id
        digest = hashlib.blake2b(record.line, digest_size=16).digest()
        entry = self._positions.get(key)
        if entry is None:
            self._positions[key] = digest, self._size_bytes
            self._size_bytes += len(record.line)
        elif entry[0] != digest:
            raise ConflictingRecordError(f"'{key}' has two different contents")
        return entry is None


def make_record(value: Any, id_column: str) -> Record:
    """Make a record of a JSON value; `id_column` is the key of the id or, if no such key exists, a dotted path."""
    return Record(_extract_id(value, id_column), _serialize_record(value))


def _serialize_record(value: Any) -> bytes:
    try:
        return (simplejson.dumps(value, use_decimal=True, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        # UTF-8 cannot encode a lone surrogate; a JSON escape can.
        return (simplejson.dumps(value, use_decimal=True) + "\n").encode()


def _extract_id(record: Any, column: str) -> str | None:
    if not isinstance(record, dict):
        return None
    value = record.get(column)
    if value is None:
        value = record
        for key in column.split("."):
            value = value.get(key) if isinstance(value, dict) else None
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else str(simplejson.dumps(value, use_decimal=True))
