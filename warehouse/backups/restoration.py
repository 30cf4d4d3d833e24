"""Restores a warehouse from a backup; a killed restoration is finished by the next one."""

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from warehouse.backups.backup import LOCK_FILE
from warehouse.backups.backup_manifest import MANIFEST_NAME, BackupManifest, describe_files, read_manifest
from warehouse.backups.folder_copy import check_disk_space, copy_files
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

UNFINISHED_NAME = ".restore.unfinished"
"""Folder inside the warehouse with verified files that are not in their places yet."""

LOG = logging.getLogger(__name__)


def restore_backup(
    settings: Settings,
    backup: Path,
    *,
    is_replacing: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> BackupManifest:
    """Copy a backup into the warehouse folder, verify the copy, and move it into place; the database comes last.

    An existing list of forgotten customers stays: it is newer than that of the backup. With `is_replacing`, other files
    that the backup has too are moved into a folder `replaced-<time>` inside the warehouse folder.

    Raises:
        RecomartError: The backup is incomplete or damaged, or the warehouse folder has files that it would replace.
        DiskFullError: The disk has no space for the files.
    """
    manifest = read_manifest(backup)
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    unfinished = settings.warehouse / UNFINISHED_NAME
    with exclusive_lock(settings.warehouse / LOCK_FILE, "backup", settings.wait_seconds, LOG.warning):
        if not _is_resumable(unfinished, manifest):
            if not is_replacing and (replaced := _find_replaced(settings, manifest)):
                raise RecomartError(
                    f"{settings.warehouse}: the folder has {', '.join(path.name for path in replaced)} already. Stop "
                    "Dagster, the app and the service, and move these away with --replace, or restore into another "
                    "folder with --warehouse"
                )
            shutil.rmtree(unfinished, ignore_errors=True)
            check_disk_space(settings.warehouse, manifest.size)
            on_stage(f"copying {len(manifest.files):,} files")
            _check_files_exist(backup, manifest)
            unfinished.mkdir(mode=0o700)
            copy_files(((backup / file.path, unfinished / file.path) for file in manifest.files), settings.warehouse)
            on_stage("verifying the files")
            _verify_files(backup, unfinished, manifest)
            # The manifest marks that all files are there, so it must not be there in part.
            copied_manifest = shutil.copy2(backup / MANIFEST_NAME, unfinished / f".{MANIFEST_NAME}")
            Path(copied_manifest).replace(unfinished / MANIFEST_NAME)
        if is_replacing:
            _move_away(settings, manifest)
        _move_into_place(settings, unfinished)
    return manifest


def _is_resumable(unfinished: Path, manifest: BackupManifest) -> bool:
    """Return whether a killed restoration of the same backup has verified all files."""
    if not (unfinished / MANIFEST_NAME).exists():
        return False
    other_manifest = read_manifest(unfinished)
    if other_manifest != manifest:
        raise RecomartError(
            f"{unfinished}: the restoration of a backup of {other_manifest.created_at:%Y-%m-%d %H:%M:%S} UTC was "
            "interrupted. Restore that backup again to finish it, or restore this one into another folder"
        )
    return True


def _find_replaced(settings: Settings, manifest: BackupManifest) -> list[Path]:
    """Return the files and folders of the warehouse that a restoration replaces."""
    # A file of changes that do not belong to the restored database would damage it.
    names = {*(Path(file.path).parts[0] for file in manifest.files), f"{settings.database.name}.wal"}
    names.discard(settings.forgotten_customers_file.name)
    return [settings.warehouse / name for name in sorted(names) if (settings.warehouse / name).exists()]


def _move_away(settings: Settings, manifest: BackupManifest) -> None:
    replaced = _find_replaced(settings, manifest)
    if replaced:
        folder = settings.warehouse / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in replaced:
            path.rename(folder / path.name)


def _check_files_exist(backup: Path, manifest: BackupManifest) -> None:
    for file in manifest.files:
        if not (backup / file.path).is_file():
            raise _make_damage_error(backup / file.path, "the file is missing")


def _verify_files(backup: Path, copy: Path, manifest: BackupManifest) -> None:
    copied_files = {file.path: file for file in describe_files(copy)}
    for file in manifest.files:
        if copied_files.get(file.path) != file:
            shutil.rmtree(copy)
            raise _make_damage_error(backup / file.path, "the file differs from the one that was written")


def _make_damage_error(file: Path, reason: str) -> RecomartError:
    return RecomartError(
        f"{file}: the backup is damaged: {reason}. Restore another backup, or load the landing folder again with "
        "`recomart run`"
    )


def _move_into_place(settings: Settings, unfinished: Path) -> None:
    paths = [path for path in unfinished.iterdir() if path.name != MANIFEST_NAME]
    for path in sorted(paths, key=lambda path: path.name == settings.database.name):
        target = settings.warehouse / path.name
        if target == settings.forgotten_customers_file and target.exists():
            path.unlink()
            continue
        if target.exists():
            raise RecomartError(f"{target}: it was made during the restoration. Move it away and restore again")
        path.rename(target)
    (unfinished / MANIFEST_NAME).unlink()
    unfinished.rmdir()
