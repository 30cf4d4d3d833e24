"""State of the warehouse after a complete run, so that a run with nothing new can end before the build."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models_ml.config import TrainConfig
from orchestration.config_files import read_policy
from orchestration.dbt_manifest import PARSED_SUFFIXES, iter_project_paths
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import PROJECT_ROOT, Settings

PYTHON_PACKAGES = ("models_ml", "orchestration", "warehouse")
"""Packages whose code the tables depend on."""

LEDGER_QUERY = "select concat_ws(' ', count(*), max(load_id)) from raw.loaded_files"


class RunState(BaseModel):
    """Everything that the results of a run depend on. Equal states give equal results."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run_date: str
    """UTC date of the run: the first run of a day is complete, so that it warns of overdue feeds."""
    ledger: str
    """Number of loads and the newest load, after the run's own load."""
    database: str
    """Size and change time of the database: they change with each load, build, training or promotion."""
    code: str
    """Hash of the dbt project (models, macros, tests, seeds) and the Python packages."""
    settings: str
    """The training settings and the policy."""
    models: str
    """Names, sizes and change times of the files of all models."""
    live_copy: str
    """Name, size and change time of the live copy."""


CHANGE_REASONS = {
    "run_date": "it is the first run of the day",
    "ledger": "files were loaded",
    "database": "the tables were changed",
    "code": "the dbt project or the code was changed",
    "settings": "the policy or the training settings were changed",
    "models": "the files of a model were changed",
    "live_copy": "another copy is live",
}
"""Reasons to run, by field of `RunState`."""


def read_ledger(settings: Settings) -> str:
    """Return the number of loads and the newest load."""
    with open_reader(settings) as connection:
        (ledger,) = connection.execute(LEDGER_QUERY).fetchone() or ("",)
    return str(ledger)


def find_reasons_to_run(settings: Settings, config: TrainConfig) -> list[str]:
    """Return what has changed since the last complete run; an empty list when nothing has."""
    try:
        last_state = RunState.model_validate_json(settings.run_state_file.read_bytes())
        state = _read_state(settings, config, read_ledger(settings))
    except (FileNotFoundError, ValidationError, RecomartError):
        return ["there was no complete run"]
    return [reason for field, reason in CHANGE_REASONS.items() if getattr(state, field) != getattr(last_state, field)]


def record_run(settings: Settings, config: TrainConfig, ledger: str) -> None:
    """Record a complete run; `ledger` is that of the run's own load, so that a load by another process is noticed."""
    state = _read_state(settings, config, ledger)
    settings.run_state_file.write_text(state.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _read_state(settings: Settings, config: TrainConfig, ledger: str) -> RunState:
    live_copy = settings.serving_dir / read_pointer(settings).file
    return RunState(
        run_date=f"{datetime.now(UTC):%Y-%m-%d}",
        ledger=ledger,
        database=_describe_file(settings, settings.database),
        code=_hash_files(_find_code_files()),
        settings=config.model_dump_json() + read_policy(settings).model_dump_json(),
        models="; ".join(_describe_file(settings, file) for file in sorted(settings.models_dir.glob("*/*"))),
        live_copy=_describe_file(settings, live_copy),
    )


def _describe_file(settings: Settings, file: Path) -> str:
    status = file.stat()
    return f"{file.relative_to(settings.warehouse)}: {status.st_size} bytes, {status.st_mtime_ns} ns"


def _find_code_files() -> list[Path]:
    dbt_files = [path for path in iter_project_paths() if path.suffix in PARSED_SUFFIXES]
    python_files = [file for package in PYTHON_PACKAGES for file in (PROJECT_ROOT / package).rglob("*.py")]
    return sorted([*dbt_files, *python_files])


def _hash_files(files: Iterable[Path]) -> str:
    """Return a hash of the paths and contents of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file} {file.stat().st_size} ".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
