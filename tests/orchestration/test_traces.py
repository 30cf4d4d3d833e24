"""The search for a customer's id finds it in tables and files of any kind, and no other customer's."""

import bz2
import gzip
import lzma
import random
import unicodedata
import zipfile
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.forgetting.customer_erasure import check_customer, describe_remaining, forget_customer
from orchestration.forgetting.traces import Trace, find_traces
from orchestration.progress import PipelineListener
from tests.three_feed_shop import Shop
from warehouse.errors import RecomartError
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
    places = find_places(shop, "mario.rossi")
    assert places[:2] == ["type main.vip (its definition: drop it)", "view main.anna (its definition: drop it)"]


def test_only_remedies_are_listed(shop: Shop) -> None:
    """A place is no remedy because of a text in its name."""
    load_catalog(shop)
    traces = [Trace("landing/notes (its copy).txt", 1), Trace("view main.anna", 1, remedy="its definition: drop it")]
    assert describe_remaining(shop.settings, "mario.rossi", traces) == (
        "view main.anna (its definition: drop it), and call the command again"
    )
