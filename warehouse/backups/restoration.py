"""Restores a warehouse from a backup; a killed restoration is finished by the next one."""

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from warehouse.backups.backup import LANDING_FOLDER, LOCK_FILE
from warehouse.backups.backup_manifest import MANIFEST_NAME, BackupFile, BackupManifest, describe_files, read_manifest
from warehouse.backups.folder_copy import check_disk_space, copy_files, move_file
from warehouse.checksums import compute_file_checksum
from warehouse.errors import RecomartError
from warehouse.loading.forgotten_customers import add_restored_list
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

    Landing files go to the landing folder of the settings. Existing API keys stay, because the backup can have keys
    that were revoked since, and the backup's forgotten customers are added to an existing list. With `is_replacing`,
    other files that differ from the backup's are moved into a folder `replaced-<time>` inside the warehouse folder.
    Files that the backup lacks stay.

    Raises:
        RecomartError: The backup is incomplete or damaged, or the warehouse folder has files that it would replace.
        DiskFullError: The disk has no space for the files.
    """
    manifest = read_manifest(backup)
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    unfinished = settings.warehouse / UNFINISHED_NAME
    with exclusive_lock(settings.warehouse / LOCK_FILE, "backup", settings.wait_seconds, LOG.warning):
        if not _is_resumable(unfinished, manifest):
            replaced = [] if is_replacing else _find_replaced(settings, _list_pending_files(settings, manifest))
            if replaced:
                names = sorted({path.parts[0] for path in replaced})
                raise RecomartError(
                    f"{settings.warehouse}: the shop has files of the backup already, in {', '.join(names)}. Stop "
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
        list_file = unfinished / settings.forgotten_customers_file.name
        if list_file.exists() and settings.forgotten_customers_file.exists():
            add_restored_list(settings, list_file)
        files = [path for path in _list_pending_files(settings, manifest) if (unfinished / path).exists()]
        if is_replacing:
            _move_away(settings, files)
        for path in reversed(files):
            _move_into_place(settings, unfinished, path)
        shutil.rmtree(unfinished)
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


def _list_pending_files(settings: Settings, manifest: BackupManifest) -> list[Path]:
    """Return the relative paths of the files that are to be moved into place, the database first."""
    paths = [Path(file.path) for file in manifest.files if not _is_in_place(settings, file)]
    return sorted(paths, key=lambda path: (path != Path(settings.database.name), path))


def _is_in_place(settings: Settings, file: BackupFile) -> bool:
    """Return whether a file's place has the file of the backup, or one that a restoration keeps."""
    target = _get_target(settings, Path(file.path))
    if not target.is_file():
        return False
    if target in (settings.api_keys_file, settings.forgotten_customers_file):
        return True
    if target == settings.database and _get_changes_file(settings).exists():
        return False
    return target.stat().st_size == file.size and compute_file_checksum(target) == file.sha256


def _get_changes_file(settings: Settings) -> Path:
    """Return the file of changes of the database in place; it would damage a restored database."""
    return settings.database.with_name(f"{settings.database.name}.wal")


def _get_target(settings: Settings, path: Path) -> Path:
    """Return the place of a file of the backup; `path` is relative to the backup."""
    is_landing = path.parts[0] == LANDING_FOLDER
    return settings.landing_dir.joinpath(*path.parts[1:]) if is_landing else settings.warehouse / path


def _find_replaced(settings: Settings, paths: list[Path]) -> list[Path]:
    """Return the relative paths of existing files that a restoration of `paths` replaces."""
    changes = [Path(_get_changes_file(settings).name)] if Path(settings.database.name) in paths else []
    return [path for path in (*changes, *paths) if _get_target(settings, path).exists()]


def _move_away(settings: Settings, paths: list[Path]) -> None:
    """Move the existing files that a restoration of `paths` replaces, in this order, into a new folder."""
    folder = settings.warehouse / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for path in _find_replaced(settings, paths):
        folder.mkdir(mode=0o700, exist_ok=True)
        move_file(_get_target(settings, path), folder / path)


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


def _move_into_place(settings: Settings, unfinished: Path, path: Path) -> None:
    target = _get_target(settings, path)
    if target.exists():
        raise RecomartError(f"{target}: it was made during the restoration. Move it away and restore again")
    move_file(unfinished / path, target)
