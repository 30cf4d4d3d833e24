"""A forgotten customer is erased from every file; the shop goes on, and no load brings the customer back."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from models_ml.config import TrainConfig
from orchestration.feed_accounting import read_feed_status
from orchestration.forgetting.customer_erasure import check_customer, forget_customer
from orchestration.forgetting.customer_export import read_customer_rows
from orchestration.model_registry import list_model_runs
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.refusals import accept_failure, find_refusals, list_accepted
from orchestration.steps import build_marts
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.publishing.live_copy import read_pointer, verify_copy
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def find_files_with_bytes(folder: Path, text: str) -> list[str]:
    """Return the files that have the text in their bytes, decompressed if they are gzip files."""

    def read(file: Path) -> bytes:
        content = file.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content

    return [str(file) for file in folder.rglob("*") if file.is_file() and text.encode() in read(file)]


def find_values(database: Path, text: str) -> list[str]:
    """Return the columns of a DuckDB file that have the text in a value; blocks can be compressed."""
    with duckdb.connect(str(database), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where database_name = current_database()"
        ).fetchall()
        return [
            f"{schema}.{table}.{column}"
            for schema, table, column in columns
            if connection.execute(
                f'select 1 from "{schema}"."{table}" where contains("{column}"::varchar, ?) limit 1', [text]
            ).fetchall()
        ]


def read_lists(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the published products of each customer, best first."""
    with ServingCopy(settings) as copy:
        rows = copy.query_frame("select user_id, list(product_id order by rank) as products from rec_top_n group by 1")
    return dict(zip(rows["user_id"], map(tuple, rows["products"]), strict=True))


def find_customer(settings: Settings) -> str:
    """Return an evaluated customer with events and purchases."""
    with open_reader(settings) as connection:
        return str(
            connection.execute(
                """
                select user_id from marts.dim_users
                where purchase_count > 0 and user_id in (select user_id from ml.evaluation_pairs)
                order by event_count desc, user_id
                limit 1
                """
            ).fetchall()[0][0]
        )


def assert_export_is_complete(settings: Settings, user_id: str) -> None:
    """Check that the export has all rows of the customer of each table and view of schemas marts and ml."""
    exported = read_customer_rows(settings, user_id)
    with open_reader(settings) as connection:
        relations = connection.execute(
            """
            select table_schema || '.' || table_name
            from information_schema.columns
            where table_schema in ('marts', 'ml') and column_name = 'user_id'
            """
        ).fetchall()
        counts = {
            name: connection.execute(f"select count(*) from {name} where user_id = ?", [user_id]).fetchall()[0][0]
            for (name,) in relations
        }
    expected = {name: count for name, count in counts.items() if count}
    assert {"marts.my_events", "marts.fct_events", "marts.ml_interactions"} <= expected.keys()
    assert {name: len(rows) for name, rows in exported.items() if not name.startswith("raw.")} == expected
    assert {"raw.events", "raw.purchases", "raw.rejected_rows"} <= exported.keys()


@pytest.mark.slow
def test_forgotten_customer_leaves_no_byte(demo_copy: Settings, recomart: RecomartCli) -> None:
    settings = demo_copy
    user_id = find_customer(settings)
    dev_database = settings.warehouse / "recomart_dev.duckdb"
    shutil.copy(settings.database, dev_database)
    (settings.warehouse / "logs" / "old.log").write_text(f"failed for {user_id}\n", encoding="utf-8")
    # A broken line has the id too.
    with (settings.landing_dir / "purchases" / "2026-01-02.csv").open("a", encoding="utf-8") as file:
        file.write(f"\nt1,{user_id}\n")
    load(settings)
    lists, runs = read_lists(settings), list_model_runs(settings)
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("create view marts.my_events as select user_id, event_at from marts.fct_events")
    assert_export_is_complete(settings, user_id)

    result = recomart("forget", user_id, "--warehouse", settings.warehouse)
    assert result.returncode == 0, result.stderr
    assert "marts.dim_users" in result.stdout
    assert "done forget" in result.stderr
    assert " 0.0 s" not in result.stderr
    assert "recomart_dev.duckdb" in result.stdout
    assert not dev_database.exists()
    assert find_files_with_bytes(settings.warehouse, user_id) == []
    for database in (settings.database, *settings.serving_dir.glob("*.duckdb")):
        assert find_values(database, user_id) == []
    assert recomart.run_json("forget", user_id, "--check", "--warehouse", settings.warehouse)["places"] == []

    # The history of the models stays, and the lists of the others but for ties in popularity.
    assert [run.run_id for run in list_model_runs(settings)] == [run.run_id for run in runs]
    lists_after = read_lists(settings)
    assert lists_after.keys() == lists.keys() - {user_id}
    same_count = sum(lists[user] == products for user, products in lists_after.items())
    assert same_count > 0.98 * len(lists_after)
    assert recomart("evaluate", "--warehouse", settings.warehouse).returncode == 0


def flood_newest_day(settings: Settings, user_id: str) -> None:
    """Load a file with many times the usual lines of the newest day, also of the customer, and build; a test fails."""
    newest_file = max((settings.landing_dir / "clickstream").glob("*.jsonl*"))
    day = newest_file.name[:10]
    event = {"product_id": "p00001", "event_type": "view", "timestamp": f"{day}T12:00:00Z"}
    lines = [json.dumps({**event, "user_id": user, "n": n}) for n in range(10_000) for user in ("u1", user_id)]
    (newest_file.parent / f"{day}-flood.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    load(settings)
    with pytest.raises(RecomartError, match="assert_daily_volume_within_limit"):
        build_marts(settings)


@pytest.mark.slow
def test_failed_gates_do_not_stop_erasure(demo_copy: Settings, recomart: RecomartCli) -> None:
    """The copy that stays live is replaced by one without the customer."""
    settings, user_id = demo_copy, find_customer(demo_copy)
    flood_newest_day(settings, user_id)
    lists, published = read_lists(settings), read_pointer(settings)
    result = recomart("forget", user_id, "--warehouse", settings.warehouse)
    assert result.returncode == 0, result.stderr
    assert "the customer is erased, also from the published lists, but no new lists are published" in result.stderr
    assert "assert_daily_volume_within_limit: events of" in result.stderr
    assert find_files_with_bytes(settings.warehouse, user_id) == []
    (copy,) = settings.serving_dir.glob("*.duckdb")
    for database in (settings.database, copy):
        assert find_values(database, user_id) == []
    lists.pop(user_id)
    assert read_lists(settings) == lists
    successor = read_pointer(settings)
    assert (successor.file, successor.published_at) == (copy.name, published.published_at)
    assert successor.rows["dim_users"] == published.rows["dim_users"] - 1
    verify_copy(settings, successor)


@pytest.mark.slow
def test_erasure_keeps_acceptances(demo_copy: Settings) -> None:
    """An accepted failure is accepted again, unless a delivery was loaded after the build or by the call."""
    settings, user_id, test = demo_copy, find_customer(demo_copy), "assert_daily_volume_within_limit"
    other_users = [user for user in read_lists(settings) if user != user_id]
    flood_newest_day(settings, user_id)
    accept_failure(settings, test, "a sale")
    published = read_pointer(settings)
    assert forget_customer(settings, user_id, PipelineListener()) == []
    assert read_pointer(settings).published_at > published.published_at
    assert [(accepted.test, accepted.why, is_current) for accepted, is_current in list_accepted(settings)] == [
        (test, "a sale", False),
        (test, "a sale (rows of a forgotten customer were erased)", True),
    ]
    flood = next((settings.landing_dir / "clickstream").glob("*-flood.jsonl"))
    for number in (2, 3):
        shutil.copyfile(flood, flood.with_name(f"{flood.name[:10]}-flood{number}.jsonl"))
        if number == 3:
            accept_failure(settings, test, "a longer sale")
            load(settings)
        assert forget_customer(settings, other_users[number], PipelineListener()) == []
        assert [refusal.name for refusal in find_refusals(settings) if refusal.status == "fail"] == [test]
        assert find_values(settings.serving_dir / read_pointer(settings).file, other_users[number]) == []


@pytest.mark.slow
def test_redelivery_brings_nothing_back(demo_copy: Settings, recomart: RecomartCli, tmp_path: Path) -> None:
    """Loads reject the rows of old files, and every line is accounted for."""
    settings, original = demo_copy, tmp_path / "original"
    user_id, status = find_customer(settings), read_feed_status(settings)
    shutil.copytree(settings.landing_dir, original)
    assert forget_customer(settings, user_id, PipelineListener()) == []
    shutil.copytree(original, settings.landing_dir, dirs_exist_ok=True)
    run_pipeline(settings, TrainConfig(), PipelineListener(), is_training_requested=True)
    for database in (settings.database, *settings.serving_dir.glob("*.duckdb")):
        assert find_values(database, user_id) == []
    for before, after in zip(status, read_feed_status(settings), strict=True):
        # Both runs publish lists, which are lines of the log.
        assert after.lines == before.lines or after.feed == "recommendation_lists"
        assert after.lines == after.loaded + after.rejected
    rejected = recomart.run_json("rejected", "--feed", "purchases", "-n", 1000, "--warehouse", settings.warehouse)
    assert "the customer was forgotten" in {row["error"] for row in rejected["lines"]}


@pytest.mark.slow
def test_marts_equal_those_of_shop_without_customer(demo_copy: Settings, tmp_path: Path) -> None:
    """The marts on which a model is trained have the same rows as if the customer had never come."""
    user_id, other = find_customer(demo_copy), Settings(warehouse=tmp_path / "other")
    shutil.copytree(demo_copy.landing_dir, other.landing_dir)
    for file in filter(Path.is_file, other.landing_dir.rglob("*")):
        if file.suffix == ".parquet":
            pq.write_table(pq.read_table(file).filter(pc.field("user_id") != user_id), file)
            continue
        is_compressed = (content := file.read_bytes()).startswith(b"\x1f\x8b")
        lines = (gzip.decompress(content) if is_compressed else content).splitlines(keepends=True)
        kept = b"".join(line for line in lines if user_id.encode() not in line)
        file.write_bytes(gzip.compress(kept) if is_compressed else kept)
    load(other)
    build_marts(other)
    assert forget_customer(demo_copy, user_id, PipelineListener()) == []

    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo_copy.database}' as forgotten (read_only)")
        connection.execute(f"attach '{other.database}' as other (read_only)")
        tables = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'other' and schema_name = 'marts'"
        ).fetchall()
        for (table,) in tables:
            # Times of the load, and places in files.
            loaded = "name in ('loaded_at', 'last_loaded_at', 'hours_to_load') or name.starts_with('_')"
            columns = f"columns(lambda name: not ({loaded}))"
            differing = [
                connection.execute(
                    f"select {columns} from {one}.marts.{table} except all select {columns} from {two}.marts.{table}"
                ).fetchall()
                for one, two in (("forgotten", "other"), ("other", "forgotten"))
            ]
            assert differing == [[], []], table


@pytest.mark.slow
def test_rows_of_deleted_landing_files_are_erased(demo_copy: Settings) -> None:
    """Their lines count no longer, and the next build has no rows of them."""
    user_id = find_customer(demo_copy)
    lines_before = sum(feed.lines for feed in read_feed_status(demo_copy))
    shutil.rmtree(demo_copy.landing_dir / "purchases")
    assert forget_customer(demo_copy, user_id, PipelineListener()) == []
    lines_after = sum(feed.lines for feed in read_feed_status(demo_copy))
    assert lines_after < lines_before


@pytest.mark.slow
def test_killed_erasure_is_completed(demo_copy: Settings) -> None:
    user_id = find_customer(demo_copy)
    command = [str(Path(sys.executable).with_name("recomart")), "forget", user_id, "--warehouse", demo_copy.warehouse]
    exit_codes = []
    for seconds in (4, 9, 12, 15, 20, 25):
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.kill()
        exit_codes.append(process.wait())
    # The first ones always end before the command does.
    assert exit_codes[:2] == [-signal.SIGKILL, -signal.SIGKILL]
    assert forget_customer(demo_copy, user_id, PipelineListener()) == []
    assert find_files_with_bytes(demo_copy.warehouse, user_id) == []
    run_pipeline(demo_copy, TrainConfig(), PipelineListener(), is_training_requested=True)
    assert check_customer(demo_copy, user_id) == []
