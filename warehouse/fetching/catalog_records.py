"""The records of one reading of a catalog: each once, told by its id, in a file that grows page by page."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import simplejson


class Record(NamedTuple):
    """A record as it will stand in the file."""

    id: str | None
    """Its id as text; None where it has none."""

    line: bytes
    """Its JSON, numbers as they were written, with the line's end."""


class ConflictingRecordError(Exception):
    """One id stands for two different records within a reading."""


class RecordStore:
    """The distinct records of one reading, as JSON lines in a file; about 350 bytes of memory each (measured)."""

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
        """Take in what the file holds already."""
        with self._path.open("rb") as file:
            for line in file:
                self._register(make_record(simplejson.loads(line, use_decimal=True), id_column))

    def add(self, records: Iterable[Record]) -> int:
        """Write the records that are new, and say how many those were; a record is told by its id.

        Raises:
            ContradictionError: A record differs from an earlier one with the same id.
        """
        new = [record.line for record in records if self._register(record)]
        with self._path.open("ab") as file:
            file.writelines(new)
        return len(new)

    def compute_ids_fingerprint(self) -> str:
        """Fingerprint of the set of ids."""
        digest = hashlib.sha256()
        for key in sorted(self._positions):
            digest.update(key.encode(errors="surrogatepass") + b"\n")
        return digest.hexdigest()

    def write_sorted(self, target: Path) -> None:
        """Write the records in the order of their ids, so that equal catalogs are equal files."""
        with self._path.open("rb") as source, target.open("wb") as file:
            for key in sorted(self._positions):
                source.seek(self._positions[key][1])
                file.write(source.readline())
            file.flush()
            os.fsync(file.fileno())

    def _register(self, record: Record) -> bool:
        """Note where a record will stand; False when it stands there already."""
        # What has no id is kept as often as it differs: cleaning judges it.
        key = record.line.decode() if record.id is None else record.id
        digest = hashlib.blake2b(record.line, digest_size=16).digest()
        known = self._positions.get(key)
        if known is None:
            self._positions[key] = digest, self._size_bytes
            self._size_bytes += len(record.line)
        elif known[0] != digest:
            raise ConflictingRecordError(f"'{key}' came with two different contents")
        return known is None


def make_record(value: Any, id_column: str) -> Record:
    """A JSON value as a record; its id stands under the column of that name, or the path that it is."""
    return Record(_extract_id(value, id_column), _serialize_record(value))


def _serialize_record(value: Any) -> bytes:
    try:
        return (simplejson.dumps(value, use_decimal=True, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        # Half of a pair of surrogates, which UTF-8 cannot write and an escape can.
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
