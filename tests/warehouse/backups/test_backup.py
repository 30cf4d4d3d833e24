"""Backups of a real warehouse and their restoration, undisturbed, killed, and with damaged files."""

import errno
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from contextlib import suppress
from functools import partial, partialmethod
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import duckdb
import pytest

from models_ml.config import TrainConfig
from orchestration.run_state import find_reasons_to_run
from tests.database_damage import damage_table
from tests.database_lock import hold_database
from warehouse.backups.backup import create_backup
from warehouse.backups.backup_manifest import BackupFile, BackupManifest, describe_files, read_manifest
from warehouse.backups.restoration import restore_backup
from warehouse.checksums import compute_file_checksum
from warehouse.database import connect
from warehouse.errors import DiskFullError, RecomartError, WarehouseBusyError
from warehouse.loading.forgotten_customers import (
    add_forgotten_customer,
    build_is_forgotten,
    read_forgotten_customers,
)
from warehouse.settings import Settings

REPEATABLE_NAMES = {"landing", "target", "logs", "backup.lock", "erasing.lock", "merchandising_rules.lock"}
"""Entries of a warehouse folder that a run writes again, and the landing folder."""


@pytest.fixture
def shop(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A writable copy of the demo shop with a policy."""
    settings = Settings(warehouse=tmp_path / "shop", wait_seconds=0)
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse)
    settings.policy_file.write_text("{}", encoding="utf-8")
    for file in (settings.accepted_failures_file, settings.api_keys_file, settings.forgotten_customers_file):
        file.write_text("{}", encoding="utf-8")
    return settings


@pytest.fixture
def backup(shop: Settings, tmp_path: Path) -> Path:
    """A backup of the shop."""
    create_backup(shop, tmp_path / "backup")
    return tmp_path / "backup"


def list_entries(settings: Settings) -> set[str]:
    return {path.name for path in settings.warehouse.iterdir()} - REPEATABLE_NAMES


def test_restored_warehouse_equals_original(shop: Settings, tmp_path: Path) -> None:
    manifest = create_backup(shop, tmp_path / "backup", has_landing=True)
    restored = Settings(warehouse=tmp_path / "restored")
    assert restore_backup(restored, tmp_path / "backup") == manifest == read_manifest(tmp_path / "backup")
    assert list_entries(restored) == list_entries(shop)
    assert describe_files(restored.landing_dir) == describe_files(shop.landing_dir)
    assert describe_files(restored.models_dir) == describe_files(shop.models_dir)
    assert restored.database.read_bytes() == shop.database.read_bytes()
    # The next run does not build, train and publish everything again.
    assert find_reasons_to_run(restored, TrainConfig()) == find_reasons_to_run(shop, TrainConfig())
    assert "the tables were changed" not in find_reasons_to_run(restored, TrainConfig())
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


def test_backup_leaves_out_unfinished_log(shop: Settings, tmp_path: Path) -> None:
    """The service gives the file another name at any time."""
    shop.served_lists_dir.mkdir(parents=True, exist_ok=True)
    for name in ("1.jsonl", "2.part"):
        (shop.served_lists_dir / name).write_text("{}\n", encoding="utf-8")
    create_backup(shop, tmp_path / "backup", has_landing=True)
    served = tmp_path / "backup" / "landing" / shop.served_lists_dir.relative_to(shop.landing_dir)
    assert [path.name for path in served.iterdir()] == ["1.jsonl"]


def test_backup_has_changes_of_killed_writer(shop: Settings, tmp_path: Path) -> None:
    script = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('create table t as select 42'); "
    command = [sys.executable, "-c", f"{script} os.kill(os.getpid(), 9)", str(shop.database)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    create_backup(shop, tmp_path / "backup")
    with duckdb.connect(str(tmp_path / "backup" / "recomart.duckdb"), read_only=True) as connection:
        assert connection.execute("from t").fetchall() == [(42,)]


def test_backup_keeps_writers_out(shop: Settings, tmp_path: Path) -> None:
    outcomes = []

    def try_to_write(stage: str) -> None:
        if stage.startswith("copying"):
            command = [sys.executable, "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])", str(shop.database)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            outcomes.append("Could not set lock" in result.stderr)

    create_backup(shop, tmp_path / "backup", on_stage=try_to_write)
    assert outcomes == [True, True]


def test_backup_waits_for_writer(shop: Settings, tmp_path: Path) -> None:
    with hold_database(shop.database), pytest.raises(WarehouseBusyError, match="is using the warehouse"):
        create_backup(shop, tmp_path / "backup")
    assert {path.name for path in tmp_path.iterdir()} == {"shop"}


def test_backup_refuses(shop: Settings, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe_files(backup)
    with pytest.raises(RecomartError, match="the folder exists"):
        create_backup(shop, backup)
    with pytest.raises(RecomartError, match="inside the warehouse folder"):
        create_backup(shop, shop.warehouse / "backups" / "monday")
    missing = Settings(warehouse=tmp_path / "misspelled")
    with pytest.raises(RecomartError, match=r"misspelled/recomart\.duckdb: the warehouse does not exist"):
        create_backup(missing, tmp_path / "other")
    assert not missing.warehouse.exists()
    damage_table(shop.database, "marts.dim_users")
    with pytest.raises(RecomartError, match="the database is damaged"):
        create_backup(shop, tmp_path / "other")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(100, 0, 1 << 20))
    with pytest.raises(DiskFullError, match="only 1 MiB are free"):
        create_backup(shop, tmp_path / "other")
    with pytest.raises(DiskFullError, match="only 1 MiB are free"):
        restore_backup(Settings(warehouse=tmp_path / "restored"), backup)
    assert describe_files(backup) == before
    assert not list(tmp_path.glob("*other*")) + list(tmp_path.glob(".*"))


def test_restore_overwrites_nothing(shop: Settings, backup: Path, tmp_path: Path) -> None:
    shop.policy_file.write_text("changed", encoding="utf-8")
    shop.database.write_bytes(b"changed")
    before = describe_files(shop.warehouse)
    with pytest.raises(RecomartError, match=r"already, in policy.json, recomart.duckdb\. "):
        restore_backup(shop, backup)
    assert describe_files(shop.warehouse) == before
    stray = Settings(warehouse=tmp_path / "stray")
    stray.warehouse.mkdir()
    (stray.warehouse / "recomart.duckdb.wal").write_bytes(b"changes of another database")
    with pytest.raises(RecomartError, match=r"recomart\.duckdb\.wal"):
        restore_backup(stray, backup)


def test_replaced_files_are_moved_away(shop: Settings, tmp_path: Path) -> None:
    """Files that differ from the backup's are moved away; others and the API keys stay."""
    backup = tmp_path / "backup"
    create_backup(shop, backup, has_landing=True)
    write_ahead = shop.warehouse / "recomart.duckdb.wal"
    landing_file = next(file for file in shop.landing_dir.rglob("*") if file.is_file())
    damaged_files = (shop.database, write_ahead, shop.policy_file, landing_file)
    for file in damaged_files:
        file.write_bytes(b"damaged")
    newer_files = (shop.landing_dir / "events" / "new.jsonl", shop.models_dir / "new" / "card.json")
    for file in (*newer_files, shop.api_keys_file):
        file.parent.mkdir(exist_ok=True)
        file.write_text("newer", encoding="utf-8")
    shop.train_config_file.write_text("{}", encoding="utf-8")
    manifest = restore_backup(shop, backup, is_replacing=True)
    (replaced,) = shop.warehouse.glob("replaced-*")
    for file in damaged_files:
        assert (replaced / file.relative_to(shop.warehouse)).read_bytes() == b"damaged"
    kept = shop.api_keys_file.name
    assert sum(file.is_file() for file in replaced.rglob("*")) == len(damaged_files)
    restored = {file.path: file for file in describe_files(shop.warehouse)}
    assert all(restored[file.path] == file for file in manifest.files if file.path != kept)
    assert all(file.read_text("utf-8") == "newer" for file in (*newer_files, shop.api_keys_file))
    assert shop.train_config_file.exists()
    assert not write_ahead.exists()
    assert not (shop.warehouse / ".restore.unfinished").exists()


def test_landing_files_return_to_their_folder(shop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The landing folder can be outside the warehouse folder, on another disk."""
    create_backup(shop, tmp_path / "backup", has_landing=True)
    restored = Settings(warehouse=tmp_path / "restored", landing=tmp_path / "inbox")
    rename = Path.rename

    def rename_on_one_disk(path: Path, target: Path) -> Path:
        if target.is_relative_to(restored.landing_dir) or path.is_relative_to(restored.landing_dir):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_on_one_disk)
    restore_backup(restored, tmp_path / "backup")
    assert not (restored.warehouse / "landing").exists()
    assert describe_files(restored.landing_dir) == describe_files(shop.landing_dir)
    file = next(file for file in restored.landing_dir.rglob("*") if file.is_file())
    file.write_text("changed", encoding="utf-8")
    with pytest.raises(RecomartError, match=r"already, in landing"):
        restore_backup(restored, tmp_path / "backup")
    restore_backup(restored, tmp_path / "backup", is_replacing=True)
    (replaced,) = restored.warehouse.glob("replaced-*")
    assert [path.read_text("utf-8") for path in (replaced / "landing").rglob("*") if path.is_file()] == ["changed"]
    assert describe_files(restored.landing_dir) == describe_files(shop.landing_dir)
    assert restored.database.exists()


@pytest.mark.parametrize(
    "damage", ["changed byte", "missing file", "no manifest", "truncated manifest", "path outside"]
)
def test_damaged_backup_is_refused(backup: Path, tmp_path: Path, damage: str) -> None:
    file = next(backup.glob("models/*/*"))
    match damage:
        case "changed byte":
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        case "missing file":
            file.unlink()
        case "no manifest":
            (backup / "backup.json").unlink()
        case "truncated manifest":
            (backup / "backup.json").write_bytes((backup / "backup.json").read_bytes()[:100])
        case "path outside":
            manifest = read_manifest(backup)
            outside = manifest.files[0].model_copy(update={"path": "models/../../outside.txt"})
            manifest = manifest.model_copy(update={"files": [*manifest.files, outside]})
            (backup / "backup.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    restored = Settings(warehouse=tmp_path / "restored")
    with pytest.raises(RecomartError, match="backup"):
        restore_backup(restored, backup)
    assert not restored.database.exists()
    assert not list(restored.warehouse.glob("models*"))


KILL_SCRIPT = """
import os, re, signal, sys
from functools import partial
from pathlib import Path
from warehouse.backups.backup import create_backup
from warehouse.backups.restoration import restore_backup
from warehouse.settings import Settings

action, warehouse, backup, moment = sys.argv[1:]

def kill_at_stage(stage):
    if re.match(moment, stage):
        os.kill(os.getpid(), signal.SIGKILL)

if moment.isdigit():
    renames = []
    rename = Path.rename
    def rename_or_die(path, target):
        if len(renames) == int(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        renames.append(target)
        return rename(path, target)
    Path.rename = rename_or_die
replace_by_backup = partial(restore_backup, is_replacing=True)
function = {"backup": create_backup, "restore": restore_backup, "replace": replace_by_backup}[action]
function(Settings(warehouse=warehouse), Path(backup), on_stage=kill_at_stage)
"""


def kill_during(action: str, settings: Settings, backup: Path, moment: str) -> None:
    command = [sys.executable, "-c", KILL_SCRIPT, action, str(settings.warehouse), str(backup), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["copying the", "copying [0-9]", "verifying", "hashing", "0"])
def test_killed_backup_looks_unfinished(shop: Settings, tmp_path: Path, moment: str) -> None:
    destination = tmp_path / "backup"
    kill_during("backup", shop, destination, moment)
    assert not destination.exists()
    create_backup(shop, destination)
    assert {path.name for path in tmp_path.iterdir()} == {"shop", "backup"}


@pytest.mark.parametrize("moment", ["copying", "verifying", "0", "1", "4", "20"])
def test_killed_restoration_is_finished(shop: Settings, backup: Path, tmp_path: Path, moment: str) -> None:
    restored = Settings(warehouse=tmp_path / "restored")
    kill_during("restore", restored, backup, moment)
    assert not restored.database.exists()
    restore_backup(restored, backup)
    assert list_entries(restored) == list_entries(shop)
    assert {file.path: file for file in describe_files(restored.warehouse)}.items() >= {
        file.path: file for file in read_manifest(backup).files
    }.items()


class Killed(BaseException):
    """A kill of the process."""


@pytest.fixture
def small_shop(tmp_path: Path) -> Settings:
    """A warehouse with few files, and a landing folder outside of it."""
    settings = Settings(warehouse=tmp_path / "small", landing=tmp_path / "inbox", wait_seconds=0)
    for file in (settings.policy_file, settings.landing_dir / "events" / "1.jsonl", settings.models_dir / "m" / "card"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}", encoding="utf-8")
    connect(settings).close()
    add_forgotten_customer(settings, "anna1")
    return settings


def test_backup_has_files_of_linked_folders(
    small_shop: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A backup lacks the folders that loads do not read either, and warns."""
    for name in ("archive", "private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "2.jsonl").write_text("{}", encoding="utf-8")
        (small_shop.landing_dir / name).symlink_to(tmp_path / name)
    (small_shop.landing_dir / "events" / "around").symlink_to(small_shop.landing_dir)
    settings = small_shop.model_copy(update={"linked_folders": (tmp_path / "archive",)})
    manifest = create_backup(settings, tmp_path / "backup", has_landing=True)
    landing_files = {file.path for file in manifest.files if file.path.startswith("landing/")}
    assert landing_files == {"landing/events/1.jsonl", "landing/archive/2.jsonl"}
    assert f"{small_shop.landing_dir}/private: the backup lacks its files: a symbolic link leads out" in caplog.text


def test_backup_through_link_is_refused(small_shop: Settings, tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to(small_shop.warehouse)
    with pytest.raises(RecomartError, match="inside the warehouse folder"):
        create_backup(small_shop, tmp_path / "disk" / "monday")


def test_second_backup_of_same_name_is_refused(small_shop: Settings, tmp_path: Path) -> None:
    """It waits for the first one, which makes the folder."""
    destination, settings = tmp_path / "backup", small_shop.model_copy(update={"wait_seconds": 30})
    results: list[BaseException | None] = []

    def back_up() -> None:
        with pytest.raises(RecomartError) as raised:
            create_backup(settings, destination)
        results.append(raised.value)

    thread = Thread(target=back_up)

    def start_second(stage: str) -> None:
        if stage == "copying the database":
            thread.start()
            sleep(0.5)

    create_backup(settings, destination, on_stage=start_second)
    thread.join()
    assert [str(error) for error in results] == [f"{destination}: the folder exists. Name a new folder for the backup"]


@pytest.mark.parametrize("is_one_disk", [True, False])
def test_killed_replacement_is_finished(
    small_shop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_one_disk: bool
) -> None:
    """The second call does not move away the files that the first one has restored, wherever that was killed."""
    backup = tmp_path / "backup"
    manifest = create_backup(small_shop, backup, has_landing=True)
    calls = {name: getattr(Path, name) for name in ("rename", "replace", "unlink")}
    remaining_calls = 0

    def count_calls(name: str, path: Path, *args: Any, **kwargs: Any) -> object:
        nonlocal remaining_calls
        if remaining_calls == 0:
            raise Killed
        remaining_calls -= 1
        if name == "rename" and not is_one_disk:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return calls[name](path, *args, **kwargs)

    for max_calls in range(100):
        changed_files = (small_shop.database, small_shop.policy_file, small_shop.landing_dir / "events" / "1.jsonl")
        for file in changed_files:
            file.write_bytes(b"changed")
        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(Path, name, partialmethod(partial(count_calls, name)))
            remaining_calls = max_calls
            with suppress(Killed):
                restore_backup(small_shop, backup, is_replacing=True)
            is_finished = remaining_calls > 0
        if max_calls % 2:
            # A kill during the deletion of the folder.
            (small_shop.warehouse / ".restore.unfinished" / "backup.json").unlink(missing_ok=True)
        restore_backup(small_shop, backup, is_replacing=True)
        restored = [
            BackupFile(path=file.path, size=target.stat().st_size, sha256=compute_file_checksum(target))
            for file in manifest.files
            for folder in (small_shop.warehouse, tmp_path)
            if (target := folder / file.path.replace("landing", "inbox")).exists()
        ]
        assert restored == manifest.files
        folders = list(small_shop.warehouse.glob("replaced-*"))
        replaced = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        assert {file.name for file in replaced} >= {file.name for file in changed_files}
        assert {file.read_bytes() for file in replaced} == {b"changed"}
        assert not (small_shop.warehouse / ".restore.unfinished").exists()
        for folder in folders:
            shutil.rmtree(folder)
        if is_finished:
            return
    pytest.fail("the restoration did not finish")


def test_interrupted_restoration_of_another_backup(shop: Settings, backup: Path, tmp_path: Path) -> None:
    restored = Settings(warehouse=tmp_path / "restored")
    kill_during("restore", restored, backup, "1")
    connect(shop).close()
    other: BackupManifest = create_backup(shop, tmp_path / "other")
    assert other.files
    with pytest.raises(RecomartError, match="was interrupted"):
        restore_backup(restored, tmp_path / "other")


@pytest.mark.parametrize("is_standby", [True, False])
def test_both_lists_of_forgotten_customers_reject(tmp_path: Path, is_standby: bool) -> None:
    """A standby has the salt of the backup, another shop has another one."""
    source, other = Settings(warehouse=tmp_path / "source"), Settings(warehouse=tmp_path / "other")
    connect(source).close()
    other.warehouse.mkdir()
    if is_standby:
        add_forgotten_customer(source, "anna1")
        shutil.copyfile(source.forgotten_customers_file, other.forgotten_customers_file)
    add_forgotten_customer(source, "bert1")
    add_forgotten_customer(other, "carl1")
    other.policy_file.write_text("{}", encoding="utf-8")
    create_backup(source, tmp_path / "backup")
    for _ in range(2):
        restore_backup(other, tmp_path / "backup", is_replacing=True)
    assert not add_forgotten_customer(other, "bert1")
    assert not add_forgotten_customer(other, "carl1")
    assert add_forgotten_customer(other, "dora1")
    forgotten = read_forgotten_customers(other)
    assert [len(hash_list.customers) for hash_list in forgotten.lists] == ([4] if is_standby else [2, 1])
    with duckdb.connect() as connection:
        users = "select unnest(['bert1', 'carl1', 'dora1', 'emil1']) as user_id"
        rows = connection.execute(f"from ({users}) where {build_is_forgotten(forgotten, 'user_id')}").fetchall()
    assert [user for (user,) in rows] == ["bert1", "carl1", "dora1"]


def test_damaged_list_of_forgotten_customers_stops(backup: Path, tmp_path: Path) -> None:
    """Nothing is moved."""
    restored = Settings(warehouse=tmp_path / "restored")
    restored.warehouse.mkdir()
    restored.forgotten_customers_file.write_text("newer", encoding="utf-8")
    with pytest.raises(RecomartError, match="the list of forgotten customers cannot be read"):
        restore_backup(restored, backup)
    assert not restored.database.exists()
    restored.forgotten_customers_file.unlink()
    restore_backup(restored, backup)
    assert restored.database.exists()
