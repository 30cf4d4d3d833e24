"""Compressed files: detection by content, several streams, and damage."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable

import pytest

from tests.three_feed_shop import Shop
from tests.warehouse.loading.file_damage import compress_with_zstd
from warehouse.loading.loader import load

Compressor = Callable[[bytes], bytes]

COMPRESSORS: dict[str, Compressor] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": compress_with_zstd,
}

EVENTS = b"".join(b'{"user":"u%d","item":"p1","type":"view","time":"t"}\n' % number for number in range(5_000))
PURCHASES = b"sku;when;who;qty\nA;d;caf\xe9;1\n"
CATALOG = b'{"data": {"items": [{"id": "p1"}]}}'


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_compression_is_detected_by_content(shop: Shop, compress: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 10_000)
    events_file = shop.put("events/a", compress(EVENTS))
    for path, data in (("purchases/a", PURCHASES), ("catalog/a", CATALOG), ("events/b", b"")):
        shop.put(path, compress(data))
    report = load(shop.settings)
    assert {name: feed.rows_loaded for name, feed in report.feeds.items()} == {
        "events": 5_000,
        "purchases": 1,
        "products": 1,
    }
    assert shop.query("select user_id from raw.purchases") == [("café",)]
    checksums = dict(shop.query("select path, checksum from raw.loaded_files"))
    assert checksums["events/a"] == hashlib.sha256(events_file.read_bytes()).hexdigest()


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_streams_one_behind_the_other(shop: Shop, compress: Compressor) -> None:
    middle = 100_000
    padding = b"\0\0\0\0" if compress is lzma.compress else b""
    shop.put("events/a", compress(EVENTS[:middle]) + padding + compress(EVENTS[middle:]) + padding)
    assert load(shop.settings).rows_loaded == 5_000


@pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)
def test_damaged_streams_are_rejected(shop: Shop, compress: Compressor) -> None:
    data = compress(EVENTS)
    middle = len(data) // 2
    damaged = {
        "incomplete": data[:-5],
        "half": data[:middle],
        "changed": data[:middle] + bytes(byte ^ 255 for byte in data[middle : middle + 20]) + data[middle + 20 :],
        "second stream": data + data[:6] + b"x" * 50,
    }
    for name, content in damaged.items():
        shop.put(f"events/{name}", content)
    shop.put("events/whole", data)
    report = load(shop.settings)
    assert report.rows_loaded == 5_000
    assert set(report.rejected_files) == {f"events/{name}" for name in damaged}
    assert all(
        reason.startswith("the compressed file is damaged or incomplete: ") for reason in report.rejected_files.values()
    )
