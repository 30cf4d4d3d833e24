"""Publishing of the tables that dbt's exposures name."""

from orchestration.dbt_manifest import list_published_tables
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings


def publish_copy(settings: Settings) -> PublishedCopy:
    """Publish the tables that the exposures of the app and the service depend on."""
    return publish(settings, list_published_tables(settings))
