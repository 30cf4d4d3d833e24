"""The search for a customer's id finds it in tables and files of any kind, and no other customer's."""

import zipfile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.forgetting.customer_erasure import check_customer, forget_customer
from orchestration.forgetting.traces import find_traces
from orchestration.progress import PipelineListener
from tests.three_feed_shop import Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load


def find_places(shop: Shop, user_id: str) -> list[str]:
    return [trace.place for trace in find_traces(shop.settings, user_id)]


def test_tables_are_searched(shop: Shop) -> None:
    """Own tables can have other types; a number is also an id of a product."""
    shop.settings.warehouse.mkdir(exist_ok=True)
    with duckdb.connect(str(shop.settings.database)) as connection:
        connection.execute("create table numbers as select 1200345 as USER_ID")
        connection.execute("create table lists as select ['anna1', 'bert1'] as customers")
        connection.execute("create table products as select '1200345' as product_id")
        connection.execute("create table others as select unnest(['xanna1', 'anna1-b', 'Anna1']) as user_id")
    assert find_places(shop, "1200345") == ["main.numbers"]
    assert find_places(shop, "anna1") == ["main.lists", "recomart.duckdb"]


def test_ids_that_are_parts_of_others(shop: Shop) -> None:
    shop.put("users.csv", "anna1@example.org\nx.anna1,anna1.b,anna1+b,anna1-b,anna1_b,Anna1,anna12,xanna1\n")
    assert find_places(shop, "anna1") == []
    shop.put("mails.txt", "Sent to anna1.\n")
    assert find_places(shop, "anna1") == ["landing/mails.txt"]
    assert find_places(shop, "anna1@example.org") == ["landing/users.csv"]


def test_damaged_files_are_searched(shop: Shop) -> None:
    pq.write_table(pa.table({"user_id": ["anna1"]}), shop.landing / "copy.parquet")
    with zipfile.ZipFile(shop.landing / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.csv", "anna1\n")
    damaged = {"damaged.parquet": b"PAR1 anna1 ", "damaged.zip": b"anna1 PK\x05\x06" + b"a" * 18, "empty.parquet": b""}
    for name, content in damaged.items():
        shop.put(name, content)
    names = ["copy.parquet", "damaged.parquet", "damaged.zip", "export.zip"]
    assert find_places(shop, "anna1") == [f"landing/{name}" for name in names]


@pytest.mark.parametrize("missing", ["warehouse", "landing"])
def test_missing_folders_are_no_all_clear(shop: Shop, missing: str) -> None:
    """The check and the erasure fail alike, before the customer is on the list of forgotten ones."""
    shop.put("catalog/1.json", '{"data": {"items": [{"id": "a", "name": "Mug", "price": 1}]}}')
    load(shop.settings)
    settings = shop.settings.model_copy(update={missing: shop.landing.parent / "nowhere"})
    for call in (
        lambda: check_customer(settings, "anna1"),
        lambda: forget_customer(settings, "anna1", PipelineListener()),
    ):
        with pytest.raises(RecomartError, match=r"nowhere.*(does not exist|no such landing folder)"):
            call()
    assert not settings.forgotten_customers_file.exists()
