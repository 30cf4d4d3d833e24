"""Refusals: training, scoring and publishing do not read tables whose tests failed or whose build did not finish."""

import getpass
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.batch_scoring import score_customers
from orchestration.dbt_manifest import load_manifest
from orchestration.dbt_runner import (
    PROJECT_DIR,
    build_dbt_environment,
    find_dbt_executable,
    read_failed_test_messages,
    run_dbt,
)
from orchestration.model_registry import list_model_runs
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.refusals import (
    ERASURE_NOTE,
    Refusal,
    accept_failure,
    check_tables_accepted,
    describe_refusals,
    find_refusals,
    list_accepted,
    list_renewable_reasons,
    read_acceptances,
    renew_acceptances,
)
from orchestration.steps import publish_copy
from orchestration.training_run import load_training_dataset, train_model
from orchestration.tuning_run import tune_config
from tests.recomart_cli import RecomartCli
from tests.table_changes import execute_statements
from warehouse.erasure.erasure_lock import get_erasure_number
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

VOLUME_TEST = "assert_daily_volume_within_limit"

FAIL_VOLUME_TEST = """
    update marts.audit_feed_days set lines = {lines}, usual_lines = 400, is_volume_jump = true
    where feed = 'events' and delivery_day = (select max(delivery_day) from marts.audit_feed_days)
"""


def run_volume_test(settings: Settings, lines: int) -> None:
    """Set the lines of the newest day and run the test of the daily volume."""
    execute_statements(settings, FAIL_VOLUME_TEST.format(lines=lines))
    run_dbt(settings, "test", "--select", VOLUME_TEST)


@pytest.mark.slow
def test_failed_test_refuses_until_accepted(demo_copy: Settings, recomart: RecomartCli) -> None:
    """Other failing rows need another acceptance; a passed test ends the refusal."""
    previous_copy, previous_runs = read_pointer(demo_copy), list_model_runs(demo_copy)
    assert find_refusals(demo_copy) == []
    remedy = f"or accept the failure with `recomart accept {VOLUME_TEST} --why REASON`"
    with pytest.raises(RecomartError, match=f"39504 lines where 400 are usual.* {remedy}"):
        run_volume_test(demo_copy, 39_504)
    assert "model.recomart.audit_feed_days" in str(find_refusals(demo_copy)[0].tested_tables).split()
    steps: dict[str, Callable[[], object]] = {
        "training": lambda: train_model(demo_copy, TrainConfig()),
        "tuning": lambda: tune_config(demo_copy, TrainConfig(), seconds=1),
        "scoring": lambda: score_customers(demo_copy),
        "promotion": lambda: score_customers(demo_copy, run_id_prefix=previous_runs[0].run_id),
        "publishing": lambda: publish_copy(demo_copy),
    }
    for step, action in steps.items():
        with pytest.raises(RecomartError, match=f"^{step} refused: .*test {VOLUME_TEST} failed: events of .*39504"):
            action()
    for command in (["train"], ["promote", "2"], ["publish"]):
        result = recomart(*command, "--warehouse", demo_copy.warehouse)
        assert result.returncode == 1
        assert remedy in result.stderr
    assert (read_pointer(demo_copy), list_model_runs(demo_copy)) == (previous_copy, previous_runs)
    status = recomart("status", "--warehouse", demo_copy.warehouse).stdout
    assert f"refused: training, tuning, scoring, promotion, publishing: test {VOLUME_TEST} failed: events of" in status

    # A stored dataset version is no table: the model is trained, and waits.
    result = recomart("train", "--dataset", previous_runs[0].dataset_hash[:10], "--warehouse", demo_copy.warehouse)
    assert result.returncode == 1
    waiting_run = list_model_runs(demo_copy)[0]
    assert f"recomart: model {waiting_run.run_id} is trained and waits to serve until a scoring " in result.stderr
    assert f"succeeds: scoring refused: {demo_copy.database}: test {VOLUME_TEST} failed" in result.stderr
    assert [run.run_id for run in list_model_runs(demo_copy) if run.is_serving] == [previous_copy.run_id]

    with pytest.raises(RecomartError, match="the reason is empty"):
        accept_failure(demo_copy, VOLUME_TEST, " ")
    with pytest.raises(RecomartError, match="assert_one_currency has not failed"):
        accept_failure(demo_copy, "assert_one_currency", "a sale")
    with pytest.raises(RecomartError, match="warn_feed_day_unusual warns and refuses nothing"):
        accept_failure(demo_copy, "warn_feed_day_unusual", "a sale")
    recomart("accept", VOLUME_TEST, "--why", "a sale's day", "--warehouse", demo_copy.warehouse)
    with pytest.raises(RecomartError, match="is accepted already"):
        accept_failure(demo_copy, VOLUME_TEST, "a sale")
    assert find_refusals(demo_copy) == []
    assert publish_copy(demo_copy).run_id == previous_copy.run_id
    # dbt knows the acceptance: the test warns, and tables below it would be built.
    assert (
        run_dbt(demo_copy, "test", "--select", VOLUME_TEST)
        .warnings[1]
        .startswith(f"{VOLUME_TEST}: accepted by {getpass.getuser()} at ")
    )
    # Readers of the messages put the name of the test before them.
    (message,) = read_failed_test_messages(demo_copy).values()
    assert VOLUME_TEST not in message
    assert "\naccepted by" in message
    (line,) = demo_copy.accepted_failures_file.read_text(encoding="utf-8").splitlines()
    entry = json.loads(line)
    assert (entry["why"], entry["accepted_by"], entry["failure_count"]) == ("a sale's day", getpass.getuser(), 1)
    assert "39504 lines" in entry["message"]
    assert entry["newest_load_id"] > 0

    with pytest.raises(RecomartError, match="39505 lines"):
        run_volume_test(demo_copy, 39_505)
    with pytest.raises(RecomartError, match=r"publishing refused: .*39505 lines"):
        publish_copy(demo_copy)
    assert [is_current for _, is_current in list_accepted(demo_copy)] == [False]
    listing = recomart.run_json("accept", "--warehouse", demo_copy.warehouse)
    assert [refusal["status"] for refusal in listing["refusals"]] == ["fail"]
    run_volume_test(demo_copy, 400)
    assert find_refusals(demo_copy) == []


def test_tables_are_checked_after_waiting(demo_copy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails while a step waits for another process refuses it."""
    update = "update gates.node_results set status = '{}' where node = 'test.recomart.{}'"

    def wait_while_test_fails(*_: object) -> int:
        execute_statements(demo_copy, update.format("fail", VOLUME_TEST))
        return get_erasure_number(demo_copy)

    @contextmanager
    def lock_while_test_fails(*_: object) -> Iterator[None]:
        wait_while_test_fails()
        yield

    monkeypatch.setattr("orchestration.batch_scoring.wait_for_erasure", wait_while_test_fails)
    monkeypatch.setattr("orchestration.training_run.wait_for_erasure", wait_while_test_fails)
    monkeypatch.setattr("warehouse.publishing.publisher.exclusive_lock", lock_while_test_fails)
    steps: dict[str, Callable[[], object]] = {
        "training": lambda: load_training_dataset(demo_copy, None, lambda _: None),
        "scoring": lambda: score_customers(demo_copy),
        "publishing": lambda: publish_copy(demo_copy),
    }
    for step, action in steps.items():
        execute_statements(demo_copy, update.format("pass", VOLUME_TEST))
        with pytest.raises(RecomartError, match=f"^{step} refused: .*test {VOLUME_TEST} failed"):
            action()


@pytest.mark.slow
def test_only_tests_of_read_tables_refuse(demo_copy: Settings) -> None:
    """Tests of other tables and of severity warn refuse nothing; tests of lists refuse only publishing."""
    execute_statements(
        demo_copy,
        "insert into marts.audit_unread_values select * replace (0 as rows) from marts.audit_unread_values",
        "update marts.audit_feed_days set warning = 'unusual'",
        "delete from marts.rec_top_n where hash(user_id) % 2 = 0",
    )
    with pytest.raises(RecomartError):
        run_dbt(demo_copy, "test", "--select", "audit_unread_values,test_type:generic")
    assert run_dbt(demo_copy, "test", "--select", "warn_feed_day_unusual").warnings
    assert find_refusals(demo_copy) == []
    with pytest.raises(RecomartError, match="customers have a list"):
        run_dbt(demo_copy, "test", "--select", "assert_customers_served_share_above_minimum")
    assert [refusal.steps for refusal in find_refusals(demo_copy)] == [["publishing"]]
    check_tables_accepted(demo_copy, "training")


@pytest.mark.slow
def test_tables_without_tests_are_refused(demo_copy: Settings) -> None:
    """`dbt run` builds tables without their tests, which are due until they run."""
    run_dbt(demo_copy, "run", "--select", "dim_users")
    with pytest.raises(RecomartError, match=r"publishing refused: .*left out tests: .* \(due\)"):
        publish_copy(demo_copy)
    with pytest.raises(RecomartError, match="has not failed: its last result is 'due'"):
        accept_failure(demo_copy, "valid_rows_dim_users", "no time")
    run_dbt(demo_copy, "test", "--select", "dim_users")
    assert find_refusals(demo_copy) == []


def test_refusal_has_one_line_of_error() -> None:
    error = 'Runtime Error in model mine (models/mine.sql)\n  Binder Error: no column "b"!\n\n  LINE 2: b\n          ^'
    refusal = Refusal(
        node="model.recomart.mine", status="error", message=error, fingerprint=None, failure_count=None,
        newest_load_id=None, changed_at=datetime.now(UTC), steps=["training"],
    )  # fmt: skip
    assert 'such as mine (error: Binder Error: no column "b"!). Run' in describe_refusals([refusal])


@pytest.mark.slow
def test_killed_build_is_refused(demo_copy: Settings) -> None:
    """So is a build with a model that failed; the next build ends the refusal."""
    select = ["--select", "ml_interactions", "assert_one_currency"]
    with subprocess.Popen(
        [find_dbt_executable(), "build", *select],
        cwd=PROJECT_DIR,
        env=demo_copy.build_environment() | build_dbt_environment(demo_copy),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "1 of " in line and "START" in line and "hook" not in line)
        os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(RecomartError, match=r"training refused: .*the last dbt build was killed or failed"):
        train_model(demo_copy, TrainConfig())
    run_dbt(demo_copy, "build", *select)
    assert find_refusals(demo_copy) == []
    execute_statements(demo_copy, "alter table seeds.event_weights rename column half_life_days to half_life")
    with pytest.raises(RecomartError):
        run_dbt(demo_copy, "run", "--select", "int_cutoff_decay_factors")
    with pytest.raises(RecomartError, match=r"scoring refused: .*int_cutoff_decay_factors \(error: "):
        score_customers(demo_copy)


@pytest.mark.slow
def test_partial_builds_record_no_result(demo_copy: Settings) -> None:
    """A failed test does not pass with other variables or without rows, and a plain test ends the refusal."""
    with pytest.raises(RecomartError, match="39504 lines where 400 are usual"):
        run_volume_test(demo_copy, 39_504)
    for options in (["--vars", "{audit_volume_limit: 1000000}"], ["--empty"]):
        counts = run_dbt(demo_copy, "build", "--select", VOLUME_TEST, *options).status_counts
        assert counts["pass"] == 1
        with pytest.raises(RecomartError, match=r"was partial \(--empty, --sample, --defer or --vars\), .* \(due\)"):
            publish_copy(demo_copy)
    with pytest.raises(RecomartError, match="39504 lines where 400 are usual"):
        run_dbt(demo_copy, "build", "--select", VOLUME_TEST, "--sample", "2 days")
    assert {refusal.status for refusal in find_refusals(demo_copy)} == {"due"}
    run_volume_test(demo_copy, 400)
    assert find_refusals(demo_copy) == []


@pytest.mark.slow
def test_database_without_results_is_refused(demo_copy: Settings, recomart: RecomartCli) -> None:
    """A build on record is required; a test of one table does not vouch for the others."""
    rename = "alter table gates.node_results rename column fingerprint to digest"
    for statement in (rename, "delete from gates.node_results", "drop schema gates cascade"):
        execute_statements(demo_copy, statement)
        with pytest.raises(RecomartError, match=r"training refused: .*no dbt build is on record.* Run `recomart run`"):
            train_model(demo_copy, TrainConfig())
        if statement == rename:
            run_dbt(demo_copy, "test", "--select", VOLUME_TEST)
            assert len(find_refusals(demo_copy)) > 50
    result = recomart("publish", "--warehouse", demo_copy.warehouse)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert (
        "refused: training, tuning, scoring, promotion, publishing: no dbt build is on record"
        in recomart("status", "--warehouse", demo_copy.warehouse).stdout
    )
    run_dbt(demo_copy, "build", "--exclude-resource-type", "unit_test")
    assert find_refusals(demo_copy) == []


def test_renewed_tests_are_returned(demo_copy: Settings) -> None:
    execute_statements(
        demo_copy,
        f"update gates.node_results set status = 'fail', fingerprint = 'a' where node = 'test.recomart.{VOLUME_TEST}'",
    )
    whys = {VOLUME_TEST: "a sale", "assert_one_currency": "two shops"}
    assert renew_acceptances(demo_copy, whys) == {VOLUME_TEST}
    assert [acceptance.why for acceptance, _ in list_accepted(demo_copy)] == [f"a sale{ERASURE_NOTE}"]
    assert renew_acceptances(demo_copy, whys) == set()


def test_acceptances_of_older_rows_are_not_renewed(demo_copy: Settings) -> None:
    """A load after the build, and a table that was not built since, can have rows that no user has accepted."""
    node = f"test.recomart.{VOLUME_TEST}"
    execute_statements(
        demo_copy, f"update gates.node_results set status = 'fail', fingerprint = 'a' where node = '{node}'"
    )
    accept_failure(demo_copy, VOLUME_TEST, "a sale")
    assert list_renewable_reasons(demo_copy) == {VOLUME_TEST: "a sale"}
    newest_file = "where load_id = (select max(load_id) from raw.loaded_files where feed not like '%_lists')"
    execute_statements(demo_copy, f"update raw.loaded_files set load_id = load_id + 1 {newest_file}")
    assert list_renewable_reasons(demo_copy) == {}
    # `dbt test` alone does not build the table that the test reads.
    execute_statements(
        demo_copy,
        f"update gates.node_results set newest_load_id = newest_load_id + 1 where node = '{node}'",
    )
    assert list_renewable_reasons(demo_copy) == {}
    execute_statements(demo_copy, f"update raw.loaded_files set load_id = load_id - 1 {newest_file}")
    execute_statements(
        demo_copy,
        f"update gates.node_results set newest_load_id = newest_load_id - 1 where node = '{node}'",
    )
    assert list_renewable_reasons(demo_copy) == {VOLUME_TEST: "a sale"}


def test_nodes_without_result_are_refused(demo_copy: Settings) -> None:
    """A deleted result is no passed test, nor a built table; tests of other tables refuse nothing."""
    manifest = load_manifest(demo_copy)
    unread_test = next(
        name for name, node in manifest["nodes"].items() if node.get("attached_node") == "model.recomart.audit_pii"
    )
    execute_statements(demo_copy, f"delete from gates.node_results where node = '{unread_test}'")
    assert find_refusals(demo_copy) == []
    for node in (f"test.recomart.{VOLUME_TEST}", "model.recomart.dim_users"):
        execute_statements(
            demo_copy,
            "create or replace table gates.other_results as from gates.node_results",
            f"delete from gates.node_results where node = '{node}'",
        )
        assert [(refusal.node, refusal.status) for refusal in find_refusals(demo_copy)] == [(node, "due")]
        execute_statements(demo_copy, f"insert into gates.node_results from gates.other_results where node = '{node}'")
    assert find_refusals(demo_copy) == []


@pytest.mark.slow
def test_failure_of_removed_test_is_refused(demo_copy: Settings) -> None:
    """It refuses until the tables of the test are built again, or a user accepts it."""
    node, insert = "test.recomart.assert_dim_users_grow", "insert into gates.node_results (node, status, {}) {}"
    columns = "fingerprint, tested_tables, changed_at"
    for table, is_refused in (("audit_pii", False), ("dim_users", True)):
        values = f"values ('{node}', 'fail', '1', 'model.recomart.{table}', now())"
        execute_statements(demo_copy, f"delete from gates.node_results where node = '{node}'")
        execute_statements(demo_copy, insert.format(columns, values))
        assert [refusal.node for refusal in find_refusals(demo_copy)] == [node] * is_refused
    accept_failure(demo_copy, "assert_dim_users_grow", "it no longer applies")
    assert find_refusals(demo_copy) == []
    demo_copy.accepted_failures_file.unlink()
    run_volume_test(demo_copy, 400)
    assert [refusal.node for refusal in find_refusals(demo_copy)] == [node]
    run_dbt(demo_copy, "build", "--select", "dim_users", "--exclude-resource-type", "unit_test")
    assert find_refusals(demo_copy) == []


def test_failure_that_becomes_warning_passes(demo_copy: Settings) -> None:
    node = "test.recomart.warn_feed_day_unusual"
    execute_statements(
        demo_copy, f"insert into gates.node_results (node, status, changed_at) values ('{node}', 'fail', now())"
    )
    assert find_refusals(demo_copy) == []


def test_damaged_acceptance_names_its_line(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    settings.accepted_failures_file.write_text("\n{}\n", encoding="utf-8")
    with pytest.raises(RecomartError, match=r"accepted_failures\.jsonl, line 2: not an acceptance\. Delete the line"):
        read_acceptances(settings)


@pytest.mark.slow
def test_acceptances_survive_unusual_texts(demo_copy: Settings, recomart: RecomartCli) -> None:
    """Line separators of Unicode are no line ends, and a file without a last line end gets one."""
    file = demo_copy.accepted_failures_file
    update = """
        update gates.node_results set status = 'fail', fingerprint = '{}', message = 'line\u2028one\u0085two'
        where node = 'test.recomart.{}'
    """
    reasons = {"a": "a sale\u2028of \u0085all\x1c shops \u201cnow\u201d", "b": "another\nsale", "c": "a third"}
    for fingerprint, why in reasons.items():
        execute_statements(demo_copy, update.format(fingerprint, VOLUME_TEST))
        accept_failure(demo_copy, VOLUME_TEST, why)
        assert find_refusals(demo_copy) == []
        file.write_bytes(file.read_bytes().removesuffix(b"\n"))
    assert [acceptance.why for acceptance, _ in list_accepted(demo_copy)] == list(reasons.values())
    execute_statements(demo_copy, update.format("d", VOLUME_TEST))
    result = recomart("accept", VOLUME_TEST, "--why", "caf\udce9", "--warehouse", demo_copy.warehouse)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "is not valid UTF-8 text" in result.stderr
    # dbt reads the same file.
    with pytest.raises(RecomartError, match="39504 lines"):
        run_volume_test(demo_copy, 39_504)
    accept_failure(demo_copy, VOLUME_TEST, reasons["a"])
    assert "accepted by" in " ".join(run_dbt(demo_copy, "test", "--select", VOLUME_TEST).warnings)


@pytest.mark.slow
def test_run_refuses_again_until_accepted(demo_copy: Settings) -> None:
    """A run on the same data ends with the same message; after the acceptance it publishes, also with another delivery.

    That delivery is yesterday's file under today's name, which the audit finds unusual.
    """
    files = sorted((demo_copy.landing_dir / "clickstream").glob("*.jsonl*"))
    day = files[-1].name[:10]
    event = {"user_id": "u1", "product_id": "p00001", "event_type": "view"}
    lines = [json.dumps({**event, "timestamp": f"{day}T12:00:00Z", "n": number}) for number in range(20_000)]
    files[-1].with_name(f"{day}-flood.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    messages = []
    for _ in range(2):
        with pytest.raises(RecomartError) as raised:
            run_pipeline(demo_copy, TrainConfig(), PipelineListener(), is_training_requested=False)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert f"{VOLUME_TEST}: events of {day}: " in messages[0]
    accept_failure(demo_copy, VOLUME_TEST, "a sale")
    stop_message = rf"failed test {VOLUME_TEST} stopped the last dbt build before \d+ tables and tests, such as \w+\."
    with pytest.raises(RecomartError, match=f"publishing refused: .*: {stop_message} Run `recomart run`$"):
        publish_copy(demo_copy)
    next_day = date.fromisoformat(day) + timedelta(days=1)
    shutil.copyfile(files[-1], files[-1].with_name(files[-1].name.replace(day, f"{next_day}")))
    report = run_pipeline(demo_copy, TrainConfig(), PipelineListener(), is_training_requested=False)
    assert report.published is not None
    assert report.marts is not None
    assert any("accepted by" in warning for warning in report.marts.warnings)
    (warning,) = (warning for warning in report.marts.warnings if f": events of {next_day}: " in warning)
    assert " rows are duplicates of other deliveries" in warning
