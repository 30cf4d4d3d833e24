"""Fixtures for all tests, such as a demo shop after a complete run of the pipeline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.recomart_cli import RecomartCli
from tests.three_feed_shop import Shop
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import generate_shop
from warehouse.settings import Settings

SMALL_SHOP_CONFIG = DemoConfig(customers=800, products=500, days=40, events=30_000, dirt=0.03)


@pytest.fixture(scope="session")
def demo_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a small demo shop's warehouse after a complete run; tests must not write to it."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("demo_shop"))
    generate_shop(SMALL_SHOP_CONFIG, settings.landing_dir, settings.demo_truth_dir)
    run_pipeline(settings, TrainConfig(), PipelineListener())
    return settings


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty shop with three feeds."""
    return Shop(tmp_path)


@pytest.fixture(scope="session")
def recomart(tmp_path_factory: pytest.TempPathFactory) -> RecomartCli:
    """The command line."""
    return RecomartCli(tmp_path_factory.mktemp("somewhere_else"))


@pytest.fixture(scope="module")
def restore_torch_threads() -> Iterator[None]:
    """Restore torch's number of threads after tests that change it."""
    thread_count = torch.get_num_threads()
    yield
    torch.set_num_threads(thread_count)
