"""A shop of ten million events, from generated files to published recommendations, on two cores."""

import json
from pathlib import Path

import pytest

from tests.recomart_cli import RecomartCli

MAX_MEMORY_MIB = 8_000
"""Twice DuckDB's default limit: the other half is for torch, Arrow and Python."""


@pytest.mark.slow
def test_ten_million_events_in_bounded_memory(recomart: RecomartCli, tmp_path: Path) -> None:
    size = ["--customers", "60000", "--products", "20000", "--days", "90", "--events", "10000000"]
    written = recomart.run_json("demo-data", *size, "--warehouse", tmp_path)
    assert written["events"] > 9_500_000
    report = recomart.run_json("run", "--warehouse", tmp_path)
    planted = json.loads((tmp_path / "demo_truth" / "planted.json").read_text(encoding="utf-8"))["feeds"]
    for feed in report["status"]:
        truth = planted[feed["feed"]]
        assert {name: feed[name] for name in truth if name in feed} == {
            name: truth[name] for name in truth if name in feed
        }
    assert report["peak_memory_mib"] < MAX_MEMORY_MIB
    ndcg = {row["method"]: row["ndcg"] for row in report["metrics"] if row["cutoff"] == "test" and row["k"] == 20}
    assert ndcg["popularity"] < ndcg["als"] < ndcg["oracle"]
