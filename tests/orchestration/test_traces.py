"""The search for a customer's id finds it in tables and files of any kind, and no other customer's."""

import bz2
import gzip
import io
import lzma
import random
import unicodedata
import zipfile
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from orchestration.forgetting.customer_erasure import check_customer, describe_remaining, forget_customer
from orchestration.forgetting.traces import Trace, describe_search_limit, find_traces
from orchestration.progress import PipelineListener
from tests.recomart_cli import RecomartCli
from tests.three_feed_shop import Shop
from warehouse.errors import RecomartError
from warehouse.loading.forgotten_customers import read_forgotten_customers
from warehouse.loading.loader import load


def find_places(shop: Shop, user_id: str) -> list[str]:
    return [trace.describe() for trace in find_traces(shop.settings, user_id)]


def load_catalog(shop: Shop) -> None:
    shop.put("catalog/1.json", '{"data": {"items": [{"id": "a", "name": "Mug", "price": 1}]}}')
    load(shop.settings)


def find_counts(shop: Shop, user_id: str) -> list[tuple[str, int]]:
    return [(trace.place, trace.matches) for trace in find_traces(shop.settings, user_id)]


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
    load_catalog(shop)
    settings = shop.settings.model_copy(update={missing: shop.landing.parent / "nowhere"})
    for call in (
        lambda: check_customer(settings, "anna1"),
        lambda: forget_customer(settings, "anna1", PipelineListener()),
    ):
        with pytest.raises(RecomartError, match=r"nowhere.*(does not exist|no such landing folder)"):
            call()
    assert not settings.forgotten_customers_file.exists()


def test_other_databases_are_searched(shop: Shop) -> None:
    """Blocks of DuckDB files are compressed; a short id is searched in columns of customers."""
    for name in ("recomart_dev.duckdb", "copies/old.db"):
        file = shop.settings.warehouse / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(file)) as connection:
            connection.execute("create table users as select concat('an', i % 1000) as user_id from range(100000) r(i)")
    for user_id in ("an9", "an997"):
        assert find_counts(shop, user_id) == [("copies/old.db", 100), ("recomart_dev.duckdb", 100)]


SPELLINGS = {
    "jürgen/1": [r"j\u00fcrgen\/1", r"j\u00FCrgen/1", "ju\u0308rgen/1", r"ju\u0308rgen/1", r"\u006aürgen/1"],
    "o'neil\"1": ["o'neil\\\"1", 'o\'neil""1', "o\\u0027neil\\u00221", "o''neil\"\"1"],
    "C:\\users\\x1": [r"C:\\users\\x1"],
    "tab\tbed": [r"tab\tbed", r"tab\u0009bed"],
    "🙂🙂🙂🙂🙂": [r"\ud83d\ude42" * 5],
    "a+b@example.org": [r"a\u002Bb@example.org"],
}


@pytest.mark.parametrize("user_id", SPELLINGS)
def test_escaped_ids_are_found(shop: Shop, user_id: str) -> None:
    """JSON and CSV escape marks, and some systems write decomposed characters."""
    spellings = [user_id, *SPELLINGS[user_id]]
    shop.settings.warehouse.mkdir(exist_ok=True)
    for number, spelling in enumerate(spellings):
        shop.put(f"{number}.txt", f'{{"note": "for\\n{spelling}"}}')
    shop.put("other.txt", "".join(f"x{spelling}x\n" for spelling in spellings))
    with duckdb.connect(str(shop.settings.database)) as connection:
        connection.execute("create table notes as select unnest(?::varchar[]) as note", [spellings])
    counts = dict(find_counts(shop, user_id))
    counts.pop("recomart.duckdb", None)
    assert counts == {"main.notes": len(spellings)} | {f"landing/{n}.txt": 1 for n in range(len(spellings))}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp1252", "cp1250", "gb18030"])
def test_encodings_are_searched(shop: Shop, encoding: str) -> None:
    shop.put("users.csv", "id,name\n1,müller99\n".encode(encoding))
    assert find_places(shop, "müller99") == ["landing/users.csv"]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_truncated_archives_are_searched(shop: Shop, compress: Callable[[bytes], bytes]) -> None:
    """Half of a file has an id that it had at its start."""
    noise = random.Random(1).randbytes(2_000_000).hex()
    content = compress(f"anna1\n{noise}".encode())
    shop.put("half", content[: len(content) // 2])
    shop.put("unread", b"\x1f\x8b anna1 ")
    assert find_places(shop, "anna1") == ["landing/half", "landing/unread"]


def test_names_are_searched(shop: Shop) -> None:
    """The name of a file has parts; each part can be the id of a customer."""
    for name in ("mario.rossi.jsonl", "cust_mario.rossi_1.jsonl", "xmario.rossi.txt", "mario.rossi/1.txt"):
        shop.put(f"events/{name}", "-")
    shop.put(f"events/{unicodedata.normalize('NFD', 'jürgen1')}.csv", "-")
    names = ["cust_mario.rossi_1.jsonl", "mario.rossi", "mario.rossi.jsonl"]
    remedy = " (its name: rename or delete it)"
    assert find_places(shop, "mario.rossi") == [f"landing/events/{name}{remedy}" for name in names]
    assert len(find_places(shop, "jürgen1")) == 1
    shop.settings.warehouse.mkdir(exist_ok=True)
    with duckdb.connect(str(shop.settings.database)) as connection:
        connection.execute("create table files as select 'events/mario.rossi.jsonl' as path")
    assert find_places(shop, "mario.rossi")[0] == "main.files"


def test_definitions_are_searched(shop: Shop) -> None:
    """An ENUM keeps its values when the rows are deleted."""
    shop.settings.warehouse.mkdir(exist_ok=True)
    with duckdb.connect(str(shop.settings.database)) as connection:
        connection.execute("create type vip as enum ('mario.rossi', 'bert1')")
        connection.execute("create view anna as select 1 as x where 'mario.rossi' <> ''")
        connection.execute("create view of_dbt as select 1 as x where 'mario.rossi' <> ''")
        connection.execute("create schema gates")
        connection.execute("create table gates.node_results as select 'model.recomart.of_dbt' as node")
    places = find_places(shop, "mario.rossi")
    assert places[:2] == ["type main.vip (its definition: drop it)", "view main.anna (its definition: drop it)"]
    assert "of_dbt" not in " ".join(places)


def test_unknown_id_needs_no_build(shop: Shop) -> None:
    """A mistyped id is rejected by later loads, and nothing else is done."""
    load_catalog(shop)
    before = shop.settings.database.read_bytes()
    assert forget_customer(shop.settings, "mario.rosi", PipelineListener()) == []
    assert len(read_forgotten_customers(shop.settings).customers) == 1
    assert shop.settings.database.read_bytes() == before


def test_only_remedies_are_listed(shop: Shop) -> None:
    """A place is no remedy because of a text in its name."""
    load_catalog(shop)
    traces = [Trace("landing/notes (its copy).txt", 1), Trace("view main.anna", 1, remedy="its definition: drop it")]
    assert describe_remaining(shop.settings, "mario.rossi", traces) == (
        "view main.anna (its definition: drop it), and call the command again"
    )


def test_types_of_columns_are_searched(shop: Shop) -> None:
    """Ids can be in columns of bytes, UUIDs and lists of them."""
    user_id = "1B4E28BA-2fa1-11d2-883f-0016d3cca427"
    shop.settings.warehouse.mkdir(exist_ok=True)
    with duckdb.connect(str(shop.settings.database)) as connection:
        connection.execute(f"create table ids as select '{user_id}'::uuid as id, ['{user_id}'::uuid] as ids")
        connection.execute(f"create table texts as select encode('for {user_id}') as text")
        connection.execute(f"create table bytes as select '\\xFF{user_id}\\x00'::blob as bytes, 'a' as a")
        connection.execute("create table others as select uuid() as id, 1.5 as x, true as y, now() as z")
    assert find_places(shop, user_id)[:3] == ["main.bytes", "main.ids", "main.texts"]
    assert "main.others" not in find_places(shop, "false")


def test_tables_in_files_are_searched(shop: Shop) -> None:
    """Tables are compressed; texts of Parquet can be bytes, and its metadata is text."""
    table = pa.table({"note": pa.array([b"for anna1", b"\xff"], pa.binary()), "n": [1, 2]})
    pq.write_table(table, shop.landing / "bytes.parquet")
    pq.write_table(pa.table({"n": [1]}).replace_schema_metadata({"owner": "anna1"}), shop.landing / "metadata.parquet")
    pq.write_table(table, shop.landing / "other_name.dat")
    texts = pa.table({"note": ["anna1"] * 3 + ["x" * 99] * 1000})
    for compression in ("zstd", "lz4"):
        feather.write_feather(texts, shop.landing / f"{compression}.feather", compression=compression)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(shop.landing / "stream.arrows", texts.schema, options=options) as writer:
        writer.write_table(texts)
    assert find_counts(shop, "anna1") == [
        *(("landing/bytes.parquet", 1), ("landing/lz4.feather", 3), ("landing/metadata.parquet", 1)),
        *(("landing/other_name.dat", 1), ("landing/stream.arrows", 3), ("landing/zstd.feather", 3)),
    ]
    assert find_places(shop, "bert1") == []


def make_zip(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("empty.txt", "")
        archive.writestr(name, content)
    return file.getvalue()


def test_archives_in_archives_are_searched(shop: Shop) -> None:
    text = b"anna1 " + b"x" * 1000
    parquet = io.BytesIO()
    pq.write_table(pa.table({"user_id": ["anna1"], "x": ["x"]}), parquet)
    found = {
        "a.zip": make_zip("users.csv.gz", gzip.compress(text)),
        "b.zip": make_zip("users.zip", make_zip("users.csv", text)),
        "c.zip": make_zip("users.parquet", parquet.getvalue()),
        "d.gz": gzip.compress(bz2.compress(lzma.compress(text))),
        "e.zip": make_zip("list_anna1.csv", b""),
    }
    others = {"other.zip": make_zip("users.zip", make_zip("users.csv", b"xanna1"))}
    for name, content in (found | others).items():
        shop.put(name, content)
    assert find_places(shop, "anna1") == [f"landing/{name}" for name in found]


def test_unsearched_files_are_named(shop: Shop) -> None:
    """A file that cannot be searched is no place without the id."""
    text = b"anna1 " + b"x" * 1000
    damaged_zip = make_zip("users.csv", text)
    encrypted_zip = bytearray(make_zip("users.csv", text))
    for magic, position in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted_zip[encrypted_zip.rindex(magic) + position] |= 1
    parquet = io.BytesIO()
    pq.write_table(pa.table({"note": ["x"]}), parquet)
    deep = text
    for _ in range(4):
        deep = gzip.compress(deep)
    shop.put("cut.parquet", parquet.getvalue()[:-10])
    shop.put("cut.zip", damaged_zip[:-30])
    shop.put("deep.gz", deep)
    shop.put("encrypted.zip", bytes(encrypted_zip))
    shop.put("huge.gz", gzip.compress(b"x" * (40 << 20)))
    shop.put("mail.7z", b"7z\xbc\xaf\x27\x1c" + b"x" * 100)
    shop.put("noise.gz", gzip.compress(random.Random(1).randbytes(10_000))[:5_000])
    traces = find_traces(shop.settings, "anna1")
    assert [(trace.place, trace.matches) for trace in traces] == [
        (f"landing/{name}", 0)
        for name in ("cut.parquet", "cut.zip", "deep.gz", "encrypted.zip", "huge.gz", "mail.7z", "noise.gz")
    ]
    assert traces[2].describe() == (
        "landing/deep.gz (it cannot be searched: more than 3 archives are in one another. Look for the id in it)"
    )


@pytest.mark.slow
def test_command_lists_unsearched_files(recomart: RecomartCli, shop: Shop) -> None:
    load_catalog(shop)
    shop.put("mail.7z", b"7z\xbc\xaf\x27\x1c")
    settings = shop.settings
    options = ("--warehouse", settings.warehouse, "--landing", settings.landing, "--sources", settings.sources)
    assert recomart.run_json("forget", "anna1", "--check", *options) == {
        "is_forgotten": False,
        "places": [],
        "unsearched": [
            "landing/mail.7z (it cannot be searched: 7z archives are not decompressed. Look for the id in it)"
        ],
    }
    output = recomart("forget", "anna1", "--check", *options).stdout
    assert "no place that can be searched has the id anna1" in output
    assert "landing/mail.7z" in output
    shop.put("mail.7z", "")
    assert recomart("forget", "12345", "--check", *options).stdout.splitlines() == [
        "no place has the id 12345",
        "12345 is short or a number: it is searched in columns of customers, not in texts",
    ]


def test_id_of_product_is_no_trace(shop: Shop) -> None:
    """The catalog keeps the product when the customer with the same id is forgotten."""
    shop.put("catalog/1.json", '{"data": {"items": [{"id": "mug-1", "name": "Mug", "price": 1}]}}')
    event = '{"user": "%s", "item": "mug-1", "type": "view", "time": "2026-01-01"}\n'
    shop.put("events/mug-1.jsonl", event % "mug-1" + event % "anna1")
    load(shop.settings)
    assert find_counts(shop, "mug-1") == [
        *(("loaded and rejected rows", 1), ("landing files of these rows", 1), ("raw.events", 1))
    ]
    assert describe_search_limit(shop.settings, "mug-1") == (
        "mug-1 is also the id of a product: it is searched in columns of customers, not in texts"
    )
    assert describe_search_limit(shop.settings, "anna1") is None
    shop.put("events/mug-1.jsonl", event % "anna1")
    load(shop.settings)
    assert find_places(shop, "mug-1") == []
