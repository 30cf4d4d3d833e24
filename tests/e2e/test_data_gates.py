"""Data gates: implausible data stop a run before training, and implausible lists stop it before publishing."""

import importlib
import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.dbt_runner import describe_remedy, run_dbt
from orchestration.model_registry import list_model_runs
from tests.table_changes import execute_statements
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

FLOOD_LINE_COUNT = 20_000

EXPERIMENT_TESTS = ("warn_arm_without_customers", "warn_experiment_past_end")


@pytest.fixture(scope="module")
def database_only_settings(demo_warehouse: Settings, module_dbt_folder: Path) -> Settings:
    """A copy of the demo shop's database alone; each test changes another table."""
    settings = Settings(warehouse=module_dbt_folder / "warehouse")
    settings.warehouse.mkdir(exist_ok=True)
    shutil.copyfile(demo_warehouse.database, settings.database)
    return settings


def set_expected_jumps(settings: Settings, *rows: str) -> None:
    """Replace the rows of the seed of expected jumps."""
    execute_statements(
        settings, "delete from seeds.expected_jumps", f"insert into seeds.expected_jumps values {', '.join(rows)}"
    )


def write_flood_file(settings: Settings) -> str:
    """Write a landing file with many times the usual lines for the newest day; return the day."""
    newest_file = max((settings.landing_dir / "clickstream").glob("*.jsonl*"))
    day = newest_file.name[:10]
    events = (
        {"user_id": f"u{number}", "product_id": "p00001", "event_type": "view", "timestamp": f"{day}T12:00:00Z"}
        for number in range(FLOOD_LINE_COUNT)
    )
    (newest_file.parent / f"{day}-flood.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n", encoding="utf-8")
    return day


@pytest.mark.slow
def test_volume_jump_stops_run(demo_copy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained, and the published copy stays; an expected jump lets the build pass."""
    previous_copy, previous_runs = read_pointer(demo_copy), list_model_runs(demo_copy)
    day = write_flood_file(demo_copy)
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(demo_copy.warehouse))
    job = importlib.import_module("orchestration.definitions").defs.resolve_job_def("full_pipeline")
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance, raise_on_error=False)
    failed_checks = {
        check.check_name: check.description or ""
        for check in run.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    }
    assert failed_checks.keys() == {"assert_daily_volume_within_limit"}
    assert failed_checks["assert_daily_volume_within_limit"].startswith(f"events of {day}: ")
    assert [event.step_key for event in run.all_events if event.is_step_start] == ["raw_tables", "marts"]
    assert (read_pointer(demo_copy), list_model_runs(demo_copy)) == (
        previous_copy,
        previous_runs,
    )
    (failure,) = run.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    message = failure.step_failure_data.user_failure_data.description or ""
    log_file = demo_copy.dbt_target_dir / "dbt.log"
    reason = failed_checks["assert_daily_volume_within_limit"]
    remedy = describe_remedy("assert_daily_volume_within_limit")
    assert message == f"dbt build failed: assert_daily_volume_within_limit: {reason}. {remedy}. See {log_file}"
    assert log_file.exists()
    with pytest.raises(RecomartError, match=rf"events of {day}: \d+ lines where \d+ are usual.*expected_jumps.csv"):
        run_dbt(demo_copy, "test", "--select", "assert_daily_volume_within_limit")
    # The jobs of single steps refuse the same tables.
    with dg.DagsterInstance.ephemeral() as instance:
        for name, step in (("model_only", "training"), ("publish_only", "publishing")):
            job = importlib.import_module("orchestration.definitions").defs.resolve_job_def(name)
            failures = job.execute_in_process(instance=instance, raise_on_error=False).get_step_failure_events()
            assert failures[0].step_failure_data.user_failure_data is not None
            description = failures[0].step_failure_data.user_failure_data.description or ""
            assert description.startswith(
                f"{step} refused: {demo_copy.database}: test assert_daily_volume_within_limit "
            )
            assert reason in description
    assert (read_pointer(demo_copy), list_model_runs(demo_copy)) == (previous_copy, previous_runs)
    set_expected_jumps(demo_copy, f"(' Events', date '{day}', 'a sale')")
    assert run_dbt(demo_copy, "test", "--select", "assert_daily_volume_within_limit").status_counts["pass"] == 1


@pytest.mark.slow
def test_volume_jump_has_minimum_lines(
    database_only_settings: Settings,
) -> None:
    """Days without usual lines are compared with the minimum number of lines."""
    with duckdb.connect(str(database_only_settings.database)) as connection:
        ((newest,),) = connection.execute("select max(delivery_day) from marts.audit_feed_days").fetchall()
    statement = (
        "update marts.audit_feed_days set usual_lines = {}, is_volume_jump = true, lines = {} "
        f"where feed = 'events' and delivery_day = date '{newest}'"
    )
    execute_statements(database_only_settings, statement.format(40, 400))
    with pytest.raises(RecomartError, match=f"events of {newest}: 400 lines where 40 are usual"):
        run_dbt(database_only_settings, "test", "--select", "assert_daily_volume_within_limit")
    execute_statements(database_only_settings, statement.format(0, 1000))
    with pytest.raises(RecomartError, match=f"events of {newest}: 1000 lines where 0 are usual"):
        run_dbt(database_only_settings, "test", "--select", "assert_daily_volume_within_limit")
    execute_statements(database_only_settings, statement.format(0, 999))
    assert (
        run_dbt(database_only_settings, "test", "--select", "assert_daily_volume_within_limit").status_counts["pass"]
        == 1
    )


@pytest.mark.slow
def test_volume_jump_does_not_lapse(database_only_settings: Settings) -> None:
    """A later file of another feed, or of a live feed, does not end the check of an earlier day."""
    test = ("test", "--select", "assert_daily_volume_within_limit")
    with duckdb.connect(str(database_only_settings.database)) as connection:
        ((newest,),) = connection.execute("select max(delivery_day) from marts.audit_feed_days").fetchall()
    is_newest = f"where feed = 'events' and delivery_day = date '{newest}'"
    later_rows = """
        insert into marts.audit_files
        select * replace (delivery_day + 30 as delivery_day, 1 as lines) from marts.audit_files
        where feed = '{0}' order by delivery_day desc limit 1;
        insert into marts.audit_feed_days
        select * replace (delivery_day + 30 as delivery_day, 1 as lines, false as is_volume_jump)
        from marts.audit_feed_days where feed = '{0}' order by delivery_day desc limit 1
    """
    loaded = f"update marts.audit_files set loaded_at = delivery_day + interval {{}} hour {is_newest}"
    execute_statements(
        database_only_settings,
        f"update marts.audit_feed_days set usual_lines = 40, is_volume_jump = true, lines = 400 {is_newest}",
    )
    for statements in ([later_rows.format("purchases")], [loaded.format(7 * 24 + 23), later_rows.format("events")]):
        execute_statements(database_only_settings, *statements)
        with pytest.raises(RecomartError, match=f"events of {newest}: 400 lines where 40 are usual"):
            run_dbt(database_only_settings, *test)
    # The files of an archive are older when they are loaded.
    execute_statements(database_only_settings, loaded.format(8 * 24))
    assert run_dbt(database_only_settings, *test).status_counts["pass"] == 1
    for table in ("audit_files", "audit_feed_days"):
        execute_statements(database_only_settings, f"delete from marts.{table} where delivery_day > date '{newest}'")


@pytest.fixture(scope="module")
def seed_warnings(database_only_settings: Settings) -> list[str]:
    """The warnings of all tests of two seeds with valid but unlikely rows."""
    set_expected_jumps(
        database_only_settings, "('EVENTS ', date '2026-01-31', 'a sale')", "('evnts', date '2026-01-31', 'a sale')"
    )
    set_event_weights(
        database_only_settings,
        "('view', 1, 60), ('click', -2, 60), ('add_to_cart', 0, 90)",
        "('remove_from_cart', 3, 90), ('purchase', 0, 180)",
    )
    tests = ("expected_jumps", "event_weights", *EXPERIMENT_TESTS)
    return run_dbt(database_only_settings, "test", "--select", *tests).warnings


def test_expected_jump_of_unknown_feed_warns(seed_warnings: list[str]) -> None:
    """The experiments of the shop give no warning."""
    (warning,) = (warning for warning in seed_warnings if "event_weights" not in warning)
    assert warning == "warn_expected_jumps_unknown_feed: expected_jumps.csv: the shop has no feed 'evnts'"


@pytest.fixture(scope="module")
def seed_error(seed_warnings: list[str], database_only_settings: Settings) -> str:
    """The error of all tests of two seeds with invalid rows."""
    assert seed_warnings
    same_day = ("('events', date '2026-01-31', 'a sale')", "('Events ', date '2026-01-31', 'late')")
    set_expected_jumps(database_only_settings, *same_day, "(' ', null, 'a guess')")
    set_event_weights(
        database_only_settings,
        "('view', cast('nan' as double), 60), ('view', 1, cast('inf' as double))",
        "('look', 2.5, 60), ('click', null, 0), ('remove_from_cart', -3, 90)",
    )
    with pytest.raises(RecomartError) as raised:
        run_dbt(database_only_settings, "test", "--select", "expected_jumps", "event_weights")
    return f"{raised.value} {(database_only_settings.warehouse / 'logs' / 'dbt.log').read_text(encoding='utf-8')}"


def test_invalid_expected_jumps_stop_run(seed_error: str) -> None:
    for message in (
        "line ' ,,a guess': feed must name a feed; delivery_day must be a date",
        "line 'Events ,2026-01-31,late': there is more than one line for this feed and day",
        "line 'events,2026-01-31,a sale': there is more than one line for this feed and day",
    ):
        assert message in seed_error


def set_event_weights(settings: Settings, *rows: str) -> None:
    """Replace the rows of the seed of event weights."""
    execute_statements(
        settings, "delete from seeds.event_weights", f"insert into seeds.event_weights values {', '.join(rows)}"
    )


def test_invalid_event_weights_stop_run(seed_error: str) -> None:
    assert "assert_event_weights_valid: " in seed_error.partition(". See ")[0]
    for message in (
        "event_weights.csv, line 'click,,0': weight must be a number between -1000000 and 1000000 (0 for no influence)",
        "half_life_days must be a number between 0.001 and 1000000 (large for a weight that does not decay)",
        "line 'look,2.5,60': event_type must be view, click, add_to_cart, remove_from_cart or purchase",
        "line 'view,1,inf': there is more than one line for this event type; half_life_days must",
        "line 'view,nan,60': there is more than one line for this event type; weight must",
        "; there is no line for add_to_cart; there is no line for purchase",
    ):
        assert message in seed_error


def test_event_weights_of_unusual_sign_warn(seed_warnings: list[str]) -> None:
    (warning,) = (warning for warning in seed_warnings if "expected_jumps" not in warning)
    assert warning == (
        "warn_event_weights_unusual_sign: "
        "event_weights.csv, line 'click,-2,60': a weight below 0 counts the action against the product; "
        "line 'purchase,0,180': a weight of 0 leaves purchases and returns without influence; "
        "line 'remove_from_cart,3,90': a weight above 0 counts a removal from the cart as interest"
    )


@pytest.fixture(scope="module")
def newest_day(database_only_settings: Settings) -> date:
    """The newest day of the shop's actions."""
    with open_reader(database_only_settings) as connection:
        ((day,),) = connection.execute(
            "select last_date from intermediate.int_feature_cutoffs where cutoff = 'now'"
        ).fetchall()
    assert isinstance(day, date)
    return day


@pytest.fixture(scope="module")
def mart_warnings(database_only_settings: Settings, newest_day: date) -> list[str]:
    """Warnings of a shop with an overdue feed, an arm without customers on later days, and an ended experiment."""
    execute_statements(
        database_only_settings,
        "update marts.audit_feed_days set files = 0 where feed = 'purchases' "
        "and delivery_day > (select max(delivery_day) - 9 from marts.audit_feed_days)",
    )
    with duckdb.connect(str(database_only_settings.database)) as connection:
        connection.execute(
            "insert into marts.effect_arms by name select unnest(['old', 'old', 'new', 'new']) as experiment, "
            "unnest(['a', 'control', 'a', 'control']) as arm, unnest([0, 9, 0, 0]) as customers, "
            "unnest([$1 - 9, $1 - 9, $1, $1]) as starts_on, unnest([$1, $1, $1 + 2, $1 + 2]) as ends_on",
            [newest_day],
        )
    warnings = run_dbt(database_only_settings, "test", "--select", "warn_feed_overdue", *EXPERIMENT_TESTS).warnings
    execute_statements(database_only_settings, "delete from marts.effect_arms")
    return warnings


def test_overdue_feed_warns(mart_warnings: list[str]) -> None:
    (warning,) = (warning for warning in mart_warnings if "experiment" not in warning)
    assert warning.startswith("warn_feed_overdue: purchases: no delivery for 9 days")


@pytest.mark.slow
def test_only_live_feeds_are_late_by_clock(database_only_settings: Settings) -> None:
    """An archive is not late, however old its data and its load are."""
    restore = "update raw.feeds set expected_hours = null"
    with duckdb.connect(str(database_only_settings.database)) as connection:
        for table in ("audit_feed_days", "audit_feeds"):
            connection.execute(f"update marts.{table} set last_loaded_at = last_loaded_at - interval 3254 day")
        connection.execute("update marts.audit_feed_days set files = 1 where files = 0")
    assert run_dbt(database_only_settings, "test", "--select", "warn_feed_overdue").warnings == []
    execute_statements(database_only_settings, "update raw.feeds set expected_hours = 24 where feed = 'events'")
    (warning,) = run_dbt(database_only_settings, "test", "--select", "warn_feed_overdue").warnings
    assert warning.startswith("warn_feed_overdue: events: late: the last file was loaded 78")
    assert "expects one every 24 hours" in warning
    execute_statements(
        database_only_settings,
        "update marts.audit_feeds set last_loaded_at = localtimestamp - interval 2 hour where feed = 'events'",
    )
    assert run_dbt(database_only_settings, "test", "--select", "warn_feed_overdue").warnings == []
    execute_statements(database_only_settings, restore)


def test_experiments_warn(mart_warnings: list[str], newest_day: date) -> None:
    """An arm has no customers after the first day, and an experiment has ended."""
    start, end = newest_day - timedelta(days=9), newest_day
    assert sorted(warning for warning in mart_warnings if "experiment" in warning) == [
        f"warn_arm_without_customers: experiment old, arm a: no customers, although the experiment started on {start}",
        f"warn_experiment_past_end: experiment old ended on {end}: `recomart effect` shows the result. Remove its rows "
        "from experiments.csv after the decision",
    ]


@pytest.mark.slow
def test_one_model_must_serve(database_only_settings: Settings) -> None:
    assert run_dbt(database_only_settings, "test", "--select", "assert_one_model_serves").status_counts["pass"] == 1
    for statement in (
        "insert into marts.eval_model_runs select * replace ('another' as run_id) from marts.eval_model_runs",
        "update marts.eval_model_runs set is_serving = false",
    ):
        execute_statements(database_only_settings, statement)
        with pytest.raises(RecomartError, match="assert_one_model_serves"):
            run_dbt(database_only_settings, "test", "--select", "assert_one_model_serves")


@pytest.fixture(scope="module")
def list_error(database_only_settings: Settings) -> str:
    """The error of lists without a fifth of the customers, and with a blocked product."""
    execute_statements(
        database_only_settings,
        "delete from marts.rec_top_n where hash(user_id) % 5 = 0",
        "update intermediate.int_product_rules set is_recommendable = false "
        "where product_id = (select any_value(product_id) from intermediate.int_recommendations_ranked)",
    )
    tests = ("assert_customers_served_share_above_minimum", "assert_recommendations_follow_rules")
    with pytest.raises(RecomartError) as raised:
        run_dbt(database_only_settings, "test", "--select", *tests)
    return str(raised.value)


def test_missing_customer_lists_fail(list_error: str) -> None:
    assert re.search(r"\d+ of \d+ customers have a list: the minimum share is 0.9", list_error)
    for text in (
        "min_customers_served_share",
        "Blocks and caps exclude too",
        "bought everything",
        "no repurchase rule",
    ):
        assert text in list_error


def test_listed_blocked_product_fails(list_error: str) -> None:
    assert "assert_recommendations_follow_rules: " in list_error
