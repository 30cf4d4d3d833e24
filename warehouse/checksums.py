"""SHA-256 checksums of files, as hexadecimal text."""

import hashlib
from io import BufferedReader
from pathlib import Path

from warehouse.regular_files import open_regular_file


def compute_checksum(file: BufferedReader) -> str:
    """Compute the checksum of an opened file."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def compute_file_checksum(path: Path) -> str:
    """Compute the checksum of a file."""
    with open_regular_file(path) as file:
        return compute_checksum(file)
