"""Targets of the Makefile."""

import os
import shutil
import subprocess
from pathlib import Path

from warehouse.settings import PROJECT_ROOT


def run_make(folder: Path, target: str) -> None:
    subprocess.run(["make", target], cwd=folder, check=True, capture_output=True)


def test_env_file_is_written_only_when_missing(tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "Makefile", tmp_path)
    env_file = tmp_path / ".env"
    run_make(tmp_path, ".env")
    assert env_file.read_text(encoding="utf-8") == f"DAGSTER_HOME={tmp_path}/orchestration/dagster_home\n"
    env_file.write_text("RECOMART_THREADS=1\n", encoding="utf-8")
    os.utime(env_file, (0, 0))
    run_make(tmp_path, ".env")
    assert env_file.read_text(encoding="utf-8") == "RECOMART_THREADS=1\n"
