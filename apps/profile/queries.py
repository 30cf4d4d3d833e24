"""The questions of the profile: the very analyses that stand in dbt_project/analyses/profile, compiled by dbt."""

import duckdb
import pandas as pd

from orchestration.dbt_runner import compile_analyses
from warehouse.database import reader
from warehouse.errors import RecomartError
from warehouse.settings import Settings

FOLDER = "profile"
"""Where the analyses stand, inside dbt_project/analyses."""


def ask(settings: Settings) -> dict[str, pd.DataFrame]:
    """Run every analysis of the folder; answers by name, all small, for the counting is done in SQL.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse, or the marts are not built.
    """
    answers = {}
    with reader(settings) as connection:
        for name, query in compile_analyses(settings, FOLDER).items():
            try:
                answers[name] = connection.sql(query).df()
            except duckdb.CatalogException as error:
                raise RecomartError(
                    f"{settings.database}: the analysis {name} needs a table that is not there "
                    f"({str(error).splitlines()[0]}); build the marts with `recomart run`, or `dbt build`"
                ) from error
    return answers
