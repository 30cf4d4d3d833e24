"""A run logs the lists of its publication and loads the log; a load logs those of a killed publication."""

import pytest

from orchestration.progress import PipelineListener, StepTimer
from orchestration.steps import load_landing, publish_and_load_log, publish_copy
from tests.table_changes import execute_statements
from warehouse.database import open_reader
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

CHANGE_LIST = "delete from marts.rec_top_n where rank = 1 and user_id = (select max(user_id) from marts.rec_top_n)"


def count_logged_lists(settings: Settings) -> dict[str, int]:
    """Return the number of loaded lists of each publication."""
    with open_reader(settings) as connection:
        query = "select publication, count(*) from raw.recommendation_lists group by all order by all"
        return dict(connection.execute(query).fetchall())


def test_run_loads_log_of_its_publication(demo_warehouse: Settings) -> None:
    published = read_pointer(demo_warehouse)
    with open_reader(demo_warehouse) as connection:
        customers = connection.execute("select count(distinct user_id) from marts.rec_top_n").fetchall()[0][0]
    assert count_logged_lists(demo_warehouse) == {published.file: customers}


def test_publication_loads_changed_lists(demo_copy: Settings) -> None:
    before = count_logged_lists(demo_copy)
    execute_statements(demo_copy, CHANGE_LIST)
    published = publish_and_load_log(demo_copy)
    assert count_logged_lists(demo_copy) == {**before, published.file: 1}


def test_failed_load_keeps_publication(demo_copy: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Another process may use the warehouse after the lists went live; the next load reads their log."""
    execute_statements(demo_copy, CHANGE_LIST)
    with open_reader(demo_copy):
        published = publish_and_load_log(demo_copy.model_copy(update={"wait_seconds": 0}))
    assert "the log of the published lists was not loaded: " in caplog.text
    assert published.file not in count_logged_lists(demo_copy)
    load_landing(demo_copy, StepTimer(PipelineListener()))
    assert count_logged_lists(demo_copy)[published.file] == 1


def test_load_logs_killed_publication(demo_copy: Settings) -> None:
    before = count_logged_lists(demo_copy)
    execute_statements(demo_copy, CHANGE_LIST)
    # Without the log, the publication is as one that was killed after its pointer had moved.
    published = publish_copy(demo_copy.model_copy(update={"effect_depth": 0}))
    report, _ = load_landing(demo_copy, StepTimer(PipelineListener()))
    assert report.feeds["recommendation_lists"].rows_loaded == 1
    assert count_logged_lists(demo_copy) == {**before, published.file: 1}
