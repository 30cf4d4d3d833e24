"""The log of published lists: content, only changed lists, repair after a failure."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.small_disk import fill_disk, mount_small_disk, remount_disk
from warehouse.database import open_writer
from warehouse.publishing.live_copy import PublishedCopy, read_pointer
from warehouse.publishing.publisher import log_live_lists, publish, publish_without_customer
from warehouse.settings import Settings

TABLES = ["rec_top_n"]

Lists = dict[str, list[str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A warehouse with a landing folder, whose log has two ranks of each list."""
    settings = Settings(warehouse=tmp_path / "it's a warehouse", effect_depth=2)
    settings.landing_dir.mkdir(parents=True)
    return settings


def publish_lists(
    settings: Settings,
    lists: Lists,
    arms: dict[str, str] | None = None,
    propensity: float | None = None,
    **options: Any,
) -> PublishedCopy:
    """Publish these products, in this order, as the recommendations of each customer."""
    with open_writer(settings) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(
            "create or replace table marts.rec_top_n "
            "(run_id text, user_id text, rank integer, product_id text, source text, reason_key text, "
            "propensity double)"
        )
        connection.execute("create or replace table marts.rec_customer_arms (user_id text, experiment text, arm text)")
        for user, products in lists.items():
            for rank, product in enumerate(products, start=1):
                row = ["run", user, rank, product, "model", f"reason of {product}", propensity]
                connection.execute("insert into marts.rec_top_n values (?, ?, ?, ?, ?, ?, ?)", row)
        for user, arm in (arms or {}).items():
            connection.execute("insert into marts.rec_customer_arms values (?, 'e', ?)", [user, arm])
    return publish(settings, TABLES if arms is None else [*TABLES, "rec_customer_arms"], **options)


def read_log(settings: Settings, columns: str = "user_id, product_ids") -> list[tuple[Any, ...]]:
    """Return the rows of the log by publication and customer."""
    files = f"{settings.published_lists_dir}/*.parquet".replace("'", "''")
    if not list(settings.published_lists_dir.glob("*.parquet")):
        return []
    query = f"select {columns} from read_parquet('{files}') order by publication, user_id"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def list_file_names(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.published_lists_dir.iterdir())


def test_log_has_lists_of_publication(settings: Settings) -> None:
    published = publish_lists(settings, {"u1": ["p2", "p1", "p3"], "ü2": ["p1"]})
    columns = (
        "user_id, placement, published_at, experiment, arm, run_id, product_ids, sources, reason_keys, publication"
    )
    at = published.published_at.replace(tzinfo=None)
    assert read_log(settings, columns) == [
        (
            *("u1", "home", at, None, None, "run", ["p2", "p1"], ["model", "model"]),
            *(["reason of p2", "reason of p1"], published.file),
        ),
        ("ü2", "home", at, None, None, "run", ["p1"], ["model"], ["reason of p1"], published.file),
    ]
    assert list_file_names(settings) == [published.file.replace(".duckdb", ".parquet")]


def test_log_has_only_changed_lists(settings: Settings) -> None:
    publish_lists(settings, {"u1": ["p1", "p2", "p3"], "u2": ["p1"], "u3": ["p1"], "u4": ["p1", "p2"]})
    # Rank 3 of u1 is not logged, u2 gets one more product, u3 no list, u4 another order, u5 a first list.
    publish_lists(settings, {"u1": ["p1", "p2", "p4"], "u2": ["p1", "p2"], "u4": ["p2", "p1"], "u5": ["p1"]})
    assert read_log(settings)[4:] == [("u2", ["p1", "p2"]), ("u3", []), ("u4", ["p2", "p1"]), ("u5", ["p1"])]
    # A publication without changed lists writes a file too.
    publish_lists(settings, {"u1": ["p1", "p2"], "u2": ["p1", "p2"], "u4": ["p2", "p1"], "u5": ["p1"]})
    assert (len(read_log(settings)), len(list_file_names(settings))) == (8, 3)


def test_log_has_propensities(settings: Settings) -> None:
    """Lists whose propensities change are logged again, or only those with explored places would have some."""
    lists = {"u1": ["p1", "p2", "p3"], "u2": ["p1"]}
    publish_lists(settings, lists)
    publish_lists(settings, lists, propensity=0.95)
    publish_lists(settings, lists, propensity=0.95)
    assert read_log(settings, "user_id, propensities") == [
        *[("u1", None), ("u2", None)],
        *[("u1", [0.95, 0.95]), ("u2", [0.95])],
    ]


def test_log_compares_with_last_list(settings: Settings) -> None:
    for product in ("p1", "p2", "p1"):
        publish_lists(settings, {"u1": [product]})
    assert read_log(settings) == [("u1", ["p1"]), ("u1", ["p2"]), ("u1", ["p1"])]


def test_log_compares_despite_earlier_time(settings: Settings) -> None:
    """A simulated shop and a corrected clock publish with a time before that of the last list."""
    publish_lists(settings, {"u1": ["p1"]})
    for day, product in enumerate(("p2", "p2", "p1"), start=1):
        publish_lists(settings, {"u1": [product]}, published_at=datetime(2026, 1, day, tzinfo=UTC))
    assert read_log(settings) == [("u1", ["p1"]), ("u1", ["p2"]), ("u1", ["p1"])]


def test_new_warehouse_continues_log(settings: Settings) -> None:
    for product in ("p1", "p2", "p3"):
        publish_lists(settings, {"u1": [product]})
    shutil.rmtree(settings.serving_dir)
    for product in ("p4", "p3"):
        publish_lists(settings, {"u1": [product]})
    assert [products for _, products in read_log(settings)] == [["p1"], ["p2"], ["p3"], ["p4"], ["p3"]]


def test_log_has_arms(settings: Settings) -> None:
    """A customer of an arm without lists is logged with an empty list, and a change of the arm is a change."""
    publish_lists(settings, {"u1": ["p1"], "u2": ["p1"]}, {"u1": "a", "u3": "none"})
    columns = "user_id, experiment, arm, product_ids"
    first_rows = [("u1", "e", "a", ["p1"]), ("u2", None, None, ["p1"]), ("u3", "e", "none", [])]
    assert read_log(settings, columns) == first_rows
    publish_lists(settings, {"u1": ["p1"], "u2": ["p1"]}, {"u1": "b", "u3": "none"})
    assert read_log(settings, columns) == [*first_rows, ("u1", "e", "b", ["p1"])]
    publish_lists(settings, {"u1": ["p1"], "u2": ["p1"]})
    assert read_log(settings, columns)[4:] == [("u1", None, None, ["p1"]), ("u3", None, None, [])]


def test_publish_takes_simulated_time(settings: Settings) -> None:
    simulated_at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    published = publish_lists(settings, {"u1": ["p1"]}, published_at=simulated_at)
    assert published.published_at == simulated_at == read_pointer(settings).published_at
    assert read_log(settings, "published_at") == [(simulated_at.replace(tzinfo=None),)]


def test_depth_zero_switches_log_off(settings: Settings) -> None:
    off = settings.model_copy(update={"effect_depth": 0})
    publish_lists(off, {"u1": ["p1"]})
    log_live_lists(off)
    assert not settings.published_lists_dir.exists()
    log_live_lists(settings)
    assert read_log(settings, "published_at") == [(read_pointer(settings).published_at.replace(tzinfo=None),)]


@pytest.mark.parametrize("repair", ["load", "publication"])
def test_failed_log_is_repaired(settings: Settings, caplog: pytest.LogCaptureFixture, repair: str) -> None:
    """The lists are live although the landing folder is missing; their log gets the time of their publication."""
    away = settings.landing_dir.with_name("away")
    settings.landing_dir.rename(away)
    published = publish_lists(settings, {"u1": ["p1"]})
    assert read_pointer(settings) == published
    file = settings.published_lists_dir / published.file.replace(".duckdb", ".parquet")
    assert f"{file}: the log of the published lists was not written: [Errno 2] No such file" in caplog.text
    assert not settings.landing_dir.exists()
    away.rename(settings.landing_dir)
    if repair == "load":
        log_live_lists(settings)
    else:
        publish_lists(settings, {"u1": ["p1"]})
    assert read_log(settings, "user_id, product_ids, published_at, publication") == [
        ("u1", ["p1"], published.published_at.replace(tzinfo=None), published.file)
    ]


@pytest.mark.parametrize("kind", ["full", "read_only"])
def test_publication_without_landing(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    with mount_small_disk(tmp_path / "landing", "1m") as landing:
        settings = Settings(warehouse=tmp_path / "warehouse", landing=landing)
        if kind == "full":
            ballast = fill_disk(landing, 0)
        else:
            remount_disk(landing, "ro")
        published = publish_lists(settings, {"u1": ["p1"]})
        assert read_pointer(settings) == published
        assert {"full": "No space left on device", "read_only": "Read-only file system"}[kind] in caplog.text
        if kind == "full":
            ballast.unlink()
        else:
            remount_disk(landing, "rw")
        log_live_lists(settings)
        assert read_log(settings) == [("u1", ["p1"])]
        assert list_file_names(settings) == [published.file.replace(".duckdb", ".parquet")]


def test_log_deletes_unfinished_file(settings: Settings) -> None:
    settings.published_lists_dir.mkdir(parents=True)
    (settings.published_lists_dir / "recomart-00000001-20260101T000000000000Z.parquet.tmp").write_bytes(b"half")
    published = publish_lists(settings, {"u1": ["p1"]})
    assert list_file_names(settings) == [published.file.replace(".duckdb", ".parquet")]


def test_damaged_file_does_not_stop_log(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Lists are compared with the files that can be read; damage can be anywhere in a file."""
    publish_lists(settings, {"u1": ["p1"], "u2": ["p1"]})
    publish_lists(settings, {"u1": ["p2"], "u2": ["p1"]})
    no_parquet = settings.published_lists_dir / "recomart-00000001-20260101T000000000000Z.parquet"
    no_parquet.write_bytes(b"no Parquet file")
    damaged = settings.published_lists_dir / list_file_names(settings)[-1]
    content = damaged.read_bytes()
    damaged.write_bytes(content[:4] + bytes(300) + content[304:])
    publish_lists(settings, {"u1": ["p2"], "u2": ["p1"]})
    for file in (no_parquet, damaged):
        assert f"{file}: the log of published lists cannot be read: " in caplog.text
        file.unlink()
    assert read_log(settings)[2:] == [("u1", ["p2"])]


def test_forgotten_customer_is_not_logged(settings: Settings) -> None:
    """The copy without a forgotten customer has the lists of the live copy, so nothing is logged."""
    publish_lists(settings, {"u1": ["p1"], "u2": ["p1"]})
    publish_without_customer(settings, "u1")
    assert read_log(settings) == [("u1", ["p1"]), ("u2", ["p1"])]


def test_due_log_has_no_forgotten_customer(settings: Settings) -> None:
    off = settings.model_copy(update={"effect_depth": 0})
    published = publish_lists(off, {"u1": ["p1"], "u2": ["p1"]})
    publish_without_customer(settings, "u1")
    assert read_log(settings, "user_id, published_at") == [("u2", published.published_at.replace(tzinfo=None))]
