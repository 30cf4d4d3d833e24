"""`recomart bench training` on a small shop: the loss falls; speed is not tested."""

import json
from pathlib import Path

from typer.testing import CliRunner

from apps.benchmarks.training_benchmark import TrainingShop
from apps.cli.commands import app


def test_training_benchmark_writes_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    sizes = {"--customers": 2000, "--products": 500, "--interactions": 30_000, "--factors": 8, "--epochs": 3}
    arguments = [str(word) for option in sizes.items() for word in option]
    run = CliRunner().invoke(app, ["bench", "training", *arguments, "--device", "cpu", "--json", str(file)])
    assert run.exit_code == 0, run.output
    result = json.loads(file.read_text(encoding="utf-8"))
    (figures,) = result["results"]
    assert figures["device"] == "cpu"
    assert 25_000 < figures["interactions"] <= 32_000
    assert len(figures["epoch_seconds"]) == len(figures["losses"]) == 3
    assert 1 > figures["losses"][0] > figures["losses"][2] > 0
    (target,) = result["targets"]
    assert (target["max_value"], target["is_met"]) == (8.0, None)
    assert "seconds per epoch" in run.output


def test_unknown_device_is_an_error() -> None:
    assert CliRunner().invoke(app, ["bench", "training", "--device", "abacus"]).exit_code == 2


def test_training_shop_has_long_tail() -> None:
    shop = TrainingShop(customers=3000, products=1000, interactions=60_000)
    strength = shop.draw_interactions()
    assert (strength.row_count, strength.column_count) == (3000, 1000)
    assert int(strength.lengths.min()) >= 1
    rows = strength.row_of_entry * 1000 + strength.columns
    assert (rows[1:] > rows[:-1]).all()
    popularity = strength.transpose().lengths.sort(descending=True).values
    assert popularity[:100].sum() > 0.25 * strength.entry_count
    assert shop.draw_interactions().columns.equal(strength.columns)
