"""Damage to databases and published copies."""

from pathlib import Path

import duckdb

HEADER_BYTES = 3 * 4096
BLOCK_BYTES = 256 * 1024


def flip_byte(path: Path, position: int) -> None:
    """Change one byte of a file in place, because a program may have the file open."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def damage_table(database: Path, table: str) -> None:
    """Overwrite some bytes of the first block of a table's first column."""
    with duckdb.connect(str(database), read_only=True) as connection:
        query = f"select min(block_id), min(block_offset) from pragma_storage_info('{table}') where block_id >= 0"
        ((block, offset),) = connection.execute(query).fetchall()
    with database.open("r+b") as file:
        file.seek(HEADER_BYTES + block * BLOCK_BYTES + offset + 100)
        content = file.read(8)
        file.seek(-8, 1)
        file.write(bytes(byte ^ 0xFF for byte in content))
