"""The landing sensor: one run for every delivery of files."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from orchestration.sensors import find_delivery, landing_files_sensor
from warehouse.settings import Settings

EVENT_LINE = '{"user_id": "u", "product_id": "p", "event_type": "view", "timestamp": "2026-01-01T00:00:00Z"}\n'


@pytest.fixture
def empty_shop_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty shop; the environment names its warehouse."""
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(tmp_path))
    monkeypatch.setenv("RECOMART_SETTLE_SECONDS", "0")
    monkeypatch.setenv("RECOMART_DELIVERY_GAP_SECONDS", "0")
    (tmp_path / "landing" / "clickstream").mkdir(parents=True)
    return Settings()


def write_landing_file(settings: Settings, name: str) -> Path:
    file = settings.landing_dir / "clickstream" / name
    file.write_text(EVENT_LINE)
    return file


def find_delivered_paths(settings: Settings, time_ns: int) -> list[str]:
    return [file.path for file in find_delivery(settings, time_ns).files]


def evaluate_sensor(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    result = landing_files_sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def get_requested_tags(result: dg.SensorResult | dg.SkipReason) -> list[dict[str, str]]:
    """Return the tags of the requested runs, without Dagster's own tags."""
    assert isinstance(result, dg.SensorResult)
    return [
        {name: tag for name, tag in request.tags.items() if "recomart" in name} for request in result.run_requests or []
    ]


def test_sensor_starts_one_run_per_delivery(empty_shop_settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(evaluate_sensor(instance, None), dg.SkipReason)
        write_landing_file(empty_shop_settings, "a.jsonl")
        write_landing_file(empty_shop_settings, "b.jsonl")
        first = evaluate_sensor(instance, None)
        assert get_requested_tags(first) == [{"recomart/new_files": "2", "recomart/newest_file": "clickstream/b.jsonl"}]
        assert isinstance(first, dg.SensorResult)
        assert isinstance(evaluate_sensor(instance, first.cursor), dg.SkipReason)
        time.sleep(0.01)
        write_landing_file(empty_shop_settings, "a.jsonl")
        second = evaluate_sensor(instance, first.cursor)
        assert get_requested_tags(second) == [
            {"recomart/new_files": "1", "recomart/newest_file": "clickstream/a.jsonl"}
        ]


def test_sensor_waits_for_active_run(empty_shop_settings: Settings) -> None:
    """A run that failed and will be retried counts as active."""
    write_landing_file(empty_shop_settings, "a.jsonl")
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(
            dg.Definitions(jobs=[noop]).resolve_job_def("noop"), status=dg.DagsterRunStatus.STARTED
        )
        waiting = evaluate_sensor(instance, None)
        assert isinstance(waiting, dg.SkipReason)
        assert waiting.skip_message == "1 new or changed file: waiting for the end of the active run"
        instance.report_run_failed(run)
        instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
        assert isinstance(evaluate_sensor(instance, None), dg.SkipReason)
        instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "the next one"})
        assert len(get_requested_tags(evaluate_sensor(instance, None))) == 1


def test_find_delivery_skips_unsettled_files(empty_shop_settings: Settings) -> None:
    write_landing_file(empty_shop_settings, "a.jsonl")
    write_landing_file(empty_shop_settings, "b.jsonl.part")
    long_settling = empty_shop_settings.model_copy(update={"settle_seconds": 60})
    assert find_delivered_paths(long_settling, 0) == []
    assert find_delivered_paths(empty_shop_settings, 0) == ["clickstream/a.jsonl"]


def test_find_delivery_ignores_logs(empty_shop_settings: Settings) -> None:
    """The log of the service grows all the time; the shop's next delivery starts the run that loads it."""
    log = empty_shop_settings.landing_dir / "recommendation_log" / "served" / "a.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"recommendation_id": "a"}\n')
    assert find_delivered_paths(empty_shop_settings, 0) == []


def test_find_delivery_includes_old_mtime(empty_shop_settings: Settings) -> None:
    """The time of landing decides, not the modification time that the sender set."""
    earlier_ns = time.time_ns() - 1
    os.utime(write_landing_file(empty_shop_settings, "a.jsonl"), (0, 0))
    assert find_delivered_paths(empty_shop_settings, earlier_ns) == ["clickstream/a.jsonl"]


def test_find_delivery_accepts_future_mtime(empty_shop_settings: Settings) -> None:
    file = write_landing_file(empty_shop_settings, "a.jsonl")
    os.utime(file, (time.time() + 7200, time.time() + 7200))
    time.sleep(0.02)
    assert find_delivered_paths(empty_shop_settings.model_copy(update={"settle_seconds": 0.01}), 0) == [
        "clickstream/a.jsonl"
    ]


def test_sensor_waits_for_delivery_gap(empty_shop_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_DELIVERY_GAP_SECONDS", "0.5")
    with dg.DagsterInstance.ephemeral() as instance:
        for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
            write_landing_file(empty_shop_settings, name)
            waiting = evaluate_sensor(instance, None)
            assert isinstance(waiting, dg.SkipReason)
            assert "waiting for the end of the delivery" in (waiting.skip_message or "")
            time.sleep(0.2)
        time.sleep(0.5)
        result = evaluate_sensor(instance, None)
        assert get_requested_tags(result) == [
            {"recomart/new_files": "3", "recomart/newest_file": "clickstream/c.jsonl"}
        ]
        assert isinstance(result, dg.SensorResult)
        assert isinstance(evaluate_sensor(instance, result.cursor), dg.SkipReason)


def test_find_delivery_ends_after_max_wait(empty_shop_settings: Settings) -> None:
    settings = empty_shop_settings.model_copy(update={"delivery_gap_seconds": 60, "max_delivery_wait_seconds": 0.3})
    write_landing_file(empty_shop_settings, "a.jsonl")
    assert not find_delivery(settings, 0).is_complete
    time.sleep(0.4)
    write_landing_file(empty_shop_settings, "b.jsonl")
    assert find_delivery(settings, 0).is_complete


def test_sensor_skips_missing_landing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(tmp_path / "none"))
    with dg.DagsterInstance.ephemeral() as instance:
        skipped = evaluate_sensor(instance, None)
    assert isinstance(skipped, dg.SkipReason)
    assert "no such landing folder" in (skipped.skip_message or "")


@dg.job
def noop() -> None:
    """Does nothing."""
