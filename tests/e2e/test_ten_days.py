"""Ten days of a shop that nobody looks after: files land, and a real Dagster makes better recommendations of them."""

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
"""Seven ordinary days' worth: less than what is beyond belief for a single day, and would stop the run."""
TIMEOUT_SECONDS = 240


class DeliveringShop:
    """The files that a shop will send to a warehouse, day by day."""

    def __init__(self, folder: Path) -> None:
        """Generate the shop's files; none has landed yet."""
        source = Settings(warehouse=folder / "source")
        generate_shop(SMALL_SHOP_CONFIG, source.landing_dir, source.demo_truth_dir)
        self.source = source.landing_dir
        self.settings = Settings(warehouse=folder / "shop")
        self.settings.landing_dir.mkdir(parents=True)
        files = sorted(path for path in self.source.rglob("*") if path.is_file() and not path.name.startswith("."))
        self.files = {path: DATE_PATTERN.findall(path.relative_to(self.source).as_posix())[0] for path in files}
        self.days = sorted(set(self.files.values()))

    def deliver(self, days: list[str]) -> None:
        """Let the files of some days land, each whole or not at all."""
        for file, day in self.files.items():
            if day in days:
                self.land(file.relative_to(self.source).as_posix(), file.read_bytes())

    def land(self, path: str, data: bytes) -> None:
        """Let one file land."""
        target = self.settings.landing_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}")
        unfinished.write_bytes(data)
        unfinished.rename(target)

    def list_landed(self) -> set[str]:
        """Return the files that have landed."""
        landing = self.settings.landing_dir
        return {path.relative_to(landing).as_posix() for path in landing.rglob("*") if path.is_file()}

    def build_bad_events(self, last_day: str) -> bytes:
        """Return what a broken exporter sends: clicks of the days before, with somebody else's products."""
        chance = random.Random(5)
        sent = [
            line
            for file, day in self.files.items()
            if file.suffix == ".gz" and "clickstream" in file.parts and day <= last_day
            for line in gzip.decompress(file.read_bytes()).decode().splitlines()
        ]
        events = [json.loads(line) for line in sent if line.startswith("{") and line.endswith("}")]
        products = [event["product_id"] for event in events if "product_id" in event]
        wrong = [event | {"product_id": chance.choice(products)} for event in chance.choices(events, k=BAD_EVENT_COUNT)]
        return "".join(json.dumps(event) + "\n" for event in wrong).encode()


@pytest.fixture
def delivering_shop(tmp_path: Path) -> DeliveringShop:
    """A shop that has sent nothing yet."""
    return DeliveringShop(tmp_path)


@pytest.fixture
def dagster_server(delivering_shop: DeliveringShop, tmp_path: Path) -> Iterator[DagsterServer]:
    """Dagster over its warehouse, sensors and schedules as they are by default."""
    with run_dagster_dev(delivering_shop.settings, tmp_path) as dagster:
        yield dagster


def wait_for_run_end(dagster: DagsterServer, number: int) -> dg.DagsterRun:
    """Return the run of that number, from 1, when it has ended; there is no other after it."""
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
    published: list[PublishedCopy] = [read_pointer(delivering_shop.settings)]
    poisoned_file = ""
    trained: list[list[ModelRun]] = [list_model_runs(delivering_shop.settings)]
    for number, day in enumerate(delivering_shop.days[FIRST_DAYS:], start=1):
        delivering_shop.deliver([day])
        if number == BROKEN_DAY:
            delivering_shop.land(
                f"clickstream/{day}-late.jsonl.gz", gzip.compress(delivering_shop.build_bad_events(day))[:1000]
            )
        if number == BAD_DATA_DAY:
            poisoned_file = f"clickstream/{day}-again.jsonl"
            delivering_shop.land(poisoned_file, delivering_shop.build_bad_events(day))
        if number == REPAIRED_DAY:
            delivering_shop.land(poisoned_file, b"")
        assert wait_for_run_end(dagster_server, number + 1).status == dg.DagsterRunStatus.SUCCESS
        published.append(read_pointer(delivering_shop.settings))
        known = {run.run_id for runs in trained for run in runs}
        trained.append([run for run in list_model_runs(delivering_shop.settings) if run.run_id not in known])

    with open_reader(delivering_shop.settings) as connection:
        loaded = connection.execute("select path, count(*) from raw.loaded_files group by path").fetchall()
        unreadable = connection.execute("select path from raw.rejected_files").fetchall()
        quality = connection.execute("select run_id, rejection_reason from marts.eval_quality_by_day").fetchall()
    broken = {path for path in delivering_shop.list_landed() if path.endswith("-late.jsonl.gz")}
    assert dict(loaded) == dict.fromkeys(delivering_shop.list_landed() - broken, 1)
    assert {path for (path,) in unreadable} == broken

    # Every day moved the published copy, and no day let a model serve that had been held back.
    assert len({copy.file for copy in published}) == len(published)
    runs = [run for runs in trained for run in runs]
    assert not {run.run_id for run in runs if run.rejection_reason} & {copy.run_id for copy in published}

    # While the poison lay in landing no model passed, and the one before it went on serving; then the next one did.
    while_poisoned = [run for runs in trained[BAD_DATA_DAY:REPAIRED_DAY] for run in runs]
    assert while_poisoned
    assert all(run.rejection_reason for run in while_poisoned)
    before, *since = (copy.run_id for copy in published[BAD_DATA_DAY - 1 :])
    assert since[: REPAIRED_DAY - BAD_DATA_DAY] == [before] * (REPAIRED_DAY - BAD_DATA_DAY)
    assert len({copy.run_id for copy in published}) > 3
    assert since[-1] != before

    assert dict(quality) == {run.run_id: run.rejection_reason for run in runs}
