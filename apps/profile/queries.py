"""The queries of the profile: the analyses in dbt_project/analyses/profile, compiled by dbt."""

from collections.abc import Callable, Mapping

import duckdb
import pandas as pd

from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.settings import Settings

QueryCompiler = Callable[[], Mapping[str, str]]
"""A function that returns the SQL of each analysis by name. It is called while the warehouse is open."""


def run_queries(settings: Settings, compile_queries: QueryCompiler) -> dict[str, pd.DataFrame]:
    """Run every analysis and return the results by name.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse, or the marts are not built.
    """
    results = {}
    with open_reader(settings) as connection:
        for name, query in compile_queries().items():
            try:
                results[name] = connection.sql(query).df()
            except duckdb.CatalogException as error:
                raise RecomartError(
                    f"no profile: {settings.database}: the analysis {name} needs a missing table "
                    f"({str(error).splitlines()[0]}). Build the marts with `recomart run` or `dbt build`"
                ) from error
    return results
