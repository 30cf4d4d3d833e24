"""The warehouse as Dagster's assets receive it."""

import dagster as dg

from warehouse.settings import Settings


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse that the environment names (RECOMART_WAREHOUSE and its kin)."""

    @property
    def settings(self) -> Settings:
        """Where everything is; read anew for every run, so that a restart is not needed."""
        return Settings()
