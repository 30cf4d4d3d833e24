"""State of the warehouse after a complete run, so that a run with nothing new can end before the build."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models_ml.config import TrainConfig
from orchestration.config_files import read_policy
from orchestration.dbt_manifest import iter_project_paths
from warehouse.atomic_files import write_text_atomically
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.regular_files import read_regular_file
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.sources.columns import LOG_KINDS

PYTHON_PACKAGES = ("models_ml", "orchestration", "warehouse")
"""Packages whose code the tables depend on."""

NOTHING_NEW_MESSAGE = "Nothing has changed since the last complete run, so nothing was built, trained or published"

LOAD_QUERIES = (
    f"select * exclude (changed_ns) from raw.loaded_files where feed not in {LOG_KINDS} order by all",
    f"select * from raw.feeds where kind not in {LOG_KINDS} order by all",
    "select * from raw.event_aliases order by all",
)
"""Queries whose rows each change of the loaded rows of the shop or of their declaration changes. The logs of
recommendations alone are no reason for a run."""


class RunInputs(BaseModel):
    """Inputs of a run, as they were before its build. So changes during the run are reasons for another one."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run_date: str
    """UTC date: the first run of a day is complete, so that it warns of overdue feeds."""
    loads: str
    """Hash of the loaded files and the declarations of their feeds."""
    code: str
    """Hash of the dbt project (models, macros, tests, seeds) and the Python packages."""
    settings: str
    """The training settings and the policy, as JSON."""
    rules: str = ""
    """Size and change time of the rules store."""


class RunResults(BaseModel):
    """Results of a run, as they were at its end. Sizes and change times show later changes."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    database: str
    """Size and change time of the database, which each load, build, training and promotion changes."""
    models: str
    """Names, sizes and change times of the files of all models."""
    live_copy: str
    """Name, size and change time of the live copy."""


class RunState(BaseModel):
    """The last run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    run_id: str
    """Identifier of the run, not of a model."""
    inputs: RunInputs
    results: RunResults | None = None
    """None until the run is complete."""


CHANGE_REASONS = {
    "run_date": "it is the first run of the day",
    "loads": "files were loaded, or their declaration was changed",
    "code": "the dbt project or the code was changed",
    "settings": "the policy or the training settings were changed",
    "rules": "the merchandising rules were changed",
    "database": "the tables were changed",
    "models": "the files of a model were changed",
    "live_copy": "another copy is live",
}
"""Reasons to run, by field of `RunInputs` and `RunResults`."""


def find_reasons_to_run(settings: Settings, config: TrainConfig) -> list[str]:
    """Return what has changed since the last complete run; an empty list when nothing has."""
    try:
        last_run = RunState.model_validate_json(read_regular_file(settings.run_state_file))
        if last_run.results is None:
            return ["the last run did not complete"]
        current = (_read_inputs(settings, config), _read_results(settings))
    except (FileNotFoundError, ValidationError, RecomartError):
        return ["there was no complete run"]
    return [
        CHANGE_REASONS[field]
        for before, after in zip((last_run.inputs, last_run.results), current, strict=True)
        for field, value in after
        if value != getattr(before, field)
    ]


def begin_run(settings: Settings, config: TrainConfig, run_id: str) -> None:
    """Record the inputs of a run before its build. Until `complete_run`, the next run is complete."""
    _write_state(settings, RunState(run_id=run_id, inputs=_read_inputs(settings, config)))


def complete_run(settings: Settings, run_id: str) -> None:
    """Record the results of a run whose steps have all succeeded; does nothing if another run has begun since."""
    state = RunState.model_validate_json(read_regular_file(settings.run_state_file))
    if state.run_id == run_id:
        _write_state(settings, state.model_copy(update={"results": _read_results(settings)}))


def find_run_of_database(settings: Settings) -> RunState | None:
    """Return the last run if it is complete and the database is still as it left it."""
    try:
        run = RunState.model_validate_json(read_regular_file(settings.run_state_file))
    except (FileNotFoundError, ValidationError, RecomartError):
        return None
    is_unchanged = run.results is not None and run.results.database == _describe_files(settings, settings.database)
    return run if is_unchanged else None


def ignore_loaded_logs(settings: Settings, run: RunState | None) -> None:
    """Take the database as that of the run if a load, before which it was, has loaded nothing but logs."""
    database = _describe_files(settings, settings.database)
    if run is None or run.results is None or run.results.database == database:
        return
    if run.inputs.loads == _hash_load_tables(settings):
        results = run.results.model_copy(update={"database": database})
        _write_state(settings, run.model_copy(update={"results": results}))


def _write_state(settings: Settings, state: RunState) -> None:
    write_text_atomically(settings.run_state_file, state.model_dump_json(indent=2) + "\n")


def _read_inputs(settings: Settings, config: TrainConfig) -> RunInputs:
    return RunInputs(
        run_date=f"{datetime.now(UTC):%Y-%m-%d}",
        loads=_hash_load_tables(settings),
        code=_hash_files(_find_code_files()),
        settings=config.model_dump_json() + read_policy(settings).model_dump_json(),
        # dbt creates an empty store.
        rules=_describe_files(settings, settings.rules_file) if RuleStore(settings).read_history() else "",
    )


def _read_results(settings: Settings) -> RunResults:
    return RunResults(
        database=_describe_files(settings, settings.database),
        models=_describe_files(settings, *settings.models_dir.glob("*/*")),
        live_copy=_describe_files(settings, settings.serving_dir / read_pointer(settings).file),
    )


def _hash_load_tables(settings: Settings) -> str:
    digest = hashlib.sha256()
    with open_reader(settings) as connection:
        for query in LOAD_QUERIES:
            digest.update(repr(connection.execute(query).fetchall()).encode())
    return digest.hexdigest()


def _describe_files(settings: Settings, *files: Path) -> str:
    return "; ".join(
        f"{os.path.relpath(file, settings.warehouse)} {file.stat().st_size} bytes {file.stat().st_mtime_ns} ns"
        for file in sorted(files)
        if file.is_file()
    )


def _find_code_files() -> list[Path]:
    """Return all files of the dbt project, with any suffix, and the Python and SQL files of the packages."""
    packages = [PROJECT_ROOT / package for package in PYTHON_PACKAGES]
    package_files = [file for folder in packages for file in (*folder.rglob("*.py"), *folder.glob("*.sql"))]
    return sorted(file for file in (*iter_project_paths(), *package_files) if file.is_file())


def _hash_files(files: list[Path]) -> str:
    """Return a hash of the paths and contents of the files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file} {file.stat().st_size} ".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
