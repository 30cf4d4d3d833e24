"""What a published copy answers when it is asked."""

from pathlib import Path

import pytest

from warehouse.database import writer
from warehouse.publish import publish
from warehouse.serving import ServingCopy
from warehouse.settings import Settings

TABLES = ["rec_top_n", "eval_model_runs", "eval_ranking_metrics", "eval_metric_differences"]


@pytest.mark.parametrize("made_by", ["old", None])
def test_the_figures_are_those_of_the_model_that_made_the_lists(tmp_path: Path, made_by: str | None) -> None:
    settings = Settings(warehouse=tmp_path)
    with writer(settings) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rec_top_n as select ?::text as run_id, 'u' as user_id", [made_by])
        connection.execute("create table marts.eval_model_runs (run_id text, trained_at timestamp, dataset_hash text)")
        connection.execute("insert into marts.eval_model_runs (run_id) values ('old'), ('trained since')")
        for table in ("eval_ranking_metrics", "eval_metric_differences"):
            connection.execute(
                f"create table marts.{table} as select run_id, 'all' as segment, 'all' as segment_value, "
                "'test' as as_of_name, 10 as k, 'als' as method from marts.eval_model_runs"
            )
    publish(settings, TABLES)
    with ServingCopy(settings) as copy:
        for figures in (copy.metrics(), copy.metric_differences()):
            assert list(figures["run_id"]) == ([made_by] if made_by else [])
