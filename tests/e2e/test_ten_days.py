"""Ten days of a shop that nobody looks after: files land, and a real Dagster makes better recommendations of them."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.model_registry import ModelRun, model_runs
from orchestration.sensors import UNFINISHED
from tests.conftest import SMALL_SHOP
from tests.dagster_dev import DagsterDev, dagster_dev
from warehouse.database import reader
from warehouse.demo.generate import generate
from warehouse.publishing.live_copy import Published, current
from warehouse.settings import Settings

DATE = re.compile(r"\d{4}-\d\d-\d\d")
FIRST_DAYS = 30
BROKEN_DAY = 3
POISONED_DAY = 6
MENDED_DAY = 8
POISON_EVENTS = 5_000
"""Seven ordinary days' worth: less than what is beyond belief for a single day, and would stop the run."""
PATIENCE_SECONDS = 240


class Shop:
    """The files that a shop will send to a warehouse, day by day."""

    def __init__(self, folder: Path) -> None:
        """Generate the shop's files; none has landed yet."""
        source = Settings(warehouse=folder / "source")
        generate(SMALL_SHOP, source.landing_dir, source.demo_truth_dir)
        self.source = source.landing_dir
        self.settings = Settings(warehouse=folder / "shop")
        self.settings.landing_dir.mkdir(parents=True)
        files = sorted(path for path in self.source.rglob("*") if path.is_file() and not path.name.startswith("."))
        self.files = {path: DATE.findall(path.relative_to(self.source).as_posix())[0] for path in files}
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

    def landed(self) -> set[str]:
        """Return the files that have landed."""
        landing = self.settings.landing_dir
        return {path.relative_to(landing).as_posix() for path in landing.rglob("*") if path.is_file()}

    def poison(self, until: str) -> bytes:
        """Return what a broken exporter sends: clicks of the days before, with somebody else's products."""
        chance = random.Random(5)
        sent = [
            line
            for file, day in self.files.items()
            if file.suffix == ".gz" and "clickstream" in file.parts and day <= until
            for line in gzip.decompress(file.read_bytes()).decode().splitlines()
        ]
        events = [json.loads(line) for line in sent if line.startswith("{") and line.endswith("}")]
        products = [event["product_id"] for event in events if "product_id" in event]
        wrong = [event | {"product_id": chance.choice(products)} for event in chance.choices(events, k=POISON_EVENTS)]
        return "".join(json.dumps(event) + "\n" for event in wrong).encode()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop that has sent nothing yet."""
    return Shop(tmp_path)


@pytest.fixture
def dagster(shop: Shop, tmp_path: Path) -> Iterator[DagsterDev]:
    """Dagster over its warehouse, sensors and schedules as they are by default."""
    with dagster_dev(shop.settings, tmp_path) as dagster:
        yield dagster


def end_of_run(dagster: DagsterDev, number: int) -> dg.DagsterRun:
    """Return the run of that number, from 1, when it has ended; there is no other after it."""
    runs = dagster.runs_for_landing
    dagster.wait(
        f"the end of run {number}",
        lambda: len(runs()) >= number and not dagster.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)),
        PATIENCE_SECONDS,
    )
    assert len(runs()) == number, "one delivery started two runs"
    return runs()[0]


@pytest.mark.slow
def test_a_shop_that_nobody_looks_after(shop: Shop, dagster: DagsterDev) -> None:
    shop.deliver(shop.days[:FIRST_DAYS])
    assert end_of_run(dagster, 1).status == dg.DagsterRunStatus.SUCCESS
    published: list[Published] = [current(shop.settings)]
    poisoned_file = ""
    trained: list[list[ModelRun]] = [model_runs(shop.settings)]
    for number, day in enumerate(shop.days[FIRST_DAYS:], start=1):
        shop.deliver([day])
        if number == BROKEN_DAY:
            shop.land(f"clickstream/{day}-late.jsonl.gz", gzip.compress(shop.poison(day))[:1000])
        if number == POISONED_DAY:
            poisoned_file = f"clickstream/{day}-again.jsonl"
            shop.land(poisoned_file, shop.poison(day))
        if number == MENDED_DAY:
            shop.land(poisoned_file, b"")
        assert end_of_run(dagster, number + 1).status == dg.DagsterRunStatus.SUCCESS
        published.append(current(shop.settings))
        known = {run.run_id for runs in trained for run in runs}
        trained.append([run for run in model_runs(shop.settings) if run.run_id not in known])

    with reader(shop.settings) as connection:
        loaded = connection.execute("select path, count(*) from raw.loaded_files group by path").fetchall()
        unreadable = connection.execute("select path from raw.rejected_files").fetchall()
        quality = connection.execute("select run_id, held_back_because from marts.eval_quality_by_day").fetchall()
    broken = {path for path in shop.landed() if path.endswith("-late.jsonl.gz")}
    assert dict(loaded) == dict.fromkeys(shop.landed() - broken, 1)
    assert {path for (path,) in unreadable} == broken

    # Every day moved the published copy, and no day let a model serve that had been held back.
    assert len({copy.file for copy in published}) == len(published)
    runs = [run for runs in trained for run in runs]
    assert not {run.run_id for run in runs if run.held_back_because} & {copy.run_id for copy in published}

    # While the poison lay in landing no model passed, and the one before it went on serving; then the next one did.
    while_poisoned = [run for runs in trained[POISONED_DAY:MENDED_DAY] for run in runs]
    assert while_poisoned
    assert all(run.held_back_because for run in while_poisoned)
    before, *since = (copy.run_id for copy in published[POISONED_DAY - 1 :])
    assert since[: MENDED_DAY - POISONED_DAY] == [before] * (MENDED_DAY - POISONED_DAY)
    assert len({copy.run_id for copy in published}) > 3
    assert since[-1] != before

    assert dict(quality) == {run.run_id: run.held_back_because for run in runs}
