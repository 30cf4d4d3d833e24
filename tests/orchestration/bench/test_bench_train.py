"""`recomart bench train` on a shop so small that its seconds mean nothing; that it learns from a long tail does."""

import json
from pathlib import Path

from typer.testing import CliRunner

from apps.benchmarks.training_benchmark import TrainedShop
from apps.cli.commands import app


def test_it_trains_and_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    sizes = {"--customers": 2000, "--products": 500, "--interactions": 30_000, "--factors": 8, "--sweeps": 3}
    arguments = [str(word) for option in sizes.items() for word in option]
    done = CliRunner().invoke(app, ["bench", "training", *arguments, "--device", "cpu", "--json", str(file)])
    assert done.exit_code == 0, done.output
    result = json.loads(file.read_text(encoding="utf-8"))
    (figures,) = result["figures"]
    assert figures["device"] == "cpu"
    assert 25_000 < figures["interactions"] <= 32_000
    assert len(figures["sweep_seconds"]) == len(figures["loss"]) == 3
    assert 1 > figures["loss"][0] > figures["loss"][2] > 0
    (target,) = result["targets"]
    assert (target["limit"], target["is_met"]) == (8.0, True)
    assert "seconds per sweep" in done.output


def test_an_unknown_device_is_refused() -> None:
    assert CliRunner().invoke(app, ["bench", "training", "--device", "abacus"]).exit_code == 2


def test_the_made_up_shop_has_a_long_tail_and_every_pair_once() -> None:
    shop = TrainedShop(customers=3000, products=1000, interactions=60_000)
    strength = shop.strength()
    assert (strength.n_rows, strength.n_columns) == (3000, 1000)
    assert int(strength.lengths.min()) >= 1
    rows = strength.row_of_entry * 1000 + strength.columns
    assert (rows[1:] > rows[:-1]).all()
    popularity = strength.transposed().lengths.sort(descending=True).values
    assert popularity[:100].sum() > 0.25 * strength.n_entries
    assert shop.strength().columns.equal(strength.columns)
