"""The warehouse as Dagster's assets receive it.

In a module of its own: Dagster keeps resource classes alive to the end of the process, with all that their module
imports, and DuckDB's types complain when they are kept so long.
"""

import dagster as dg

from warehouse.settings import Settings


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse that the environment names (RECOMART_WAREHOUSE and its kin)."""

    @property
    def settings(self) -> Settings:
        """Where everything is; read anew for every run, so that a restart is not needed."""
        return Settings()
