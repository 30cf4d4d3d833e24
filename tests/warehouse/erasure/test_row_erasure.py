"""Rows are erased from the version of a file that was loaded, and from the raw tables."""

import json
import unicodedata
from collections.abc import Callable

import duckdb
import pytest

from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop
from warehouse.erasure.customer_rows import find_raw_rows, find_rejected_rows_to_erase
from warehouse.erasure.erasure_lock import check_erasure_number, lock_erasure, wait_for_erasure
from warehouse.erasure.row_erasure import FileRows, erase_rows
from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.loading.forgotten_customers import add_forgotten_customer
from warehouse.loading.loader import load
from warehouse.sources.yaml_file import read_sources


def write_events(*users: str) -> str:
    rows = ({"user": user, "item": "p", "type": "view", "time": "2026-01-01"} for user in users)
    return "".join(json.dumps(row) + "\n" for row in rows)


def erase(shop: Shop, user_id: str, on_search: Callable[[], object] = lambda: None) -> list[FileRows]:
    """Erase the rows of a customer; return those that were found. `on_search` is called after each search for rows."""
    sources = read_sources(shop.settings.sources)

    def find_rows(connection: duckdb.DuckDBPyConnection) -> list[FileRows]:
        rows = find_raw_rows(connection, user_id)
        on_search()
        return rows

    return erase_rows(
        shop.settings,
        sources,
        find_rows,
        lambda connection: find_rejected_rows_to_erase(connection, sources, user_id),
    )


def test_changed_file_keeps_its_records(shop: Shop) -> None:
    """The numbers of loaded rows are those of other records in a version that was delivered since."""
    file = shop.put("events/1.jsonl", write_events("anna1", "bert1", "carl1"))
    load(shop.settings)
    delivered = write_events("dora1", "emil1", "anna1")
    with pytest.raises(RecomartError, match=r"events/1.jsonl: the file changed"):
        erase(shop, "anna1", lambda: shop.put("events/1.jsonl", delivered))
    assert file.read_text(encoding="utf-8") == delivered
    load(shop.settings)
    assert erase(shop, "anna1") == [FileRows("events", "events/1.jsonl", [3])]
    assert file.read_text(encoding="utf-8") == write_events("dora1", "emil1")


def test_empty_landing_folder(shop: Shop) -> None:
    """The files of an archive can be elsewhere; the rows in the warehouse are erased."""
    file = shop.put("events/1.jsonl", write_events("anna1", "bert1"))
    load(shop.settings)
    file.unlink()
    assert erase(shop, "anna1") == [FileRows("events", "events/1.jsonl", [1])]
    assert shop.query("select user_id from raw.events") == [("bert1",)]


def test_copies_of_killed_calls_are_deleted(shop: Shop) -> None:
    shop.put("events/1.jsonl", write_events("anna1", "bert1"))
    unfinished = shop.put("events/.1.jsonl.rewritten", write_events("anna1"))
    load(shop.settings)
    assert erase(shop, "carl1") == []
    assert not unfinished.exists()


def test_one_erasure_at_a_time(shop: Shop) -> None:
    with (
        lock_erasure(shop.settings),
        pytest.raises(WarehouseBusyError, match="runs another erasure of rows"),
        lock_erasure(shop.settings.model_copy(update={"wait_seconds": 0})),
    ):
        pass


@pytest.mark.parametrize("user_id", ["c2hvcDE=", "O'Brien'", "a\\b", "100%", "日本 1", "x.y+z@example.org", "q\"r'"])
def test_ids_with_marks(shop: Shop, user_id: str) -> None:
    """An id is compared as a whole: ids that are parts of it, or have it as a part, are other customers."""
    others = [user_id[:-1], f"{user_id}x", user_id.replace("=", ""), user_id.upper(), "%", "_", "0x1"]
    others = [other for other in others if other != user_id]
    shop.put("events/1.jsonl", write_events(user_id, *others, f" {user_id} "))
    load(shop.settings)
    assert len(erase(shop, user_id)) == 1
    assert [user for (user,) in shop.query("select user_id from raw.events order by _line")] == others
    add_forgotten_customer(shop.settings, user_id)
    shop.put("events/2.jsonl", write_events(user_id, *others))
    assert load(shop.settings).feeds["events"].rows_rejected == 1


def test_rejected_lines_of_others_stay(shop: Shop) -> None:
    """A short id is also a quantity; ids can have blanks and colons."""
    shop.declare(purchases={**PURCHASES_CSV, "delimiter": "^"})
    lines = ["p1^2026-01-01^u1^7", "p^2026^7", "p^2026^gid://shop/12", "p^2026^anna 1"]
    file = shop.put("purchases/1.csv", "\n".join(["sku^when^who^qty", *lines, ""]))
    for user_id in ("7", "gid://shop/12", "anna 1"):
        add_forgotten_customer(shop.settings, user_id)
    assert load(shop.settings).feeds["purchases"].rows_rejected == 3
    assert shop.query("select line, text from raw.rejected_rows order by line") == [(3, "p^2026^7"), (4, ""), (5, "")]
    erase(shop, "7")
    assert file.read_text(encoding="utf-8").splitlines() == ["sku^when^who^qty", *lines[:2]]


@pytest.mark.parametrize(
    "user_id", ["jürgen/1", "o'neil\"1", "x;drop table--", "=cmd|x", "tab\tbed", "C:\\users", "anna 1"]
)
def test_rejected_lines_with_escaped_ids(shop: Shop, user_id: str) -> None:
    """Broken lines have ids as JSON and CSV escape them; delimiters of other files are parts of ids."""
    shop.declare(events=EVENTS_JSONL, purchases={**PURCHASES_CSV, "delimiter": "~"})
    users = (user_id, user_id[:-1], unicodedata.normalize("NFD", user_id))
    events = [json.dumps({"user": user, "item": "p"}).replace("/", r"\/")[:-1] for user in users]
    events += [json.dumps({"item": "p", "user": user}, ensure_ascii=False)[:-2] for user in users]
    event_file = shop.put("events/1.jsonl", "".join(f"{event}\n" for event in events))
    fields = ['"' + user.replace('"', '""') + '"' if '"' in user else user for user in users]
    rows = [f"p~{field}\n" for field in fields]
    purchase_file = shop.put("purchases/1.csv", "".join(["sku~when~who~qty\n", *rows]))
    load(shop.settings)
    assert erase(shop, user_id) == []
    assert event_file.read_text(encoding="utf-8").splitlines() == [events[1], events[4]]
    assert purchase_file.read_text(encoding="utf-8") == f"sku~when~who~qty\n{rows[1]}"
    texts = shop.query("select text from raw.rejected_rows order by all")
    assert texts == [(text,) for text in sorted([events[1], events[4], rows[1].rstrip("\n")])]


@pytest.mark.parametrize("user_id", ["10023", "customer-1"])
def test_value_of_customer_decides(shop: Shop, user_id: str) -> None:
    """In a broken JSON line, an id can also be that of a product, an order or a text."""
    mention = f'"item":"{user_id}","note":"for {user_id}"'
    others = [
        f'{{"user":"55555",{mention},"x',
        f'{{{mention},"user":55555}}}}',
        f'{{"a":{{"user":"{user_id}"}},"user":"5\\u00355,5",{mention}',
    ]
    own = [f'{{"user":"{user_id}","item":"p","x', f'{{"item":"p","user":{json.dumps(user_id)},"n":[1,']
    file = shop.put("events/1.jsonl", "\n".join([*others, *own, ""]))
    load(shop.settings)
    assert erase(shop, user_id) == []
    assert file.read_text(encoding="utf-8").splitlines() == others
    add_forgotten_customer(shop.settings, user_id)
    shop.put("events/2.jsonl", "\n".join([*others, *own, ""]))
    load(shop.settings)
    texts = shop.query("select text from raw.rejected_rows where path = 'events/2.jsonl' order by line")
    assert texts == [(text,) for text in [*others, "", ""]]


def test_ambiguous_ids_in_lines_of_csv(shop: Shop) -> None:
    """A line without readable columns is the customer's by an id that is no number and no id of a product."""
    lines = ["p^10023", "p^mug-1", "p^customer-1"]
    shop.declare(events=EVENTS_JSONL, purchases={**PURCHASES_CSV, "delimiter": "^"})
    file = shop.put("purchases/1.csv", "\n".join(["sku^when^who^qty", *lines, "mug-1^2026-01-01^u1^1", ""]))
    load(shop.settings)
    for user_id in ("10023", "mug-1", "customer-1"):
        erase(shop, user_id)
        add_forgotten_customer(shop.settings, user_id)
    assert file.read_text(encoding="utf-8").splitlines()[1:3] == lines[:2]
    shop.put("purchases/2.csv", "\n".join(["sku^when^who^qty", *lines, ""]))
    load(shop.settings)
    texts = shop.query("select text from raw.rejected_rows where path = 'purchases/2.csv' order by line")
    assert texts == [(lines[0],), (lines[1],), ("",)]


def test_rows_that_continue_a_group(shop: Shop) -> None:
    """With `fill_down`, the rows after a forgotten customer's first one do not become rows of the customer before."""
    columns = {**PURCHASES_CSV["columns"], "transaction_id": "order"}
    shop.declare(purchases={**PURCHASES_CSV, "columns": columns, "fill_down": "order"})
    content = "\n".join(
        [
            *("order,sku,when,who,qty", "o1,a,2026-01-01,bert1,1", ",b,,,1"),
            *("o2,a,2026-01-01,anna1,1", ",b,,,2", "o2,c,2026-01-01,,3", "o3,a,2026-01-01,carl1,1", ",c,,,4"),
            *('"o4"x,a,2026-01-01,anna1,1', ",b,,,5", "o5,a,2026-01-01,dora1,1", ""),
        ]
    )
    file = shop.put("purchases/1.csv", content)
    add_forgotten_customer(shop.settings, "anna1")
    load(shop.settings)
    kept = [2, 3, 7, 8, 10, 11]
    assert [line for (line,) in shop.query("select _line from raw.purchases order by 1")] == kept
    erase(shop, "anna1")
    lines = content.splitlines()
    assert file.read_text(encoding="utf-8").splitlines() == [
        lines[0],
        *(lines[line - 1] for line in kept if line != 10),
    ]


def test_work_that_began_before_is_refused(shop: Shop) -> None:
    """A training that read the rows of a customer writes no model after the customer was forgotten."""
    number = wait_for_erasure(shop.settings)
    check_erasure_number(shop.settings, number, "tuning")
    add_forgotten_customer(shop.settings, "anna1")
    with pytest.raises(RecomartError, match=r"^tuning failed: a customer was forgotten after it read the rows"):
        check_erasure_number(shop.settings, number, "tuning")
