"""A plugin of dbt-duckdb that checks the files that dbt reads once, before dbt opens them.

dbt opens the warehouse in twelve connections, one after the other. With dbt-duckdb's own retries, each of them waits
for a minute before the command fails, and it retries a missing folder as well.
"""

from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError
from pydantic import ValidationError

from warehouse.database import retry_while_locked
from warehouse.errors import RecomartError
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings
from warehouse.validation_messages import describe_validation_error


class Plugin(BasePlugin):
    """Waits for locked database files, and refuses missing ones."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:  # noqa: ARG002
        """Start without a failure."""
        self._failure: DbtRuntimeError | None = None

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Check the database files; a later connection raises the failure of the first one without a check.

        Raises:
            DbtRuntimeError: A file is missing, unreadable, or still locked after the settings' `wait_seconds`; or a
                setting is wrong.
        """
        if self._failure is None:
            try:
                _check_files(creds, config)
            except RecomartError as error:
                self._failure = DbtRuntimeError(str(error))
            except ValidationError as error:
                self._failure = DbtRuntimeError(describe_validation_error(error))
        if self._failure is not None:
            raise self._failure


def _check_files(creds: DuckDBCredentials, config: dict[str, Any]) -> None:
    attached_files = [Path(attachment.path) for attachment in creds.attach or []]
    # dbt creates the database of target dev. Only the loader creates the one with the raw tables.
    for file in attached_files or [Path(creds.path)]:
        if not file.exists():
            raise RecomartError(
                f"{file.absolute()}: the warehouse does not exist. Name another folder in RECOMART_WAREHOUSE, load the "
                "data with `recomart load`, or create a demo shop with `make demo`"
            )
    for file in [Path(creds.path), *attached_files]:
        open_file = partial(duckdb.connect, str(file), read_only=file in attached_files, config=config)
        retry_while_locked(Settings(warehouse=file.parent), open_file).close()
    # dbt reads the rules store in SQL, which cannot read a missing file or a line without an end.
    RuleStore(Settings(warehouse=Path(creds.path).parent)).repair()
