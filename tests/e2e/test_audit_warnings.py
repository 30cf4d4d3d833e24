"""What is unusual about the newest days is said in words wherever dbt runs."""

import shutil
from pathlib import Path

import duckdb

from orchestration.dbt import run_dbt
from warehouse.settings import Settings

TEST = "nothing_is_unusual_about_the_newest_days"


def test_an_unusual_day_is_said_with_feed_and_figure_while_it_is_news(demo_warehouse: Settings, tmp_path: Path) -> None:
    copy = Settings(warehouse=tmp_path)
    shutil.copyfile(demo_warehouse.database, copy.database)
    with duckdb.connect(str(copy.database)) as connection:
        ((newest, old_warnings),) = connection.execute(
            "select max(delivery_day), count(warning) from marts.audit_feed_days"
        ).fetchall()
        assert old_warnings > 0
        connection.execute(
            "update marts.audit_feed_days set warning = '3 lines where 900 are usual' "
            "where feed = 'purchases' and delivery_day = ?",
            [newest],
        )
    assert run_dbt(copy, "test", "--select", TEST).warnings == [
        f"purchases of {newest}: 3 lines where 900 are usual",
        f"{TEST}: Got 1 result, configured to warn if != 0",
    ]
