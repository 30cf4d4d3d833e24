"""A shop whose catalog comes from an API, loaded by the command line and by Dagster."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from orchestration.assets.raw import raw_tables
from orchestration.assets.warehouse_resource import WarehouseResource
from tests.recomart_cli import RecomartCli
from tests.three_feed_shop import Shop
from tests.warehouse.fetching.catalog_service import (
    RETRY_SETTINGS,
    ApiShop,
    make_products,
    make_status_fault,
    run_service,
)
from warehouse.settings import PROJECT_ROOT
from warehouse.sources.yaml_file import read_sources

SECRET = "s3cr3t/key"


@pytest.fixture
def catalog_api_shop(dbt_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiShop]:
    """A shop with events and a catalog API that needs a key in the query; the environment names its settings."""
    monkeypatch.setenv("CATALOG_KEY", SECRET)
    for variable, folder in {"WAREHOUSE": "warehouse", "LANDING": "landing", "SOURCES": "sources.yml"}.items():
        monkeypatch.setenv(f"RECOMART_{variable}", str(dbt_folder / folder))
    with run_service() as service:
        api = ApiShop(Shop(dbt_folder), service)
        api.declare("page", total="meta.total", auth={"type": "query", "name": "key", "key_env": "CATALOG_KEY"})
        api.shop.put("events/e.jsonl", "".join(json.dumps(build_event(n)) + "\n" for n in range(300)))
        yield api


def build_event(number: int) -> dict[str, str]:
    """Return a view event of a user, a product and a day that depend on the number."""
    item, day = number**2 % 35, number % 28 + 1
    return {"user": f"U{number % 7}", "item": f"P{item:04d}", "type": "view", "time": f"2026-01-{day:02d}T10:00:00Z"}


def test_fetch_and_load_fill_raw_products(catalog_api_shop: ApiShop, cli: RecomartCli) -> None:
    fetched = cli.run_json("fetch")["feeds"]["products"]
    assert (fetched["record_count"], fetched["is_new"], fetched["pass_count"]) == (35, True, 2)
    cli.run_json("load")
    assert catalog_api_shop.shop.query("select count(*), count(distinct product_id), min(_file) from raw.products") == [
        (35, 35, fetched["file"])
    ]
    second = cli("fetch")
    assert second.returncode == 0
    assert f"no change since {fetched['file']}; no new file was written" in second.stdout


@pytest.mark.slow
def test_run_fetches_before_loading(catalog_api_shop: ApiShop, recomart: RecomartCli) -> None:
    recomart.run_json("fetch")
    catalog_api_shop.service.products = [{**product, "price": 99} for product in make_products(40)]
    report = recomart.run_json("run")
    assert report["fetch"]["feeds"]["products"]["record_count"] == 40
    assert len(catalog_api_shop.list_files()) == 3
    assert catalog_api_shop.shop.query("select count(*), min(price), max(price) from marts.dim_products") == [
        (40, 99.0, 99.0)
    ]


@pytest.mark.slow
def test_dagster_raw_tables_fetch_first(catalog_api_shop: ApiShop) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([raw_tables], resources={"warehouse": WarehouseResource()}, instance=instance)
    assert run.success
    assert catalog_api_shop.shop.query("select count(*) from raw.products") == [(35,)]


@pytest.mark.slow
def test_failed_fetch_hides_secret(catalog_api_shop: ApiShop, recomart: RecomartCli, dbt_folder: Path) -> None:
    catalog_api_shop.service.faults = dict.fromkeys(range(2, 99), make_status_fault(401))
    for command in ("fetch", "run"):
        result = recomart(command)
        assert result.returncode == 1
        (line,) = [line for line in result.stderr.splitlines() if line.startswith("recomart: ")]
        assert f"feeds.products.api: {catalog_api_shop.service.url}/numbered returned 401" in line
        assert "Traceback" not in result.stderr
        assert "s3cr3t" not in result.stdout + result.stderr
    assert [file for file in catalog_api_shop.list_files() if file.startswith("catalog")] == []
    files = [path for path in dbt_folder.rglob("*") if path.is_file()]
    assert [path for path in files if b"s3cr3t" in path.read_bytes()] == []


def test_fetch_without_api_fails(cli: RecomartCli) -> None:
    result = cli("fetch", "--sources", PROJECT_ROOT / "warehouse" / "sources.yml")
    assert result.returncode == 1
    assert "no feed declares an api. See docs/catalog_api.md" in result.stderr


def test_example_sources_file_works(
    catalog_api_shop: ApiShop, cli: RecomartCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the address, the paging and the column names of the example change."""
    example = yaml.safe_load((PROJECT_ROOT / "warehouse" / "examples" / "catalog_api.yml").read_text(encoding="utf-8"))
    api = example["feeds"]["products"]["api"]
    api |= {
        "base_url": catalog_api_shop.service.url,
        "path": "cursor",
        "records": "data.items",
        "retries": RETRY_SETTINGS,
    }
    api |= {"total": "meta.total", "paging": {"style": "cursor", "path": "meta.next"}}
    example["feeds"]["products"]["columns"] = {"product_id": "sku"}
    catalog_api_shop.shop.settings.sources.write_text(yaml.safe_dump(example), encoding="utf-8")
    assert read_sources(catalog_api_shop.shop.settings.sources).feeds["products"].api is not None
    monkeypatch.setenv(api["auth"]["token_env"], SECRET)
    assert cli.run_json("fetch")["feeds"]["products"]["record_count"] == 35
