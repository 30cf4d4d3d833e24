"""Off-policy check of the demo shop's model: which impressions count, and the lists that the model would have."""

from datetime import timedelta

import pytest

from orchestration.model_registry import ModelRun, find_serving_run, list_model_runs
from orchestration.off_policy import check_off_policy
from tests.recomart_cli import RecomartCli
from warehouse.database import open_writer
from warehouse.errors import RecomartError
from warehouse.settings import Settings

# The lists of 200 customers went live a day before the end of the training data.
WRITE_LOG = """
    create or replace table marts.fct_recommendation_lists as
    select
        user_id, 'customer' as placement, ?::timestamp - interval 1 day as published_at, null::timestamp as live_until,
        list(product_id order by rank) as product_ids, list(source order by rank) as sources,
        list(0.95::double order by rank) as propensities
    from marts.rec_top_n
    where rank <= 10 and user_id in (select distinct user_id from marts.rec_top_n order by user_id limit 200)
    group by user_id;
    drop view marts.fct_impressions;
    create table marts.fct_impressions as
    select
        user_id, unnest(product_ids) as product_id, 'customer' as placement, unnest(range(1, 11))::integer as rank,
        ?::timestamp as seen_at, 'inferred' as basis, null::varchar as recommendation_id
    from marts.fct_recommendation_lists
"""


@pytest.fixture
def serving_run(demo_warehouse: Settings) -> ModelRun:
    run = find_serving_run(list_model_runs(demo_warehouse))
    assert run is not None
    return run


def write_log(settings: Settings, run: ModelRun, hours_after_training: int) -> None:
    with open_writer(settings) as connection:
        statements = WRITE_LOG.split(";")
        seen_at = run.as_of + timedelta(hours=hours_after_training)
        connection.execute(statements[0], [run.as_of])
        connection.execute(statements[1])
        connection.execute(statements[2], [seen_at])


def test_check_needs_propensities(demo_warehouse: Settings, serving_run: ModelRun) -> None:
    check = check_off_policy(demo_warehouse, serving_run.run_id[:-1], 28)
    assert (check.run_id, check.estimates) == (serving_run.run_id, [])
    assert check.missing_reason is not None
    assert check.missing_reason.startswith("the marts have no logged list with propensities")
    assert "Set the variable explore_share in dbt_project/dbt_project.yml" in check.missing_reason


def test_command_says_what_is_missing(cli: RecomartCli, demo_warehouse: Settings, serving_run: ModelRun) -> None:
    result = cli("off-policy", serving_run.run_id, "--warehouse", demo_warehouse.warehouse)
    assert result.returncode == 0
    assert f"No estimate for model {serving_run.run_id}: the marts have no logged list with" in result.stdout


def test_check_needs_known_run(demo_warehouse: Settings) -> None:
    with pytest.raises(RecomartError, match="no model has a run id that begins with 'x'"):
        check_off_policy(demo_warehouse, "x", 28)


def test_model_matches_its_own_lists(demo_copy: Settings, serving_run: ModelRun) -> None:
    """The lists of the check are those that the recommendation models made of the same candidates."""
    write_log(demo_copy, serving_run, 2)
    check = check_off_policy(demo_copy, serving_run.run_id, 28)
    assert (check.missing_reason, check.seen_from) == (None, serving_run.as_of)
    with open_writer(demo_copy) as connection:
        ((model_count,),) = connection.execute(
            "select count(*) from (select unnest(sources) as source from marts.fct_recommendation_lists) "
            "where source = 'model'"
        ).fetchall()
    assert model_count > 1_500
    assert [row["metric"] for row in check.estimates] == ["clicks", "purchases"]
    for row in check.estimates:
        assert (row["basis"], row["customers"], row["places"]) == ("inferred", 200, 2_000)
        assert row["matched_places"] == model_count
        assert row["coverage"] == pytest.approx(model_count / 2_000 / 0.95)
        assert not row["has_estimate"]


def test_impressions_before_training_are_out(demo_copy: Settings, serving_run: ModelRun) -> None:
    write_log(demo_copy, serving_run, -2)
    check = check_off_policy(demo_copy, serving_run.run_id, 28)
    assert check.missing_reason is not None
    assert "there are no impressions after the model's training data" in check.missing_reason
