"""Eight processes read the published copy during fifty publications and ten full rebuilds."""

import shutil
from pathlib import Path

import pytest

from orchestration.dbt_runner import BUILD_COMMAND, run_dbt
from tests.concurrent_readers import publish_version, run_readers
from warehouse.database import open_reader
from warehouse.settings import Settings

READER_COUNT = 8
REBUILD_COUNT = 10
PUBLICATIONS_PER_REBUILD = 5


@pytest.mark.slow
def test_readers_see_one_version_without_errors(demo_warehouse: Settings, tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path / "shop")
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse)
    with open_reader(settings) as connection:
        ((user,),) = connection.execute("select min(user_id) from marts.rec_top_n").fetchall()
    published = {publish_version(settings, "first").file: "first"}
    with run_readers(settings, READER_COUNT, user, tmp_path / "stop") as readings:
        for rebuild in range(REBUILD_COUNT):
            run_dbt(settings, *BUILD_COMMAND, "--full-refresh")
            for number in range(PUBLICATIONS_PER_REBUILD):
                version = f"publication {number} of rebuild {rebuild}"
                published[publish_version(settings, version).file] = version
    assert len(readings) == READER_COUNT
    for reading in readings:
        assert reading.versions <= published.items()
        assert (max(published), version) in reading.versions
        assert len(reading.versions) > REBUILD_COUNT
        assert reading.query_count > 10 * len(published)
