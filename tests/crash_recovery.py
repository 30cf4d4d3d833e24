"""Helpers for tests of killed processes: deliveries of several days, killed loads and builds, table comparison."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from orchestration.dbt_runner import (
    BUILD_COMMAND,
    PROJECT_DIR,
    TRAINING_INPUT_SELECTION,
    build_dbt_environment,
    find_dbt_executable,
)
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import generate_shop
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS

DELIVERED_SHOP_CONFIG = DemoConfig(customers=150, products=80, days=10, events=3_000, dirt=0.03)

RUN_DEPENDENT_COLUMNS = (
    *("_load_id", "load_id", "loaded_at", "last_loaded_at", "rejected_at", "changed_ns", "hours_to_load"),
    *("actions_changed_at", "int_action_days.changed_at", "int_action_days.content_fingerprint"),
    *("int_changed_loads.kind", "int_changed_loads.reason"),
    *("int_outdated_days.kind", "int_outdated_days.row_date", "int_outdated_days.reason"),
)
"""Columns, of all tables or of one table, that depend on load ids, load times and the last build. Only these columns
may differ between runs."""

TRAINING_DEPENDENT_COLUMNS = (
    *("run_id", "warm_from", "artifact_path", "trained_at", "promoted_at", "created_at", "fit_seconds"),
    *("serving_started_at", "serving_ended_at"),
)
"""Columns that depend on ids and times of trainings. Only these columns may differ between trainings."""

Delivery = dict[str, bytes]
"""Content of files by path."""


def make_deliveries(folder: Path, seed: int, config: DemoConfig = DELIVERED_SHOP_CONFIG) -> list[Delivery]:
    """Make consecutive deliveries with new, late and changed files."""
    rng = random.Random(seed)
    generate_shop(config, folder / "landing", folder / "truth")
    landing = folder / "landing"
    files = sorted(path for path in landing.rglob("*") if path.is_file() and not path.name.startswith("."))
    contents = {path.relative_to(landing).as_posix(): path.read_bytes() for path in files}
    days = sorted({path.partition("/")[2][:10] for path in contents})
    deliveries: list[Delivery] = [
        {path: data for path, data in contents.items() if path.partition("/")[2].startswith(day)} for day in days
    ]
    for index, delivery in enumerate(deliveries[:-1]):
        for path in list(delivery):
            draw = rng.random()
            if draw < 0.2 and not path.startswith("catalog"):
                deliveries[rng.randrange(index + 1, len(deliveries))][path] = delivery.pop(path)
            elif draw < 0.4 and not path.endswith(".gz"):
                deliveries[rng.randrange(index + 1, len(deliveries))][path] = delivery[path]
                delivery[path] = delivery[path][: len(delivery[path]) * 2 // 3] + b"\n"
    return deliveries


def deliver(delivery: Delivery, settings: Settings) -> None:
    """Write files into the landing folder, each by a rename, so that no partial file is visible."""
    for path, data in delivery.items():
        target = settings.landing_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial_file = target.with_name(target.name + ".part")
        partial_file.write_bytes(data)
        partial_file.replace(target)


LOAD_SCRIPT = """
from warehouse.loading import loader
from warehouse.settings import Settings

loader.MAX_BATCH_FILES = 2
print("ready", flush=True)
loader.load(Settings())
"""


def kill_load(settings: Settings, seconds: float) -> bool:
    """Kill a load some seconds after its start; return whether it was still running."""
    command = [sys.executable, "-c", LOAD_SCRIPT]
    with subprocess.Popen(
        command, env=settings.build_environment(), stdout=subprocess.PIPE, start_new_session=True
    ) as load:
        assert load.stdout is not None
        assert load.stdout.readline() == b"ready\n"
        return _kill(load, seconds)


def kill_build(settings: Settings, seconds: float) -> bool:
    """Kill dbt some seconds after its start; return whether it was still running."""
    with subprocess.Popen(
        [find_dbt_executable(), *BUILD_COMMAND, *TRAINING_INPUT_SELECTION],
        cwd=PROJECT_DIR,
        env=settings.build_environment() | build_dbt_environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as build:
        return _kill(build, seconds)


def _kill(process: subprocess.Popen[bytes], seconds: float) -> bool:
    time.sleep(seconds)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def count_differences(
    first: Path, second: Path, schemas: Sequence[str], excluded_columns: Sequence[str] = RUN_DEPENDENT_COLUMNS
) -> dict[str, int]:
    """Compare the tables and views of two databases as multisets of rows; return the number of differing rows.

    The logs of recommendations are left out, because they have the times and the names of the publications.
    """
    first_tables, second_tables = (_read_tables(path, schemas, excluded_columns) for path in (first, second))
    assert first_tables
    assert first_tables.keys() == second_tables.keys()
    difference_counts: dict[str, int] = {}
    query = """
        select count(*)
        from (
            (from first_rows except all from second_rows)
            union all
            (from second_rows except all from first_rows)
        )
    """
    with duckdb.connect() as connection:
        for table, rows in first_tables.items():
            connection.register("first_rows", rows)
            connection.register("second_rows", second_tables[table])
            if count := connection.execute(query).fetchall()[0][0]:
                difference_counts[table] = count
    return difference_counts


def _read_tables(database: Path, schemas: Sequence[str], excluded_columns: Sequence[str]) -> dict[str, pa.Table]:
    columns = """
        select
            schema_name || '.' || table_name,
            list('"' || column_name || '"' order by column_name) filter (
                not list_contains($excluded, column_name)
                and not list_contains($excluded, table_name || '.' || column_name)
            ),
            list(column_name) filter (column_name in ('feed', '_feed', 'kind'))
        from duckdb_columns()
        where
            not internal
            and schema_name in (select unnest($schemas))
            and not regexp_matches(table_name, $log_tables)
        group by all
    """
    parameters = {"schemas": schemas, "excluded": list(excluded_columns), "log_tables": "|".join(LOG_KINDS)}
    with duckdb.connect(database, read_only=True) as connection:
        tables = connection.execute(columns, parameters).fetchall()
        rows = {}
        for table, names, feed_columns in tables:
            if names:
                conditions = [f"coalesce({column}, '') not in {LOG_KINDS}" for column in feed_columns or ()]
                where = f"where {' and '.join(conditions)}" if conditions else ""
                rows[table] = connection.sql(f"select {', '.join(names)} from {table} {where}").to_arrow_table()
        return rows


def read_logged_lists(settings: Settings) -> list[tuple[str, str]]:
    """Return the customer and the products of each loaded list of the log of published lists."""
    with duckdb.connect(settings.database, read_only=True) as connection:
        query = "select user_id, product_ids from raw.recommendation_lists order by all"
        return connection.execute(query).fetchall()
