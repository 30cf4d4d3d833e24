"""Targets of the Makefile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from warehouse.settings import PROJECT_ROOT


def run_make(folder: Path, *arguments: str, **variables: str) -> str:
    """Run make in a folder with environment variables; return its output."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_env_file_is_written_only_when_missing(tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "Makefile", tmp_path)
    env_file = tmp_path / ".env"
    run_make(tmp_path, ".env")
    assert env_file.read_text(encoding="utf-8") == f"DAGSTER_HOME={tmp_path}/orchestration/dagster_home\n"
    env_file.write_text("RECOMART_THREADS=1\n", encoding="utf-8")
    os.utime(env_file, (0, 0))
    run_make(tmp_path, ".env")
    assert env_file.read_text(encoding="utf-8") == "RECOMART_THREADS=1\n"


def test_clean_keeps_decisions_of_users(tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "Makefile", tmp_path)
    warehouse = tmp_path / "warehouse"
    (warehouse / "landing" / "events").mkdir(parents=True)
    kept_files = {
        *("policy.json", "accepted_failures.jsonl", "api_keys.json", "forgotten_customers.json", "sources.yml"),
        *("merchandising_rules.jsonl", "audiences.jsonl"),
    }
    generated_files = {"recomart.duckdb", "recomart.duckdb.wal", "run_state.json", "load_reading.json", "erasing.lock"}
    for name in kept_files | generated_files:
        (warehouse / name).touch()
    (tmp_path / "orchestration" / "dagster_home").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    run_make(tmp_path, "clean")
    assert {path.name for path in warehouse.iterdir()} == kept_files


def test_dev_starts_dagster_at_port(tmp_path: Path) -> None:
    for file in (PROJECT_ROOT / "Makefile", PROJECT_ROOT / "pyproject.toml", *PROJECT_ROOT.glob("requirements*.txt")):
        shutil.copy(file, tmp_path)
    shutil.copytree(PROJECT_ROOT / ".ci", tmp_path / ".ci")
    for name, command in {"python": f'exec {sys.executable} "$@"', "dagster": 'echo dagster "$@"'}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        program.chmod(0o755)
    environment_file = tmp_path / "installed"
    environment_file.touch()
    arguments = ("dev", f"BIN={tmp_path}", f"ENVIRONMENT={environment_file}")
    output = run_make(tmp_path, *arguments, RECOMART_DAGSTER_PORT="4000", PYTHONPATH=str(PROJECT_ROOT))
    assert output == "dagster dev --port 4000\n"
