"""Settings and secrets from environment variables; no other module reads the environment."""

import os
import re
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Self

from dotenv import load_dotenv
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from warehouse.errors import RecomartError

PROJECT_ROOT = Path(__file__).resolve().parent.parent

LOG_FOLDER = "recommendation_log"
"""Folder of the logs in the landing folder. Globs of the shop's feeds match no file in it."""

PUBLISHED_LISTS_FOLDER = f"{LOG_FOLDER}/published"
SERVED_LISTS_FOLDER = f"{LOG_FOLDER}/served"

HOST_PATTERN = re.compile(r"\*|(\*\.)?[\w.-]+|\[?[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*\]?")
"""A host name, all subdomains of one, `*` for all names, or an IP address. A port or `https://` would match
no request."""

MEMORY_PATTERN = re.compile(r"[0-9]+(\.[0-9]*)? *([KMGT](i?B)?|%)", re.IGNORECASE)
"""An amount of memory in DuckDB's notation; `%` is a share of the machine's memory."""

ENV_FILE = PROJECT_ROOT / ".env"


def _load_env_file() -> str | None:
    """Put the variables of `.env` into the environment; return the problem of a file that cannot be read."""
    try:
        text = ENV_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{error.strerror}. Make it a readable file, or delete it"
    except UnicodeDecodeError as error:
        line_number = error.object[: error.start].count(b"\n") + 1
        return f"line {line_number} is not UTF-8. Save the file as UTF-8"
    for statement in parse_stream(StringIO(text)):
        source = statement.original.string
        blank_lines = source[: -len(source.lstrip()) or None].count("\n")
        if statement.error or "\0" in source:
            return f"line {statement.original.line + blank_lines} is not NAME=value. Correct the line"
    # Into the environment and not only into `Settings`: child processes and `read_secret` read it too. A variable that
    # is already set, even to an empty text, keeps its value.
    load_dotenv(stream=StringIO(text))
    return None


# An exception at the import would have no handler that prints one line.
ENV_FILE_PROBLEM = _load_env_file()


class Settings(BaseSettings):
    """The folders of a warehouse and its limits of memory, threads and time.

    The environment variable `RECOMART_<FIELD>`, or a line of `.env` in the project folder, sets a field. An empty
    variable is ignored.
    """

    model_config = SettingsConfigDict(
        env_prefix="RECOMART_", env_ignore_empty=True, frozen=True, use_attribute_docstrings=True
    )

    warehouse: Path = PROJECT_ROOT / "warehouse"
    """Folder that holds the database, the published copies, the models and the dataset versions. Use an absolute path
    when dbt runs by hand."""

    landing: Path | None = None
    """Folder of the raw files; the default is `landing` inside the warehouse folder."""

    linked_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders outside the landing folder to which its symbolic links may lead, separated by colons. The loader rejects
    the files of other links that lead out."""

    sources: Path = PROJECT_ROOT / "warehouse" / "sources.yml"
    """YAML file that declares the feeds of the shop."""

    memory_limit: str = "2GB"
    """Memory that DuckDB may use in each process before it spills to disk, in DuckDB's notation (`500MB`, `4GB`)."""

    threads: int = Field(default=2, ge=1)
    """Threads of DuckDB and of dbt."""

    wait_seconds: float = Field(default=60.0, ge=0)
    """Seconds to wait while another process uses the warehouse."""

    settle_seconds: float = Field(default=2.0, ge=0)
    """Age in seconds below which a landing file is checked a second time, after the same number of seconds. A file that
    changed in between is left for the next load. With less than the resolution of file times (up to two seconds), the
    next load reads a young file again to recognize it."""

    delivery_gap_seconds: float = Field(default=10.0, ge=0)
    """Seconds without a change of a landing file after which a delivery is complete and a run may start."""

    max_delivery_wait_seconds: float = Field(default=300.0, ge=0)
    """Maximum seconds from the first file of a delivery to the start of a run, even if more files keep arriving."""

    alert_url: SecretStr | None = None
    """Web hook that receives failed runs and failed checks as JSON (docs/operations/alerts.md)."""

    nightly_hour: int = Field(default=3, ge=0, le=23)
    """Hour (UTC) at which Dagster's `nightly_schedule` starts a run. Dagster reads it when it starts."""

    dagster_port: int = Field(default=3000, ge=1, le=65535)
    """Port of Dagster's web pages when `make dev` starts Dagster."""

    serving_copies: int = Field(default=3, ge=1)
    """Number of newest published copies to keep. With more than 1, the first copies of this week and of the last week
    are kept as well, to compare lists with."""

    effect_depth: int = Field(default=10, ge=0)
    """Number of ranks of each published list in the log of recommendations (docs/operations/recommendation_log.md). A
    publication logs the lists whose first ranks it changed. With 0 no published list is logged: then their effect is
    unknown, and experiments have no customers."""

    app_host: str = "127.0.0.1"
    """Address that the Streamlit app listens on. Other machines can reach it only with a login (docs/security.md)."""

    app_port: int = Field(default=8501, ge=0, le=65535)
    """Port of the Streamlit app."""

    app_trusted_hosts: Annotated[tuple[str, ...], NoDecode] = ("localhost", "127.0.0.1")
    """Host names under which browsers may open the app, separated by commas; `*.shop.example` means all subdomains."""

    app_users: Annotated[tuple[str, ...], NoDecode] = ()
    """E-mail addresses that may use the app after the login, separated by commas; `@shop.example` means all of a
    domain. Without this setting, all accounts of the identity provider may."""

    app_without_login: bool = False
    """Whether the app may listen for other machines without a login, because a proxy asks for one."""

    app_can_edit: bool = False
    """Whether the app may change merchandising rules and build the lists by them. Each change needs the account of the
    login or, in an app without a login, a name that the person types (docs/merchandising.md)."""

    app_max_data_age_days: float = Field(default=2, gt=0)
    """Days after which the app shows in red that the shop's newest data are old."""

    app_show_images: bool = False
    """Whether the app shows the pictures of the catalog (`image_url`). Then browsers fetch them from the servers of
    these addresses, with https only; otherwise the app shows placeholders."""

    service_require_keys: bool | None = None
    """Whether every request to the HTTP service but `/health` needs an API key. By default it does unless the service
    listens to a loopback address."""

    service_trusted_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names, separated by commas, under which clients reach the HTTP service besides `localhost`, the name in
    `--host` and IP addresses; `*.shop.example` means all subdomains. A request with another name in its header `Host`
    gets 421, because a web page can point its own host name to the service (DNS rebinding)."""

    service_log_ids: bool = False
    """Whether the access log of the HTTP service has the requested paths, with the ids of customers and products,
    instead of route templates such as `/customers/{user_id}/recommendations`."""

    service_log_lists: bool = True
    """Whether the HTTP service logs the lists that it answers with into the landing folder
    (docs/operations/recommendation_log.md)."""

    service_max_log_bytes: int = Field(default=1 << 30, ge=0)
    """Maximum bytes of logged answers that no load has read yet; beyond it the service answers without logging, and
    counts the answers."""

    service_max_header_bytes: int = Field(default=16_384, ge=1024)
    """Maximum bytes of a request's line and headers; a longer one gets 431."""

    service_max_body_bytes: int = Field(default=1_048_576, ge=1)
    """Maximum bytes of a request's body; a longer one gets 413."""

    service_max_basket_items: int = Field(default=1000, ge=1)
    """Maximum number of products in a basket; a longer one gets 422."""

    service_max_requests: int = Field(default=64, ge=1)
    """Maximum number of requests that the HTTP service works on at the same time; another one gets 429 with
    `Retry-After`. `/health` and `/metrics` always get a response."""

    service_max_connections: int = Field(default=2000, ge=1)
    """Maximum number of open connections to the HTTP service; another one gets 503 and is closed. Each needs a file
    descriptor and, while a client sends, about 20 KB."""

    service_transfer_seconds: float = Field(default=10.0, gt=0)
    """Maximum seconds in which a client must send the head of a request, then its body, and read the response. A slower
    request gets 408; a connection with a slower reader is closed."""

    service_shutdown_seconds: int = Field(default=5, ge=1)
    """Maximum seconds that the HTTP service waits for running requests when it is stopped. Requests whose body is not
    complete are closed at once."""

    @field_validator("linked_folders", mode="before")
    @classmethod
    def _split_folders(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("app_trusted_hosts", "app_users", "service_trusted_hosts", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [name.strip().lower() for name in value.split(",") if name.strip()]

    @field_validator("app_trusted_hosts", "service_trusted_hosts")
    @classmethod
    def _check_host_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not HOST_PATTERN.fullmatch(name):
                raise ValueError(f"'{name}' is not a host name. Write it like shop.example or *.shop.example")
        return names

    @field_validator("memory_limit")
    @classmethod
    def _check_memory_limit(cls, value: str) -> str:
        # DuckDB takes a negative amount as "no limit", and does not name the setting in its message about a wrong unit.
        if not MEMORY_PATTERN.fullmatch(value):
            raise ValueError(f"'{value}' is not an amount of memory. Write it like 500MB or 4GB")
        return value

    @model_validator(mode="before")
    @classmethod
    def _check_env_file(cls, values: Any) -> Any:
        if ENV_FILE_PROBLEM:
            raise RecomartError(f"settings not read: {ENV_FILE}: {ENV_FILE_PROBLEM}")
        return values

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
    def published_lists_dir(self) -> Path:
        """Folder of the log of published lists: one Parquet file for each publication."""
        return self.landing_dir / PUBLISHED_LISTS_FOLDER

    @property
    def served_lists_dir(self) -> Path:
        """Folder of the log of the lists that the HTTP service answered with, as JSON lines."""
        return self.landing_dir / SERVED_LISTS_FOLDER

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
    def audiences_file(self) -> Path:
        """All changes of the saved audiences (docs/merchandising.md)."""
        return self.warehouse / "audiences.jsonl"

    @property
    def rules_file(self) -> Path:
        """All changes of the merchandising rules (docs/merchandising_rules.md)."""
        return self.warehouse / "merchandising_rules.jsonl"

    @property
    def forgotten_customers_file(self) -> Path:
        """Salted hashes of the ids of forgotten customers, whose rows each load rejects."""
        return self.warehouse / "forgotten_customers.json"

    @property
    def accepted_failures_file(self) -> Path:
        """The accepted failures of dbt tests, one JSON object a line; dbt reads it beside the database."""
        return self.warehouse / "accepted_failures.jsonl"

    @property
    def run_state_file(self) -> Path:
        """State of the warehouse after the last complete run; without it, the next run is complete."""
        return self.warehouse / "run_state.json"

    @property
    def profile_file(self) -> Path:
        """The HTML page of the shop's data profile."""
        return self.warehouse / "profile.html"

    @property
    def api_keys_file(self) -> Path:
        """Names, hashes and scopes of the HTTP service's API keys."""
        return self.warehouse / "api_keys.json"

    @property
    def dbt_target_dir(self) -> Path:
        """Folder of dbt's compiled SQL and run results."""
        return self.warehouse / "target"

    @property
    def demo_experiments_file(self) -> Path:
        """The experiment of the demo shop's further days, like seeds/experiments/experiments.csv; dbt reads both."""
        return self.warehouse / "demo_experiments.csv"

    @property
    def demo_truth_dir(self) -> Path:
        """Folder of the demo generator's ground truth: the planted errors and the customers' hidden preferences."""
        return self.warehouse / "demo_truth"


def find_unknown_variables() -> list[str]:
    """Return the environment variables, also those of `.env`, that look like settings but are none."""
    known = {f"RECOMART_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith("RECOMART_") and name.upper() not in known)


def _format_value(value: Any) -> str:
    """Return a setting as its environment variable has it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        separator = os.pathsep if all(isinstance(item, Path) for item in value) else ","
        return separator.join(map(str, value))
    return str(value)


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
