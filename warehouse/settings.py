"""One settings object says where everything is, and secrets are read by name; no other module reads the environment."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import RecomartError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where a warehouse is and how much of the machine it may use.

    Every field can be set as `RECOMART_<FIELD>`; an empty variable sets nothing.
    """

    model_config = SettingsConfigDict(
        env_prefix="RECOMART_", env_ignore_empty=True, frozen=True, use_attribute_docstrings=True
    )

    warehouse: Path = PROJECT_ROOT / "warehouse"
    """Folder that holds the database, the serving copies, the model artifacts and the dataset versions."""

    landing: Path | None = None
    """Folder of raw files as they arrived; `landing` inside the warehouse folder when not given."""

    sources: Path = PROJECT_ROOT / "warehouse" / "sources.yml"
    """YAML file that declares the feeds of this shop."""

    memory_limit: str = "2GB"
    """Memory that DuckDB may use before it spills to disk, as DuckDB writes it (`500MB`, `4GB`)."""

    threads: int = Field(default=2, ge=1)
    """Threads that DuckDB may use."""

    wait_seconds: float = Field(default=60.0, ge=0)
    """How long to wait while another process holds the warehouse before giving up; dbt waits for a minute, or not at
    all when this is 0."""

    settle_seconds: float = Field(default=1.0, ge=0)
    """Landing files younger than this are looked at again after as long: one that changed is still being written."""

    delivery_gap_seconds: float = Field(default=10.0, ge=0)
    """A delivery has ended, and a run may start for it, when no landing file has changed for as long."""

    max_delivery_wait_seconds: float = Field(default=300.0, ge=0)
    """How long a delivery's first file waits for its end at most: files that never cease to come hold up no run."""

    alert_url: SecretStr | None = None
    """Web hook that is told, as JSON, of runs that fail and checks that do not pass."""

    serving_copies: int = Field(default=3, ge=1)
    """Published copies to keep, the newest included."""

    @field_validator("memory_limit")
    @classmethod
    def _check_memory_limit(cls, value: str) -> str:
        # DuckDB takes what is below zero for no limit, and says itself what it makes of the rest.
        if not value[:1].isdigit():
            raise ValueError(f"'{value}' is no amount of memory such as 500MB or 4GB")
        return value

    @model_validator(mode="after")
    def _make_paths_absolute(self) -> Self:
        # dbt and Dagster run from other folders, so a relative path would mean another place there.
        for field in ("warehouse", "landing", "sources"):
            path = getattr(self, field)
            if path is not None:
                object.__setattr__(self, field, path.expanduser().resolve())
        return self

    @model_validator(mode="after")
    def _check_folders(self) -> Self:
        for field, folder in (("warehouse", self.warehouse), ("landing", self.landing_dir)):
            file = next((str(part) for part in (folder, *folder.parents) if part.is_file()), None)
            if file is not None:
                raise RecomartError(f"{file} is a file; name a folder with --{field} or RECOMART_{field.upper()}")
        return self

    def build_environment(self) -> dict[str, str]:
        """Environment for child processes, so that they work on the same warehouse with the same limits."""
        own = {
            f"RECOMART_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self
            if value is not None
        }
        return {**os.environ, **own}

    @property
    def landing_dir(self) -> Path:
        """Folder of raw files as they arrived."""
        return self.landing or self.warehouse / "landing"

    @property
    def database(self) -> Path:
        """The warehouse database; one writer at a time."""
        return self.warehouse / "recomart.duckdb"

    @property
    def serving_dir(self) -> Path:
        """Published read-only copies and the pointer to the newest."""
        return self.warehouse / "serving"

    @property
    def models_dir(self) -> Path:
        """Model artifacts, a folder for each run."""
        return self.warehouse / "models"

    @property
    def datasets_dir(self) -> Path:
        """Training datasets as Parquet files, named by their content hash."""
        return self.warehouse / "datasets"

    @property
    def tuning_dir(self) -> Path:
        """Searches for settings, a folder for each dataset version."""
        return self.warehouse / "tuning"

    @property
    def train_config_file(self) -> Path:
        """Settings that trainings go by in place of the defaults, when it is there."""
        return self.warehouse / "train_config.json"

    @property
    def policy_file(self) -> Path:
        """When to train anew and what a new model must reach, in place of the defaults, when it is there."""
        return self.warehouse / "policy.json"

    @property
    def profile_file(self) -> Path:
        """The page of pictures about the shop."""
        return self.warehouse / "profile.html"

    @property
    def dbt_target_dir(self) -> Path:
        """What dbt compiles and reports for this warehouse."""
        return self.warehouse / "target"

    @property
    def demo_truth_dir(self) -> Path:
        """What the demo shop's generator planted: its dirt and its customers' hidden tastes."""
        return self.warehouse / "demo_truth"


def read_secret(variable: str) -> SecretStr:
    """The secret in an environment variable that a shop's sources file names, so that no file has to hold it.

    It is read anew each time, which lets a token be changed between two runs of a long-lived process. White space
    around it, such as the line end of a mounted file, is not part of it.

    Raises:
        RecomartError: The variable is not set, or holds what no service could be sent.
    """
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise RecomartError(f"the environment variable {variable} is not set; it should hold the secret of a service")
    if not secret.isprintable():
        raise RecomartError(f"the environment variable {variable} holds line ends or control characters")
    return SecretStr(secret)
