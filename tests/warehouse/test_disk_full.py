"""A load and a publish on a full disk fail with DiskFullError, write no partial data, and succeed later."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warehouse.publishing.test_publisher import TABLES, read_recommended, write_recommendations
from warehouse.database import open_reader
from warehouse.disk_full import describe_disk_full_error, raise_on_full_disk
from warehouse.errors import DiskFullError
from warehouse.publishing.live_copy import POINTER_FILE, read_pointer
from warehouse.publishing.publisher import LOCK_FILE, publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

PURCHASES = "transaction_id,user_id,product_id,quantity,price,timestamp,note"

LOAD_SCRIPT = "from warehouse.loading.loader import load; load(Settings())"
PUBLISH_SCRIPT = f"from warehouse.publishing.publisher import publish; publish(Settings(), {TABLES})"


def run_with_file_limit(settings: Settings, script: str, max_file_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run Python in a process with a limited file size, which has the effect of a full disk."""
    return subprocess.run(
        [sys.executable, "-c", f"from warehouse.settings import Settings; {script}"],
        env=settings.build_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes)),
        capture_output=True,
        text=True,
        check=False,
    )


def test_load_on_full_disk_is_repaired(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path, settle_seconds=0)
    file = settings.landing_dir / "purchases" / "2026-01-01.csv"
    file.parent.mkdir(parents=True)
    rows = (f"t{row},u{row % 7},p{row % 5},1,9.90,2026-01-01T10:00:00Z,{os.urandom(20).hex()}" for row in range(20_000))
    file.write_text("\n".join([PURCHASES, *rows]))
    done = run_with_file_limit(settings, LOAD_SCRIPT, max_file_bytes=400_000)
    assert done.returncode != 0
    assert f"DiskFullError: {tmp_path}: cannot write: File too large" in done.stderr
    with open_reader(settings) as connection:
        assert connection.execute("select count(*) from raw.purchases").fetchall() == [(0,)]
    assert run_with_file_limit(settings, LOAD_SCRIPT, max_file_bytes=resource.RLIM_INFINITY).returncode == 0
    with open_reader(settings) as connection:
        assert connection.execute("select count(*) from raw.purchases").fetchall() == [(20_000,)]


def test_publish_on_full_disk_keeps_old_copy(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    write_recommendations(settings, "p1")
    previous_copy = publish(settings, TABLES)
    write_recommendations(settings, *(os.urandom(500).hex() for _ in range(500)))
    done = run_with_file_limit(settings, PUBLISH_SCRIPT, max_file_bytes=100_000)
    assert f"DiskFullError: {tmp_path}: cannot write: File too large" in done.stderr
    assert read_pointer(settings) == previous_copy
    assert {path.name for path in settings.serving_dir.iterdir()} == {previous_copy.file, POINTER_FILE, LOCK_FILE}
    with ServingCopy(settings) as copy:
        assert read_recommended(copy) == ["p1"]
    assert run_with_file_limit(settings, PUBLISH_SCRIPT, max_file_bytes=resource.RLIM_INFINITY).returncode == 0
    assert read_pointer(settings).rows["rec_top_n"] == 500


def test_raise_on_full_disk_checks_causes(tmp_path: Path) -> None:
    """A full disk is found in the causes of an error; other errors are not changed."""
    assert describe_disk_full_error("permission denied", tmp_path) is None

    @raise_on_full_disk
    def work(_: Settings, *, is_full: bool) -> None:
        try:
            raise OSError(28 if is_full else 13, "No space left on device" if is_full else "Permission denied")
        finally:
            raise ValueError("there is no transaction to roll back")

    with pytest.raises(ValueError, match="roll back"):
        work(Settings(warehouse=tmp_path), is_full=False)
    total_mib = shutil.disk_usage(tmp_path).total >> 20
    with pytest.raises(DiskFullError, match=f"No space left on device .* of {total_mib:,} MiB are free"):
        work(Settings(warehouse=tmp_path), is_full=True)
