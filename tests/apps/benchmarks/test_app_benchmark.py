"""`recomart bench app` on a small synthetic shop."""

from pathlib import Path

import pytest

from apps.benchmarks.app_benchmark import run_app_benchmark
from apps.benchmarks.synthetic_copy import TABLE_QUERIES, SyntheticCopy, publish_synthetic_copy
from apps.merchandiser.page_list import PAGES
from tests.apps.merchandiser.browser import needs_browser
from warehouse.publishing.live_copy import read_pointer
from warehouse.publishing.product_queries import count_lists, get_customers_of_product, search_products
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

SHOP = SyntheticCopy(customers=300, products=2000, actions=3)


@pytest.mark.slow
def test_synthetic_copy_has_tables_of_template(demo_warehouse: Settings, tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    published = publish_synthetic_copy(settings, SHOP, demo_warehouse)
    template = read_pointer(demo_warehouse)
    assert published.rows.keys() == template.rows.keys() >= TABLE_QUERIES.keys()
    assert published.rows["rec_user_timeline"] == 900
    with ServingCopy(settings) as copy:
        assert count_lists(copy) == 300
        product_id = search_products(copy, "", 1)["product_id"].iloc[0]
        customers = get_customers_of_product(copy, product_id, None)
        assert customers["rank"].is_monotonic_increasing


@pytest.mark.slow
@needs_browser
def test_app_benchmark_measures_pages(demo_warehouse: Settings, tmp_path: Path) -> None:
    result = run_app_benchmark(Settings(warehouse=tmp_path), SHOP, demo_warehouse, repetitions=1)
    assert [page.page for page in result.pages] == [page.title for page in PAGES]
    assert result.memory_mib > 50
    # The targets hold for a large shop.
    assert all(target.is_met is None for target in result.targets)
