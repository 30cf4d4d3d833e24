"""Writes a backup of a warehouse while no other process writes the warehouse."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from warehouse.backups.backup_manifest import MANIFEST_NAME, BackupManifest, describe_files
from warehouse.backups.folder_copy import check_disk_space, copy_files, find_finished_files
from warehouse.database import check_warehouse_exists, connect, connect_to_file, open_reader, raise_on_damage
from warehouse.disk_full import describe_disk_full_error
from warehouse.errors import DiskFullError, RecomartError
from warehouse.loading.landing_files import find_link_problem
from warehouse.locks import exclusive_lock
from warehouse.publishing.live_copy import POINTER_FILE, read_pointer
from warehouse.settings import Settings
from warehouse.sql_text import TableName

LOCK_FILE = "backup.lock"

LANDING_FOLDER = "landing"
"""Folder of a backup with the landing files, wherever the landing folder of the shop is."""

LOG = logging.getLogger(__name__)

COPY_SCRIPT = "import shutil, sys; shutil.copy2(*sys.argv[1:])"


def _list_backed_up_paths(settings: Settings) -> list[Path]:
    """Return the files and folders that a backup copies besides the database and the live copy.

    A file that RecoMart writes into the warehouse folder belongs in this list, unless a run writes it again.
    """
    return [
        settings.models_dir,
        settings.datasets_dir,
        settings.tuning_dir,
        settings.demo_truth_dir,
        settings.run_state_file,
        settings.train_config_file,
        settings.policy_file,
        settings.accepted_failures_file,
        settings.api_keys_file,
        settings.forgotten_customers_file,
        settings.audiences_file,
        settings.rules_file,
    ]


def create_backup(
    settings: Settings,
    destination: Path,
    *,
    has_landing: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> BackupManifest:
    """Copy the warehouse into a new folder and verify the copy.

    No process can write the warehouse during the copy; the app and the service go on. The folder gets its name when it
    is complete.

    Args:
        settings: The folders of the warehouse, and the time to wait for its writer.
        destination: The folder to create.
        has_landing: Whether to copy the landing folder too.
        on_stage: Called with a description of each stage.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: The destination exists or is inside the warehouse folder, or the warehouse is missing or damaged.
        DiskFullError: The disk of the destination has no space for the backup.
    """
    check_warehouse_exists(settings)
    if destination.resolve().is_relative_to(settings.warehouse.resolve()):
        raise RecomartError(f"{destination}: it is inside the warehouse folder. Name a folder outside of it")
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.with_name(f".{destination.name}.unfinished")
    with exclusive_lock(settings.warehouse / LOCK_FILE, "backup", settings.wait_seconds, LOG.warning):
        # Another backup may have made the folder while this one waited.
        if destination.exists():
            raise RecomartError(f"{destination}: the folder exists. Name a new folder for the backup")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            manifest = _write_backup(settings, unfinished, has_landing, on_stage)
            (unfinished / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
            unfinished.rename(destination)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return manifest


def _write_backup(
    settings: Settings, folder: Path, has_landing: bool, on_stage: Callable[[str], None]
) -> BackupManifest:
    if settings.database.with_name(f"{settings.database.name}.wal").exists():
        # A killed writer left changes in a file beside the database; the next writer moves them into the database.
        connect(settings).close()
    with open_reader(settings):
        # The open connection keeps writers out: a run, a load, a training, a publication.
        created_at = datetime.now(UTC)
        sources = [(path, path.relative_to(settings.warehouse)) for path in _list_files(settings)]
        if has_landing:
            sources += [
                (path, LANDING_FOLDER / path.relative_to(settings.landing_dir))
                for path in find_finished_files(settings.landing_dir, partial(_is_landing_link_followed, settings))
            ]
        needed_bytes = settings.database.stat().st_size + sum(file.stat().st_size for file, _ in sources)
        check_disk_space(folder.parent, needed_bytes)
        on_stage("copying the database")
        # A backup has personal data.
        folder.mkdir(mode=0o700)
        _copy_database(settings.database, folder / settings.database.name)
        on_stage(f"copying {len(sources):,} files")
        copy_files(((file, folder / target) for file, target in sources), folder)
    on_stage("verifying the database")
    _verify_database(settings, folder / settings.database.name)
    on_stage("hashing the files")
    return BackupManifest(created_at=created_at, warehouse=str(settings.warehouse), files=describe_files(folder))


def _list_files(settings: Settings) -> list[Path]:
    files = [file for path in _list_backed_up_paths(settings) for file in find_finished_files(path)]
    pointer = settings.serving_dir / POINTER_FILE
    return [*files, pointer, settings.serving_dir / read_pointer(settings).file] if pointer.exists() else files


def _is_landing_link_followed(settings: Settings, link: Path) -> bool:
    """Return whether the backup has the files of a linked folder; log a warning if loads do not read them either."""
    if problem := find_link_problem(
        link, [folder.resolve() for folder in (settings.landing_dir, *settings.linked_folders)]
    ):
        LOG.warning("%s: the backup lacks its files: %s", link, problem)
        return False
    # A link to a folder around it would repeat the files without end.
    return not link.parent.resolve().is_relative_to(link.resolve())


def _copy_database(database: Path, target: Path) -> None:
    """Copy the database in another process: a process that closes a file loses all its locks of that file."""
    result = subprocess.run(
        [sys.executable, "-c", COPY_SCRIPT, str(database), str(target)], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        reason = result.stderr.strip().splitlines()[-1]
        if message := describe_disk_full_error(reason, target.parent):
            raise DiskFullError(message)
        raise RecomartError(f"{database}: cannot copy the database: {reason}. Correct this and try again")


def _verify_database(settings: Settings, database: Path) -> None:
    """Read every block of a database; each has a checksum.

    Raises:
        RecomartError: A block is damaged.
    """
    with raise_on_damage(database), closing(connect_to_file(settings, database, read_only=True)) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        for table in tables:
            connection.execute(f"select bit_xor(hash(t)) from {TableName(*table).quoted} as t").fetchall()
