"""A fixture of a small demo shop with a large dirt share, generated once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.demo.file_audit import AuditResult, audit_events, audit_purchases
from warehouse.demo import DemoConfig, generate_shop


@dataclass(frozen=True)
class GeneratedShop:
    """A generated shop, with its ground truth and the independent audit of its files."""

    config: DemoConfig
    landing: Path
    truth: Path
    truth_json: dict[str, Any]
    events: AuditResult
    purchases: AuditResult


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> GeneratedShop:
    config = DemoConfig(customers=500, products=300, days=30, events=40_000, dirt=0.1, seed=3)
    folder = tmp_path_factory.mktemp("shop")
    landing, truth = folder / "landing", folder / "truth"
    generate_shop(config, landing, truth)
    planted = json.loads((truth / "planted.json").read_text())
    return GeneratedShop(config, landing, truth, planted, audit_events(landing), audit_purchases(landing))
