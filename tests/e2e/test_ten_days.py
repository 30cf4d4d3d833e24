"""Ten days of a shop that nobody looks after: files land, and a real Dagster makes better recommendations of them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.automation import UNFINISHED
from orchestration.model_runs import ModelRun, model_runs
from tests.conftest import SMALL_SHOP
from warehouse.database import reader
from warehouse.demo.generate import generate
from warehouse.publish import Published, current
from warehouse.settings import PROJECT_ROOT, Settings

DATE = re.compile(r"\d{4}-\d\d-\d\d")
FIRST_DAYS = 30
BROKEN_DAY = 3
PATIENCE_SECONDS = 240


class UnattendedShop:
    """A Dagster of its own over a warehouse, and the files that its shop will send."""

    def __init__(self, folder: Path) -> None:
        """Generate the shop's files; none has landed yet."""
        self.source = Settings(warehouse=folder / "source")
        generate(SMALL_SHOP, self.source.landing_dir, self.source.demo_truth_dir)
        self.settings = Settings(warehouse=folder / "shop")
        self.settings.landing_dir.mkdir(parents=True)
        files = [
            path for path in self.source.landing_dir.rglob("*") if path.is_file() and not path.name.startswith(".")
        ]
        self.files = {path: DATE.findall(str(path.relative_to(self.source.landing_dir)))[0] for path in sorted(files)}
        self.days = sorted(set(self.files.values()))
        home = folder / "dagster_home"
        home.mkdir()
        shutil.copy(PROJECT_ROOT / "orchestration" / "dagster_home" / "dagster.yaml", home)
        self.environment = {**self.settings.environment(), "DAGSTER_HOME": str(home)}
        self.instance = dg.DagsterInstance.from_config(str(home))

    def deliver(self, days: list[str]) -> None:
        """Let the files of some days land, each whole or not at all."""
        for file, day in self.files.items():
            if day in days:
                self.land(str(file.relative_to(self.source.landing_dir)), file.read_bytes())

    def land(self, path: str, data: bytes) -> None:
        """Let one file land."""
        target = self.settings.landing_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}")
        unfinished.write_bytes(data)
        unfinished.rename(target)

    def wait_for_run(self, number: int) -> dg.DagsterRun:
        """Return the run of that number, from 1, when it has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            runs = self.instance.get_runs()
            if len(runs) >= number and not self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
                assert len(runs) == number, "one delivery started two runs"
                return runs[0]
            time.sleep(1)
        raise AssertionError(f"run {number} has not ended: {self.instance.get_runs()}")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[UnattendedShop]:
    """The shop with its Dagster running: webserver and daemon, sensors and schedules as they are by default."""
    shop = UnattendedShop(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dagster = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("dagster")), "dev", "--module-name", "orchestration.definitions"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        # In the project's folder Dagster would take the home that the project's .env names.
        cwd=tmp_path,
        env={**os.environ, **shop.environment},
        stdout=(tmp_path / "dagster.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield shop
    os.killpg(dagster.pid, signal.SIGINT)
    try:
        dagster.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(dagster.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_shop_that_nobody_looks_after(shop: UnattendedShop) -> None:
    shop.deliver(shop.days[:FIRST_DAYS])
    assert shop.wait_for_run(1).status == dg.DagsterRunStatus.SUCCESS
    published: list[Published] = [current(shop.settings)]
    runs: list[ModelRun] = []
    for number, day in enumerate(shop.days[FIRST_DAYS:], start=1):
        shop.deliver([day])
        if number == BROKEN_DAY:
            shop.land(f"clickstream/{day}-late.jsonl.gz", b"this was never a gzip file")
        assert shop.wait_for_run(number + 1).status == dg.DagsterRunStatus.SUCCESS
        published.append(current(shop.settings))
        runs = model_runs(shop.settings)
    with reader(shop.settings) as connection:
        loaded = connection.execute("select path, count(*) from raw.loaded_files group by path").fetchall()
        unreadable = connection.execute("select path from raw.rejected_files").fetchall()
        quality = connection.execute("select count(distinct run_id) from marts.eval_model_runs").fetchone()
    landed = {
        path.relative_to(shop.settings.landing_dir).as_posix()
        for path in shop.settings.landing_dir.rglob("*")
        if path.is_file()
    }
    broken = {path for path in landed if path.endswith("-late.jsonl.gz")}
    assert dict(loaded) == dict.fromkeys(landed - broken, 1)
    assert {path for (path,) in unreadable} == broken
    # Every day moved the published copy, and no day let a model serve that had been held back.
    assert len({copy.file for copy in published}) == len(published)
    held_back = {run.run_id for run in runs if run.held_back_because}
    assert not held_back & {copy.run_id for copy in published}
    assert len({copy.run_id for copy in published}) > 3
    assert quality == (len(runs),)
