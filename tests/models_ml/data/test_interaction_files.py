"""Tests of interaction files in all formats, and of invalid files."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models_ml.data.interaction_files import find_ignored_columns, has_item_lists, read_interactions
from models_ml.errors import ModelError


def write_file(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def read_rows(file: Path) -> set[tuple[object, ...]]:
    return {tuple(row.values()) for row in read_interactions(file).to_pylist()}


def test_read_csv_with_optional_columns(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.csv", "timestamp,item_id,weight,user_id,other\n5,007,1.5,ann,x\n7,8,2,bob,y\n")
    assert read_rows(file) == {("ann", "007", 1.5, 5.0), ("bob", "8", 2.0, 7.0)}


def test_read_csv_keeps_ids(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.csv", 'user_id,item_id\nann b,"tea, green 🍵"\nNA,null\n')
    assert read_rows(file) == {("ann b", "tea, green 🍵", 1.0, None), ("NA", "null", 1.0, None)}


def test_read_parquet_equals_csv(tmp_path: Path) -> None:
    timestamps = pa.array([datetime(2026, 1, 1), datetime(2026, 1, 2)])
    pq.write_table(
        pa.table({"user_id": [1, 2], "item_id": ["x", "y"], "timestamp": timestamps}), tmp_path / "a.parquet"
    )
    csv = write_file(tmp_path, "a.csv", "user_id,item_id,timestamp\n1,x,2026-01-01\n2,y,2026-01-02\n")
    assert read_rows(tmp_path / "a.parquet") == read_rows(csv)


def test_read_both_text_formats(tmp_path: Path) -> None:
    assert read_rows(write_file(tmp_path, "a.txt", "u a b c\nv a\nw\n")) == {
        *(("u", item, 1.0, None) for item in "abc"),
        ("v", "a", 1.0, None),
    }
    assert read_rows(write_file(tmp_path, "b.txt", "u a 1\nu b 1\n")) == {("u", "a", 1.0, None), ("u", "b", 1.0, None)}


def test_read_merges_repeated_pairs(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.csv", "user_id,item_id,weight,timestamp\nu,a,1,9\nu,a,2,3\nu,b,0,1\n")
    assert read_rows(file) == {("u", "a", 3.0, 9.0)}


def test_read_orders_by_last_occurrence(tmp_path: Path) -> None:
    rows = read_interactions(write_file(tmp_path, "a.txt", "u c a b\nv a\nu c d a\n"))
    pairs = list(zip(rows["user_id"].to_pylist(), rows["item_id"].to_pylist(), strict=True))
    assert pairs == [("u", "b"), ("v", "a"), ("u", "c"), ("u", "d"), ("u", "a")]


def test_read_cuts_off_nanoseconds(tmp_path: Path) -> None:
    for timestamp, expected in ((1_600_000_000_000_000_417, 1_600_000_000_000_000), (-1, -1)):
        timestamps = pa.array([timestamp], pa.timestamp("ns", "Europe/Paris"))
        table = pa.table({"user_id": ["u"], "item_id": ["a"], "timestamp": timestamps})
        pq.write_table(table, tmp_path / "a.parquet")
        assert read_rows(tmp_path / "a.parquet") == {("u", "a", 1.0, expected)}


def test_read_placeholder_date(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.csv", "user_id,item_id,timestamp\nu,a,9999-12-31 23:59:59\n")
    assert read_rows(file) == {("u", "a", 1.0, 253_402_300_799_000_000)}


@pytest.mark.parametrize(("name", "text"), [("a.txt", "u a b\n"), ("a.csv", "user_id,item_id\nu,a\nu,b\n")])
def test_read_skips_byte_order_mark(tmp_path: Path, name: str, text: str) -> None:
    file = write_file(tmp_path, name, f"\ufeff{text}")
    assert read_rows(file) == {("u", item, 1.0, None) for item in "ab"}


def test_read_ignores_folder_names(tmp_path: Path) -> None:
    """A folder like that of a partitioned data set adds no column."""
    folder = tmp_path / "user_id=7"
    folder.mkdir()
    pq.write_table(pa.table({"user_id": ["u"], "item_id": ["a"]}), folder / "a.parquet")
    assert read_rows(folder / "a.parquet") == {("u", "a", 1.0, None)}


def test_has_item_lists(tmp_path: Path) -> None:
    assert has_item_lists(write_file(tmp_path, "a.txt", "u a\nv b 1\n"))
    assert not has_item_lists(write_file(tmp_path, "b.txt", "u a 1\nu b 1\n"))
    assert not has_item_lists(write_file(tmp_path, "c.csv", "user_id,item_id\nu,a\n"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "user,item\n1,2\n", r"lacks the columns user_id, item_id \(it has user, item\)"),
        ("a.csv", "user_id,item_id\n", r"has no interactions"),
        ("a.csv", "", r"cannot be read"),
        ("a.csv", "user_id,item_id\n1,2\n3\n", r"cannot be read: .*Expected 2 columns, got 1"),
        ("a.csv", "user_id,item_id,weight\n1,2,1\n1,3,nan\n", r"weight of row 2 is None"),
        ("a.csv", "user_id,item_id,weight\n1,2,-1\n", r"weight of row 1 is -1"),
        ("a.csv", "user_id,item_id,weight\n1,2,heavy\n", r"weight of row 1 is 'heavy'\. Give numbers"),
        ("a.csv", "user_id,item_id,weight\n1,2,0\n", r"has no interactions: the file is empty, or every weight"),
        ("a.csv", "user_id,item_id\n1,\n", r"item_id of row 1 is ''"),
        ("a.csv", "user_id,item_id,timestamp\n1,2,\n1,3,\n1,4,5\n", r"timestamp of row 1 is None .1 more"),
        ("a.csv", "user_id,item_id,weight\n1,2,1\n1,3,1e300\n", r"weight of row 2 is 1e\+300\. Give 0 or .* to 1e\+15"),
        (
            "a.csv",
            "user_id,item_id,weight\n1,2,1\n1,3,1e-60\n",
            r"weight of row 2 is 1e-60\. Give 0 or a .* from 1e-15",
        ),
        ("a.csv", "user_id,item_id,weight\n1,2,inf\n", r"weight of row 1 is inf"),
        ("a.csv", "user_id,item_id,user_id\n1,2,3\n", r"has more than one column user_id\. Keep one of each"),
        ("a.csv", "user_id,item_id,weight,weight\n1,2,3,4\n", r"has more than one column weight\."),
        (
            "a.csv",
            "user_id,item_id,timestamp\n1,2,2024-01-01\n1,3,noon\n",
            r"timestamp of row 2 is 'noon'\. Give numbers, dates or",
        ),
        ("a.txt", "u\nv\n", r"has no interactions"),
        ("a.json", "{}", r"file extension '\.json' is not supported\. Give a \.csv"),
        ("a.parquet", "no parquet", r"cannot be read"),
    ],
)
def test_read_rejects_invalid_file(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = write_file(tmp_path, name, text)
    with pytest.raises(ModelError, match=message) as raised:
        read_interactions(file)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            [("user_id", pa.array([b"\xff"])), ("item_id", pa.array(["a"]))],
            r"user_id has values that are not UTF-8 text",
        ),
        (
            [("user_id", pa.array(["u"])), ("item_id", pa.array([b"\xff"]).view(pa.string()))],
            r"item_id has values that are not UTF-8 text\. Give text or whole numbers",
        ),
        (
            [("user_id", pa.array([[1]])), ("item_id", pa.array(["a"]))],
            r"user_id has the type list<element: int64>\. Give text or whole numbers",
        ),
        (
            [
                ("user_id", pa.array(["u"])),
                ("item_id", pa.array(["a"])),
                ("timestamp", pa.array([9 * 10**16], pa.int64()).cast(pa.timestamp("ms"))),
            ],
            r"timestamp has a date that is too far from 1970 for microseconds\. Correct it",
        ),
        ([(name, pa.array(["u"])) for name in ("user_id", "item_id", "item_id")], r"has more than one column item_id"),
    ],
)
def test_read_checks_parquet_columns(tmp_path: Path, columns: list[tuple[str, pa.Array]], message: str) -> None:
    file = tmp_path / "a.parquet"
    names, arrays = zip(*columns, strict=True)
    pq.write_table(pa.Table.from_arrays(list(arrays), list(names)), file)
    with pytest.raises(ModelError, match=message) as raised:
        read_interactions(file)
    assert str(file) in str(raised.value)


def test_column_names_without_utf8(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("user_id,item_id,größe\n1,2,3\n".encode("latin-1"))
    assert find_ignored_columns(file) == []
    with pytest.raises(ModelError, match=r"a\.csv cannot be read: .*utf-8"):
        read_interactions(file)


def test_read_rejects_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing\.csv: there is no such file\. Give a \.csv"):
        read_interactions(tmp_path / "missing.csv")
