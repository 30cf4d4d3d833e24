"""Settings and secrets from environment variables; no other module reads the environment."""

import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from warehouse.errors import RecomartError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """The folders of a warehouse and its limits of memory, threads and time.

    The environment variable `RECOMART_<FIELD>` sets a field; an empty variable is ignored.
    """

    model_config = SettingsConfigDict(
        env_prefix="RECOMART_", env_ignore_empty=True, frozen=True, use_attribute_docstrings=True
    )

    warehouse: Path = PROJECT_ROOT / "warehouse"
    """Folder that holds the database, the published copies, the model artifacts and the dataset versions."""

    landing: Path | None = None
    """Folder of the raw files; the default is `landing` inside the warehouse folder."""

    linked_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders outside the landing folder to which its symbolic links may lead, separated by colons. The loader rejects
    the files of other links that lead out."""

    sources: Path = PROJECT_ROOT / "warehouse" / "sources.yml"
    """YAML file that declares the feeds of the shop."""

    memory_limit: str = "2GB"
    """Memory that DuckDB may use before it spills to disk, in DuckDB's notation (`500MB`, `4GB`)."""

    threads: int = Field(default=2, ge=1)
    """Threads that DuckDB may use."""

    wait_seconds: float = Field(default=60.0, ge=0)
    """Seconds to wait while another process uses the warehouse. dbt waits for one minute, or not at all if this is
    0."""

    settle_seconds: float = Field(default=2.0, ge=0)
    """Age in seconds below which a landing file is checked a second time, after the same number of seconds. A file that
    changed in between is left for the next load. With less than the resolution of file times (up to two seconds), the
    next load reads a young file again to recognize it."""

    delivery_gap_seconds: float = Field(default=10.0, ge=0)
    """Seconds without a change of a landing file after which a delivery is complete and a run may start."""

    max_delivery_wait_seconds: float = Field(default=300.0, ge=0)
    """Maximum seconds from the first file of a delivery to the start of a run, even if more files keep arriving."""

    alert_url: SecretStr | None = None
    """Web hook that receives failed runs and failed checks as JSON."""

    serving_copies: int = Field(default=3, ge=1)
    """Number of published copies to keep, including the newest."""

    @field_validator("linked_folders", mode="before")
    @classmethod
    def _split_folders(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("memory_limit")
    @classmethod
    def _check_memory_limit(cls, value: str) -> str:
        # DuckDB takes a negative amount as "no limit". It checks the unit itself.
        if not value[:1].isdigit():
            raise ValueError(f"'{value}' is not an amount of memory. Write it like 500MB or 4GB")
        return value

    @model_validator(mode="after")
    def _make_paths_absolute(self) -> Self:
        # dbt and Dagster run in other working directories, where a relative path has another meaning.
        for field in ("warehouse", "landing", "sources"):
            path = getattr(self, field)
            if path is not None:
                object.__setattr__(self, field, path.expanduser().resolve())
        linked_folders = tuple(folder.expanduser().resolve() for folder in self.linked_folders)
        object.__setattr__(self, "linked_folders", linked_folders)
        return self

    @model_validator(mode="after")
    def _check_folders(self) -> Self:
        for field, folder in (("warehouse", self.warehouse), ("landing", self.landing_dir)):
            file = next((str(part) for part in (folder, *folder.parents) if part.is_file()), None)
            if file is not None:
                raise RecomartError(f"{file} is a file. Name a folder with --{field} or RECOMART_{field.upper()}")
        return self

    def build_environment(self) -> dict[str, str]:
        """Build the environment that gives child processes these settings."""
        variables = {f"RECOMART_{name.upper()}": _format_value(value) for name, value in self if value is not None}
        return {**os.environ, **variables}

    @property
    def landing_dir(self) -> Path:
        """Folder of the raw files."""
        return self.landing or self.warehouse / "landing"

    @property
    def database(self) -> Path:
        """The DuckDB file of the warehouse; one process at a time can write it."""
        return self.warehouse / "recomart.duckdb"

    @property
    def read_marker_file(self) -> Path:
        """The files that a load is reading; a killed load leaves it, and the next one finds the cause."""
        return self.warehouse / "load_reading.json"

    @property
    def serving_dir(self) -> Path:
        """Folder of the published read-only copies and the pointer to the newest."""
        return self.warehouse / "serving"

    @property
    def models_dir(self) -> Path:
        """Folder of the model artifacts, with one folder for each run."""
        return self.warehouse / "models"

    @property
    def datasets_dir(self) -> Path:
        """Folder of the training datasets: Parquet files, named by their content hash."""
        return self.warehouse / "datasets"

    @property
    def tuning_dir(self) -> Path:
        """Folder of the tuning runs, with one folder for each dataset version."""
        return self.warehouse / "tuning"

    @property
    def train_config_file(self) -> Path:
        """Optional file of training settings that replace the defaults."""
        return self.warehouse / "train_config.json"

    @property
    def policy_file(self) -> Path:
        """Optional file of the retraining policy and the promotion gates that replace the defaults."""
        return self.warehouse / "policy.json"

    @property
    def run_state_file(self) -> Path:
        """State of the warehouse after the last complete run; without it, the next run is complete."""
        return self.warehouse / "run_state.json"

    @property
    def profile_file(self) -> Path:
        """The HTML page of the shop's data profile."""
        return self.warehouse / "profile.html"

    @property
    def dbt_target_dir(self) -> Path:
        """Folder of dbt's compiled SQL and run results."""
        return self.warehouse / "target"

    @property
    def demo_truth_dir(self) -> Path:
        """Folder of the demo generator's ground truth: the planted errors and the customers' hidden preferences."""
        return self.warehouse / "demo_truth"


def _format_value(value: Any) -> str:
    """Return a setting as its environment variable has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)


def read_secret(variable: str) -> SecretStr:
    """Return the secret in an environment variable that a sources file names.

    Every call reads the variable, so a token can change between two runs of a long-lived process. White space around
    the secret, such as the line end of a mounted file, is removed.

    Raises:
        RecomartError: The variable is not set, or has characters that cannot be sent.
    """
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise RecomartError(f"the environment variable {variable} is not set. Set it to the secret of the service")
    if not secret.isprintable():
        raise RecomartError(
            f"the environment variable {variable} has line ends or control characters. Set it to the secret alone"
        )
    return SecretStr(secret)
