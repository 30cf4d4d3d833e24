"""Dagster resource that gives the assets the warehouse's settings."""

import dagster as dg

from warehouse.settings import Settings


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The warehouse that the RECOMART_ variables of the environment name."""

    @property
    def settings(self) -> Settings:
        """Return the settings; every run reads them again, so that a change needs no restart."""
        return Settings()
