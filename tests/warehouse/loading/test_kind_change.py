"""Loading after the declared kind of a feed is corrected."""

import pytest

from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.loading.reloading import reload_files

PURCHASES_AS_EVENTS = {
    **PURCHASES_CSV,
    "kind": "events",
    "columns": {"product_id": "sku", "user_id": "who", "event_type": "qty", "event_at": "at"},
}
LINE = "sku,when,who,qty,at\np1,2026-01-01,u1,2,t\n"


def change_kind(shop: Shop, **files: str) -> None:
    """Load purchases declared as events, then correct the declaration."""
    shop.declare(sales=PURCHASES_AS_EVENTS)
    for name, text in files.items():
        shop.put(f"purchases/{name}.csv", text)
    load(shop.settings)
    shop.declare(sales={**PURCHASES_CSV, "kind": "purchases"})


def test_changed_kind_moves_all_rows(shop: Shop) -> None:
    change_kind(shop, a=LINE + "broken\n", b="sku,who,qty,at\np1,u1,2,t\n")
    assert list(load(shop.settings).rejected_files) == ["purchases/b.csv"]
    assert shop.query("select (select count(*) from raw.events), (select count(*) from raw.purchases)") == [(0, 1)]
    assert shop.query("select path, rows_loaded, rows_rejected from raw.loaded_files") == [("purchases/a.csv", 1, 1)]
    assert shop.query("select count(*) from raw.rejected_rows") == [(1,)]


def test_reload_fails_after_kind_change(shop: Shop) -> None:
    change_kind(shop, a=LINE, b=LINE)
    with pytest.raises(RecomartError, match=r"feeds\.sales\.kind: .* `recomart load`, which loads all of them again"):
        reload_files(shop.settings, file_glob="purchases/a.csv")
    assert shop.query("select count(*) from raw.events") == [(2,)]


def test_changed_kind_fails_for_missing_file(shop: Shop) -> None:
    change_kind(shop, a=LINE, b=LINE)
    (shop.landing / "purchases/b.csv").unlink()
    with pytest.raises(
        RecomartError, match=r"feeds\.sales\.kind: the kind was different when purchases/b\.csv was loaded"
    ):
        load(shop.settings)
    assert shop.query("select count(*) from raw.events") == [(2,)]
