"""Fixtures of a running catalog service and of a shop that fetches from it."""

from collections.abc import Iterator

import pytest

from tests.three_feed_shop import Shop
from tests.warehouse.fetching.catalog_service import ApiShop, CatalogService, run_service


@pytest.fixture
def service() -> Iterator[CatalogService]:
    """A catalog service with 35 products."""
    with run_service() as service:
        yield service


@pytest.fixture
def api(shop: Shop, service: CatalogService) -> ApiShop:
    """A shop whose catalog is fetched from `service`, by default with page numbers."""
    return ApiShop(shop, service)
