"""Ten days of an unattended shop under `dagster dev`, with a broken file and a day of bad data."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.model_registry import ModelRun, list_model_runs
from orchestration.sensors import UNFINISHED_STATUSES
from tests.conftest import SMALL_SHOP_CONFIG
from tests.dagster_dev import DagsterServer, run_dagster_dev
from warehouse.database import open_reader
from warehouse.demo.generator import generate_shop
from warehouse.publishing.live_copy import PublishedCopy, read_pointer
from warehouse.settings import Settings

DATE_PATTERN = re.compile(r"\d{4}-\d\d-\d\d")
FIRST_DAYS = 30
BROKEN_DAY = 3
BAD_DATA_DAY = 6
REPAIRED_DAY = 8
BAD_EVENT_COUNT = 5_000
"""Events of seven usual days: below the limit of `assert_daily_volume_within_limit`, which would stop the run."""
TIMEOUT_SECONDS = 240


class DeliveringShop:
    """The files that a shop will send to a warehouse, day by day."""

    def __init__(self, folder: Path) -> None:
        """Generate the shop's files outside the landing folder."""
        source = Settings(warehouse=folder / "source")
        generate_shop(SMALL_SHOP_CONFIG, source.landing_dir, source.demo_truth_dir)
        self.source = source.landing_dir
        self.settings = Settings(warehouse=folder / "shop")
        self.settings.landing_dir.mkdir(parents=True)
        files = sorted(path for path in self.source.rglob("*") if path.is_file() and not path.name.startswith("."))
        self.files = {path: DATE_PATTERN.findall(path.relative_to(self.source).as_posix())[0] for path in files}
        self.days = sorted(set(self.files.values()))

    def deliver(self, days: list[str]) -> None:
        """Write the files of some days to the landing folder."""
        for file, day in self.files.items():
            if day in days:
                self.land(file.relative_to(self.source).as_posix(), file.read_bytes())

    def land(self, path: str, data: bytes) -> None:
        """Write a file to the landing folder by an atomic rename."""
        target = self.settings.landing_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}")
        unfinished.write_bytes(data)
        unfinished.rename(target)

    def list_landed_files(self) -> set[str]:
        """Return the files that have landed."""
        landing = self.settings.landing_dir
        return {path.relative_to(landing).as_posix() for path in landing.rglob("*") if path.is_file()}

    def build_bad_events(self, last_day: str) -> bytes:
        """Return the file of a broken exporter: events of earlier days with random products."""
        rng = random.Random(5)
        lines = [
            line
            for file, day in self.files.items()
            if file.suffix == ".gz" and "clickstream" in file.parts and day <= last_day
            for line in gzip.decompress(file.read_bytes()).decode().splitlines()
        ]
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        products = [event["product_id"] for event in events if "product_id" in event]
        bad_events = [event | {"product_id": rng.choice(products)} for event in rng.choices(events, k=BAD_EVENT_COUNT)]
        return "".join(json.dumps(event) + "\n" for event in bad_events).encode()


@pytest.fixture
def delivering_shop(tmp_path: Path) -> DeliveringShop:
    """A shop without landing files, and the files to deliver."""
    return DeliveringShop(tmp_path)


@pytest.fixture
def dagster_server(delivering_shop: DeliveringShop, tmp_path: Path) -> Iterator[DagsterServer]:
    """Dagster over the shop's warehouse, with its sensor switched on."""
    with run_dagster_dev(delivering_shop.settings, tmp_path) as dagster:
        dagster.start_sensor("landing_files_sensor")
        yield dagster


def wait_for_run_end(dagster: DagsterServer, number: int) -> dg.DagsterRun:
    """Return the run of that number, counted from 1, when it has finished; it must be the newest run."""
    runs = dagster.list_sensor_runs
    dagster.wait_until(
        f"the end of run {number}",
        lambda: len(runs()) >= number and not dagster.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED_STATUSES)),
        TIMEOUT_SECONDS,
    )
    assert len(runs()) == number, "one delivery started two runs"
    return runs()[0]


@pytest.mark.slow
def test_ten_unattended_days(delivering_shop: DeliveringShop, dagster_server: DagsterServer) -> None:
    delivering_shop.deliver(delivering_shop.days[:FIRST_DAYS])
    assert wait_for_run_end(dagster_server, 1).status == dg.DagsterRunStatus.SUCCESS
    published_copies: list[PublishedCopy] = [read_pointer(delivering_shop.settings)]
    bad_file = ""
    runs_by_day: list[list[ModelRun]] = [list_model_runs(delivering_shop.settings)]
    for number, day in enumerate(delivering_shop.days[FIRST_DAYS:], start=1):
        delivering_shop.deliver([day])
        if number == BROKEN_DAY:
            delivering_shop.land(
                f"clickstream/{day}-late.jsonl.gz", gzip.compress(delivering_shop.build_bad_events(day))[:1000]
            )
        if number == BAD_DATA_DAY:
            bad_file = f"clickstream/{day}-again.jsonl"
            delivering_shop.land(bad_file, delivering_shop.build_bad_events(day))
        if number == REPAIRED_DAY:
            delivering_shop.land(bad_file, b"")
        assert wait_for_run_end(dagster_server, number + 1).status == dg.DagsterRunStatus.SUCCESS
        published_copies.append(read_pointer(delivering_shop.settings))
        known_ids = {run.run_id for runs in runs_by_day for run in runs}
        runs_by_day.append([run for run in list_model_runs(delivering_shop.settings) if run.run_id not in known_ids])

    with open_reader(delivering_shop.settings) as connection:
        loaded = connection.execute("select path, count(*) from raw.loaded_files group by path").fetchall()
        unreadable = connection.execute("select path from raw.rejected_files").fetchall()
        quality = connection.execute("select run_id, rejection_reason from marts.eval_model_runs").fetchall()
    broken_files = {path for path in delivering_shop.list_landed_files() if path.endswith("-late.jsonl.gz")}
    assert dict(loaded) == dict.fromkeys(delivering_shop.list_landed_files() - broken_files, 1)
    assert {path for (path,) in unreadable} == broken_files

    # Every day published a new copy, and no rejected model served.
    assert len({copy.file for copy in published_copies}) == len(published_copies)
    runs = [run for runs in runs_by_day for run in runs]
    assert not {run.run_id for run in runs if run.rejection_reason} & {copy.run_id for copy in published_copies}

    # With the bad file in the landing folder no model passed and the earlier model served; a later model passed.
    bad_data_runs = [run for runs in runs_by_day[BAD_DATA_DAY:REPAIRED_DAY] for run in runs]
    assert bad_data_runs
    assert all(run.rejection_reason for run in bad_data_runs)
    run_id_before, *run_ids_after = (copy.run_id for copy in published_copies[BAD_DATA_DAY - 1 :])
    assert run_ids_after[: REPAIRED_DAY - BAD_DATA_DAY] == [run_id_before] * (REPAIRED_DAY - BAD_DATA_DAY)
    assert len({copy.run_id for copy in published_copies}) > 3
    assert run_ids_after[-1] != run_id_before

    assert dict(quality) == {run.run_id: run.rejection_reason for run in runs}
