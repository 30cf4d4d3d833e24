"""Feeds of which no line could be read."""

import gzip

import pytest

from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.loading.unreadable_feeds import check_feeds_readable

EVENT = '{"user":"u1","item":"p1","type":"view","time":"t"}\n'


def test_feed_without_readable_lines_is_found(shop: Shop) -> None:
    shop.put("events/a", EVENT)
    shop.put("purchases/a", "sku,when,who,qty\n")
    shop.put("purchases/b", "sku,when,who,qty\np1,d,u\np2,d\n")
    report = load(shop.settings)
    message = (
        "feed purchases: none of its 2 lines could be read: purchases/b, line 2: 3 fields where the header has 4. "
        "See `recomart rejected --feed purchases`"
    )
    assert report.unreadable_feeds == {"purchases": message}
    assert load(shop.settings).unreadable_feeds == {"purchases": message}
    with pytest.raises(RecomartError, match="none of its 2 lines"):
        check_feeds_readable(report)
    shop.put("purchases/c", "sku,when,who,qty\np1,d,u,1\n")
    report = load(shop.settings)
    assert report.unreadable_feeds == {}
    check_feeds_readable(report)


def test_feed_with_rejected_files_is_found(shop: Shop) -> None:
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a", gzip.compress(b"sku,when,who,qty\np1,d,u,1\n" * 100)[:-9])
    shop.put("purchases/b", "when,who,qty\nd,u,1\n")
    shop.put("purchases/c", "sku,when,who,qty\n")
    (message,) = load(shop.settings).unreadable_feeds.values()
    assert message.startswith("feed purchases: none of its 2 files could be read: purchases/a: the compressed file is")
    for name in "ab":
        (shop.landing / "purchases" / name).unlink()
    assert load(shop.settings).unreadable_feeds == {}


def test_feed_with_loaded_rows_is_readable(shop: Shop) -> None:
    shop.put("purchases/a", "sku,when,who,qty\np1,d,u,1\n")
    load(shop.settings)
    shop.put("purchases/a", gzip.compress(b"sku,when,who,qty\n" * 100)[:-9])
    report = load(shop.settings)
    assert list(report.rejected_files) == ["purchases/a"]
    assert report.unreadable_feeds == {}


def test_feed_without_lines_is_readable(shop: Shop) -> None:
    shop.put("purchases/a", "sku,when,who,qty\n")
    shop.put("events/a", "")
    shop.put("catalog/a", "")
    assert load(shop.settings).unreadable_feeds == {}
