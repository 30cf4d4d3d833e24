"""The manifest of a backup: its files with their hashes. A folder without a manifest is no backup."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.checksums import compute_file_checksum
from warehouse.errors import RecomartError

MANIFEST_NAME = "backup.json"


class BackupFile(BaseModel):
    """A file of a backup."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    path: str
    """Path relative to the backup."""
    size: int
    sha256: str


class BackupManifest(BaseModel):
    """The content of a backup."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    created_at: datetime
    """Time when the copy began (UTC)."""
    warehouse: str
    """Folder of the warehouse."""
    files: list[BackupFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def read_manifest(backup: Path) -> BackupManifest:
    """Return the manifest of a backup.

    Raises:
        RecomartError: The folder has no readable manifest.
    """
    file = backup / MANIFEST_NAME
    try:
        return BackupManifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise RecomartError(f"{backup}: not a complete backup: {file.name}: {reason}. Name another backup") from error


def describe_files(folder: Path) -> list[BackupFile]:
    """Return all files below a folder, with their hashes."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [
        BackupFile(
            path=file.relative_to(folder).as_posix(), size=file.stat().st_size, sha256=compute_file_checksum(file)
        )
        for file in files
    ]
