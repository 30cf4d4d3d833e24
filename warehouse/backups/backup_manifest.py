"""The manifest of a backup: its files with their hashes. A folder without a manifest is no backup."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from warehouse.checksums import compute_file_checksum
from warehouse.errors import RecomartError

MANIFEST_NAME = "backup.json"


def _check_is_inside(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("the path leads out of the backup")
    return path


class BackupFile(BaseModel):
    """A file of a backup."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    path: Annotated[str, AfterValidator(_check_is_inside)]
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
    files: Annotated[list[BackupFile], MinLen(1)]

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
