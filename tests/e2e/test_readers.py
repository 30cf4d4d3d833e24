"""Eight processes read the published copy through fifty publications and ten full rebuilds."""

import shutil
from pathlib import Path

import pytest

from orchestration.dbt_runner import BUILD, run_dbt
from tests.readers import publish_stamped, readers
from warehouse.database import reader
from warehouse.settings import Settings

READERS = 8
REBUILDS = 10
PUBLICATIONS_OF_EACH = 5


@pytest.mark.slow
def test_eight_readers_meet_no_error_and_no_mixed_version(demo_warehouse: Settings, tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path / "shop")
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse)
    with reader(settings) as connection:
        ((user,),) = connection.execute("select min(user_id) from marts.rec_top_n").fetchall()
    published = {}
    published[publish_stamped(settings, "the first").file] = "the first"
    with readers(settings, READERS, user, tmp_path / "stop") as readings:
        for rebuild in range(REBUILDS):
            run_dbt(settings, *BUILD, "--full-refresh")
            for number in range(PUBLICATIONS_OF_EACH):
                version = f"publication {number} of rebuild {rebuild}"
                published[publish_stamped(settings, version).file] = version
    assert len(readings) == READERS
    for reading in readings:
        assert reading.seen <= published.items()
        assert (max(published), version) in reading.seen
        assert len(reading.seen) > REBUILDS
        assert reading.asked > 10 * len(published)
