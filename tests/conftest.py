"""Fixtures for all tests, such as a demo shop after a complete run of the pipeline."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.recomart_cli import InProcessCli, RecomartCli
from tests.three_feed_shop import Shop
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import generate_shop
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

SMALL_SHOP_CONFIG = DemoConfig(customers=800, products=500, days=40, events=30_000, dirt=0.03)

FIRST_FILES = ("service/test_endpoints.py", "dbt/test_incremental.py")
"""One process builds the demo shop for the first file, while another one runs the second file, which needs none."""


def pytest_configure() -> None:
    """Give each process of a parallel test run, and the commands that it starts, its share of the cores.

    torch's threads spin while they wait: with more threads than cores, tests of the training take up to ten times as
    long.
    """
    if process_count := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        thread_count = max(1, (os.cpu_count() or 1) // int(process_count))
        os.environ["OMP_NUM_THREADS"] = str(thread_count)
        torch.set_num_threads(thread_count)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the first files of a test run before the other ones."""

    def get_position(item: pytest.Item) -> int:
        matches = [item.path.as_posix().endswith(f"/{file}") for file in FIRST_FILES]
        return matches.index(True) if True in matches else len(matches)

    items.sort(key=get_position)


@pytest.fixture(scope="session")
def demo_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a small demo shop's warehouse after a complete run; tests must not write to it.

    The processes of a test run share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    settings = Settings(warehouse=folder / "demo_shop")
    with exclusive_lock(folder / "demo_shop.lock", "build of the demo shop", timeout_seconds=600):
        if not settings.warehouse.exists():
            generate_shop(SMALL_SHOP_CONFIG, settings.landing_dir, settings.demo_truth_dir)
            run_pipeline(settings, TrainConfig(), PipelineListener())
    return settings


@pytest.fixture
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, the same for all tests of a process."""
    return empty_dbt_folder(tmp_path_factory.getbasetemp() / "test_shop")


@pytest.fixture(scope="module")
def module_dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder for the tests of a module, the same for all modules of a process."""
    return empty_dbt_folder(tmp_path_factory.getbasetemp() / "module_shop")


@pytest.fixture(scope="module")
def analyst_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder for an analyst's warehouse and dbt project, the same for all modules of a process."""
    return empty_dbt_folder(tmp_path_factory.getbasetemp() / "analyst_shop")


def empty_dbt_folder(folder: Path) -> Path:
    """Empty a folder whose subfolder `warehouse` is a warehouse, but for the project that dbt parsed.

    dbt uses a parsed project for a warehouse of the same path only. Parsing takes as long as half of a small shop's
    build.
    """
    parsed_project = folder / "warehouse" / "target" / "partial_parse.msgpack"
    content = parsed_project.read_bytes() if parsed_project.exists() else None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if content is not None:
        parsed_project.parent.mkdir(parents=True)
        parsed_project.write_bytes(content)
    return folder


@pytest.fixture
def shop(dbt_folder: Path) -> Shop:
    """An empty shop with three feeds."""
    return Shop(dbt_folder)


@pytest.fixture
def demo_copy(demo_warehouse: Settings, dbt_folder: Path) -> Settings:
    """Settings of a writable copy of the demo shop after a complete run."""
    settings = Settings(warehouse=dbt_folder / "warehouse", settle_seconds=0)
    ignored = shutil.ignore_patterns("partial_parse.msgpack")
    shutil.copytree(demo_warehouse.warehouse, settings.warehouse, ignore=ignored, dirs_exist_ok=True)
    return settings


@pytest.fixture(scope="session")
def recomart(tmp_path_factory: pytest.TempPathFactory) -> RecomartCli:
    """The command line, each command in a process of its own."""
    return RecomartCli(tmp_path_factory.mktemp("somewhere_else"))


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> InProcessCli:
    """The command line in the test's process; a command takes a second less."""
    return InProcessCli(tmp_path_factory.mktemp("somewhere_else"))


@pytest.fixture(scope="module")
def restore_torch_threads() -> Iterator[None]:
    """Restore torch's number of threads after tests that change it."""
    thread_count = torch.get_num_threads()
    yield
    torch.set_num_threads(thread_count)
