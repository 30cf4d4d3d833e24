"""Data beyond belief stop a run before a model learns from them, and lists beyond belief before anybody sees them."""

import importlib
import json
import re
import shutil
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.dbt_runner import run_dbt
from orchestration.model_registry import list_model_runs
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

FLOOD_LINE_COUNT = 20_000


@pytest.fixture
def writable_shop_settings(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """The demo shop after a finished run, to write to."""
    settings = Settings(warehouse=tmp_path / "shop", settle_seconds=0)
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse)
    return settings


@pytest.fixture(scope="module")
def database_only_settings(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo shop's database alone; each test spoils another table of it."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("tables"))
    shutil.copyfile(demo_warehouse.database, settings.database)
    return settings


def execute_statements(settings: Settings, *statements: str) -> None:
    """Change what dbt built."""
    with duckdb.connect(str(settings.database)) as connection:
        for statement in statements:
            connection.execute(statement)


def set_expected_jumps(settings: Settings, *rows: str) -> None:
    """Let the seed of expected jumps have these rows."""
    execute_statements(
        settings, "delete from seeds.expected_jumps", f"insert into seeds.expected_jumps values {', '.join(rows)}"
    )


def write_flood_file(settings: Settings) -> str:
    """Let a file of many times the usual lines land for the newest day; return the day."""
    newest = max((settings.landing_dir / "clickstream").glob("*.jsonl*"))
    day = newest.name[:10]
    events = (
        {"user_id": f"u{number}", "product_id": "p00001", "event_type": "view", "timestamp": f"{day}T12:00:00Z"}
        for number in range(FLOOD_LINE_COUNT)
    )
    (newest.parent / f"{day}-flood.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n", encoding="utf-8")
    return day


def test_a_day_of_many_times_the_usual_lines_trains_nothing_and_what_is_published_goes_on_serving(
    writable_shop_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, trained = read_pointer(writable_shop_settings), list_model_runs(writable_shop_settings)
    day = write_flood_file(writable_shop_settings)
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(writable_shop_settings.warehouse))
    job = importlib.import_module("orchestration.definitions").defs.resolve_job_def("full_pipeline")
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance, raise_on_error=False)
    stopped_by = [
        check.check_name
        for check in run.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    assert stopped_by == ["assert_daily_volume_within_limit"]
    assert [event.step_key for event in run.all_events if event.is_step_start] == ["raw_tables", "marts"]
    assert (read_pointer(writable_shop_settings), list_model_runs(writable_shop_settings)) == (published, trained)
    (failure,) = run.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    said = failure.step_failure_data.user_failure_data.description or ""
    assert re.fullmatch(
        rf"dbt build failed: assert_daily_volume_within_limit: .*; see {writable_shop_settings.dbt_target_dir}/dbt.log", said
    )
    assert (writable_shop_settings.dbt_target_dir / "dbt.log").exists()
    with pytest.raises(RecomartError, match=rf"events of {day}: \d+ lines where \d+ are usual.*expected_jumps.csv"):
        run_dbt(writable_shop_settings, "test", "--select", "assert_daily_volume_within_limit")
    set_expected_jumps(writable_shop_settings, f"(' Events', date '{day}', 'a sale')")
    assert run_dbt(writable_shop_settings, "test", "--select", "assert_daily_volume_within_limit").status_counts["pass"] == 1


def test_a_day_on_which_nothing_is_usual_is_held_against_the_least_lines_that_tell_a_jump(
    database_only_settings: Settings,
) -> None:
    with duckdb.connect(str(database_only_settings.database)) as connection:
        ((newest,),) = connection.execute("select max(delivery_day) from marts.audit_feed_days").fetchall()
    bring = (
        "update marts.audit_feed_days set usual_lines = {}, is_volume_jump = true, lines = {} "
        f"where feed = 'events' and delivery_day = date '{newest}'"
    )
    execute_statements(database_only_settings, bring.format(40, 400))
    with pytest.raises(RecomartError, match=f"events of {newest}: 400 lines where 40 are usual"):
        run_dbt(database_only_settings, "test", "--select", "assert_daily_volume_within_limit")
    execute_statements(database_only_settings, bring.format(0, 1000))
    with pytest.raises(RecomartError, match=f"events of {newest}: 1000 lines where 0 are usual"):
        run_dbt(database_only_settings, "test", "--select", "assert_daily_volume_within_limit")
    execute_statements(database_only_settings, bring.format(0, 999))
    assert run_dbt(database_only_settings, "test", "--select", "assert_daily_volume_within_limit").status_counts["pass"] == 1


def test_a_jump_that_is_expected_of_no_feed_is_said_and_stops_nothing(database_only_settings: Settings) -> None:
    set_expected_jumps(
        database_only_settings, "('EVENTS ', date '2026-01-31', 'a sale')", "('evnts', date '2026-01-31', 'a sale')"
    )
    (words, _) = run_dbt(database_only_settings, "test", "--select", "expected_jumps").warnings
    assert words == "expected_jumps.csv: the shop has no feed 'evnts'"


def test_expected_jumps_that_make_no_sense_stop_a_run_with_the_line_and_what_is_wrong(
    database_only_settings: Settings,
) -> None:
    same_day = ("('events', date '2026-01-31', 'a sale')", "('Events ', date '2026-01-31', 'late')")
    set_expected_jumps(database_only_settings, *same_day, "(' ', null, 'a guess')")
    with pytest.raises(RecomartError) as stopped:
        run_dbt(database_only_settings, "test", "--select", "expected_jumps")
    for said in (
        "line ' ,,a guess': feed must name who brings the lines; delivery_day must be a day",
        "line 'Events ,2026-01-31,late': there is more than one line for it",
        "line 'events,2026-01-31,a sale': there is more than one line for it",
    ):
        assert said in str(stopped.value)


def set_event_weights(settings: Settings, *rows: str) -> None:
    """Let the seed of weights have these rows."""
    execute_statements(
        settings, "delete from seeds.event_weights", f"insert into seeds.event_weights values {', '.join(rows)}"
    )


def test_weights_that_make_no_sense_stop_a_run_with_the_line_and_what_is_wrong(
    database_only_settings: Settings,
) -> None:
    set_event_weights(
        database_only_settings,
        "('view', cast('nan' as double), 60), ('view', 1, cast('inf' as double))",
        "('look', 2.5, 60), ('click', null, 0), ('remove_from_cart', -3, 90)",
    )
    with pytest.raises(RecomartError, match="event_weights_make_sense"):
        run_dbt(database_only_settings, "test", "--select", "event_weights")
    logged = (database_only_settings.warehouse / "logs" / "dbt.log").read_text(encoding="utf-8")
    for said in (
        "event_weights.csv, line 'click,,0': weight must be a number between -1000000 and 1000000 (0 if the action is "
        "to say nothing); half_life_days must be a number between 0.001 and 1000000 (large if the action is not to "
        "fade)",
        "line 'look,2.5,60': event_type must be view, click, add_to_cart, remove_from_cart or purchase",
        "line 'view,1,inf': there is more than one line for it; half_life_days must",
        "line 'view,nan,60': there is more than one line for it; weight must",
        "; there is no line for add_to_cart; there is no line for purchase",
    ):
        assert said in logged


def test_weights_of_another_sign_than_usual_are_said_and_stop_nothing(database_only_settings: Settings) -> None:
    set_event_weights(
        database_only_settings,
        "('view', 1, 60), ('click', -2, 60), ('add_to_cart', 0, 90)",
        "('remove_from_cart', 3, 90), ('purchase', 0, 180)",
    )
    (words, _) = run_dbt(database_only_settings, "test", "--select", "event_weights").warnings
    assert words == (
        "event_weights.csv, line 'click,-2,60': with a weight below 0 the action speaks against the product; "
        "line 'purchase,0,180': with a weight of 0 purchases say nothing, and returns neither; "
        "line 'remove_from_cart,3,90': a weight above 0 makes what was taken out of the cart a sign of interest"
    )


def test_a_feed_that_has_fallen_silent_is_said_and_stops_nothing(database_only_settings: Settings) -> None:
    execute_statements(
        database_only_settings,
        "update marts.audit_feed_days set files = 0 where feed = 'purchases' "
        "and delivery_day > (select max(delivery_day) - 9 from marts.audit_feed_days)",
    )
    (words, _) = run_dbt(database_only_settings, "test", "--select", "warn_feed_overdue").warnings
    assert words.startswith("purchases: no delivery for 9 days")


def test_a_shop_in_which_no_model_or_more_than_one_serves_publishes_nothing(database_only_settings: Settings) -> None:
    assert run_dbt(database_only_settings, "test", "--select", "assert_one_model_serves").status_counts["pass"] == 1
    for spoiled in (
        "insert into marts.eval_quality_by_day select * replace ('another' as run_id) from marts.eval_quality_by_day",
        "update marts.eval_quality_by_day set is_serving = false",
    ):
        execute_statements(database_only_settings, spoiled)
        with pytest.raises(RecomartError, match="assert_one_model_serves"):
            run_dbt(database_only_settings, "test", "--select", "assert_one_model_serves")


def test_lists_that_leave_out_many_customers_are_not_published(database_only_settings: Settings) -> None:
    execute_statements(database_only_settings, "delete from marts.rec_top_n where hash(user_id) % 5 = 0")
    with pytest.raises(RecomartError, match=r"\d+ of \d+ customers have a list: the minimum share is 0.9") as stopped:
        run_dbt(database_only_settings, "test", "--select", "assert_customers_served_share_above_minimum")
    for named in ("min_customers_served_share", "Blocks and caps exclude too", "bought everything", "repurchases.csv"):
        assert named in str(stopped.value)


def test_a_list_with_a_product_that_cannot_be_bought_is_not_published(database_only_settings: Settings) -> None:
    execute_statements(
        database_only_settings,
        "update marts.rec_product_rules set is_recommendable = false "
        "where product_id = (select any_value(product_id) from intermediate.int_recommendations_ranked)",
    )
    with pytest.raises(RecomartError, match="assert_recommendations_follow_rules"):
        run_dbt(database_only_settings, "test", "--select", "assert_recommendations_follow_rules")
