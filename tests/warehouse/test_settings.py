"""Settings from environment variables and from .env."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from warehouse.settings import PROJECT_ROOT, Settings, find_unknown_variables
from warehouse.validation_messages import describe_validation_error


def test_empty_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_WAREHOUSE", "")
    assert Settings().warehouse == PROJECT_ROOT / "warehouse"


def test_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name would trust requests with an empty host name."""
    monkeypatch.setenv("RECOMART_SERVICE_TRUSTED_HOSTS", " shop.internal, Recs.Example,")
    settings = Settings()
    assert settings.service_trusted_hosts == ("shop.internal", "recs.example")
    assert settings.build_environment()["RECOMART_SERVICE_TRUSTED_HOSTS"] == "shop.internal,recs.example"


@pytest.mark.parametrize("field", ["app_trusted_hosts", "service_trusted_hosts"])
def test_host_that_matches_nothing_is_refused(field: str) -> None:
    """The app and the service would ignore it."""
    for name in ("shop*.example", "*shop.example", "https://shop.example", "shop.example:8000", "a b"):
        with pytest.raises(ValidationError, match="is not a host name"):
            Settings.model_validate({field: name})
    names = "shop.example,*.shop.example,*,127.0.0.1,::1,[::1]"
    assert ",".join(getattr(Settings.model_validate({field: names}), field)) == names


@pytest.mark.parametrize("value", ["2 potatoes", "500", "1,5GB", "-1GB", "2GB x", "\u0662GB"])
def test_wrong_memory_limit_is_refused(value: str) -> None:
    with pytest.raises(ValidationError) as error_info:
        Settings(memory_limit=value)
    expected = f"RECOMART_MEMORY_LIMIT: '{value}' is not an amount of memory. Write it like 500MB or 4GB"
    assert describe_validation_error(error_info.value) == expected


@pytest.mark.parametrize("value", ["500MB", "1.5 GiB", "2g", "80%"])
def test_duckdb_reads_memory_limits(value: str) -> None:
    """Each amount that the settings accept must be in DuckDB's notation."""
    duckdb.connect(config={"memory_limit": Settings(memory_limit=value).memory_limit}).close()


def test_unknown_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_APP_USER", "@shop.example")
    monkeypatch.setenv("recomart_warehouse", "/data/shop")
    assert find_unknown_variables() == ["RECOMART_APP_USER"]


def run_in_copy(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process with a copy of the settings class in a folder, which can have a `.env`."""
    package = folder / "warehouse"
    package.mkdir(exist_ok=True)
    for name in ("__init__.py", "settings.py", "errors.py"):
        shutil.copy(PROJECT_ROOT / "warehouse" / name, package)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECOMART_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={**environment, "PYTHONPATH": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def read_settings_in(folder: Path, **variables: str) -> dict[str, Any]:
    """Return settings, and a secret, that a new process reads in a copy of the settings class in a folder."""
    code = """
import json, os
from warehouse.settings import Settings, read_secret
settings = Settings()
print(json.dumps({
    "threads": settings.threads,
    "memory_limit": settings.memory_limit,
    "secret": read_secret("SHOP_TOKEN").get_secret_value(),
    "child": settings.build_environment()["SHOP_TOKEN"],
}))
"""
    result = run_in_copy(folder, code, **variables)
    assert result.returncode == 0, result.stderr
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def test_env_file_sets_settings_and_secrets(tmp_path: Path) -> None:
    lines = ["DAGSTER_HOME=/dagster", "RECOMART_THREADS=3", "RECOMART_MEMORY_LIMIT=1GB", "SHOP_TOKEN=abc"]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")

    assert read_settings_in(tmp_path) == {"threads": 3, "memory_limit": "1GB", "secret": "abc", "child": "abc"}
    # A variable of the environment is stronger; an empty one means the default.
    changed = read_settings_in(tmp_path, RECOMART_THREADS="5", RECOMART_MEMORY_LIMIT="")
    assert (changed["threads"], changed["memory_limit"]) == (5, "2GB")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("RECOMART_THREADS=3\n# für\n".encode("latin-1"), "line 2 is not UTF-8. Save the file as UTF-8"),
        ("RECOMART_THREADS=3\n".encode("utf-16"), "line 1 is not UTF-8. Save the file as UTF-8"),
        ("RECOMART_THREADS=3\n".encode("utf-16-le"), "line 1 is not NAME=value. Correct the line"),
        (b"A=1\n\n\n'B\nC=2\n", "line 4 is not NAME=value. Correct the line"),
        (b"A=1\nB='2\nC=3\n", "line 2 is not NAME=value. Correct the line"),
        (b"A=1\r\n\r\n=2\r\n", "line 3 is not NAME=value. Correct the line"),
    ],
)
def test_damaged_env_file_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    """The import of the module passes, so that the commands can print the message on one line."""
    (tmp_path / ".env").write_bytes(content)
    code = """
from warehouse.errors import RecomartError
from warehouse.settings import Settings
try:
    Settings()
except RecomartError as error:
    print(error)
"""
    result = run_in_copy(tmp_path, code)
    assert result.stdout == f"settings not read: {tmp_path}/.env: {problem}\n", result.stderr
    assert result.stderr == ""


def test_unreadable_env_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    result = run_in_copy(tmp_path, "from warehouse.settings import Settings\nSettings()")
    assert f"{tmp_path}/.env: Is a directory. Make it a readable file, or delete it" in result.stderr.splitlines()[-1]
