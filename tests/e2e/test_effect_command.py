"""The command `recomart effect`."""

from datetime import date
from pathlib import Path

import pytest

from tests.recomart_cli import RecomartCli
from tests.sample_effect import create_effect_marts
from warehouse.database import open_writer
from warehouse.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of a warehouse with effect marts only."""
    with open_writer(Settings(warehouse=tmp_path)) as connection:
        create_effect_marts(connection)
    return tmp_path


def test_effect_prints_tables(cli: RecomartCli, folder: Path) -> None:
    result = cli("effect", "--warehouse", folder)
    assert result.returncode == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "Experiment rules, from 2026-03-12 without an end"
    assert "ruled rules:shoes 50.00% 0 6 no customers" in lines
    assert "Experiment lists, from 2026-03-02 to 2026-03-11" in lines
    assert "personal model 50.00% 1,000 1,000" in lines
    (conversion,) = [line for line in lines if line.startswith("Conversion")]
    assert conversion == (
        "Conversion (primary) 6.00% 5.00% +20.0% +10.0% to +30.0% +1.00 pp +1.00 pp - 12.0% higher than in the control"
    )
    (order_value,) = [line for line in lines if line.startswith("Average order value")]
    assert "+1.500 +2.500" in order_value
    assert any(line.startswith("Click-through rate (inferred) 5.00% -") for line in lines)
    assert "12,100 inferred 297 2.45% 242 121 0 1,512.50" in lines
    assert lines[-1].startswith("The shop has no impressions. They are inferred:")


def test_effect_counts_days_of_both_bases(cli: RecomartCli, tmp_path: Path) -> None:
    """The newest days are those of the calendar, also where a day has inferred and measured figures."""
    with open_writer(Settings(warehouse=tmp_path)) as connection:
        create_effect_marts(connection, date(2026, 3, 3))
    result = cli("effect", "--warehouse", tmp_path)
    assert result.returncode == 0, result.stderr
    _, _, days = result.stdout.partition("Recommendations by day")
    lines = [" ".join(line.split()[:3]) for line in days.splitlines() if line.strip().startswith("2026-")]
    assert lines[:3] == ["2026-03-02 1,100 inferred", "2026-03-03 0 inferred", "2026-03-03 1,100 measured"]
    assert len(lines) == 21
    assert "The first measured impression is of 3 Mar 2026." in " ".join(result.stdout.split())


def test_effect_as_json(cli: RecomartCli, folder: Path) -> None:
    payload = cli.run_json("effect", "--experiment", "lists", "--days", 1, "--warehouse", folder)
    assert (payload["first_day"], payload["last_day"]) == ("2026-03-12", "2026-03-12")
    assert {arm["experiment"] for arm in payload["arms"]} == {"lists"}
    assert payload["metrics"][0]["verdict"] == "higher than in the control"
    assert payload["recommendations"]["day"] == [
        {
            "group": "2026-03-12", "basis": "inferred", "impressions": 1100, "clicks": 27,
            "click_through_rate": 27 / 1100, "add_to_carts": 22, "purchases": 11, "returns": 0, "revenue": 137.5,
        }
    ]  # fmt: skip


def test_effect_without_experiment(cli: RecomartCli, demo_warehouse: Settings) -> None:
    """A shop with neither experiments nor impressions nor actions since its first publication."""
    result = cli("effect", "--warehouse", demo_warehouse.warehouse)
    assert result.returncode == 0, result.stderr
    assert "No experiment is declared." in result.stdout
    payload = cli.run_json("effect", "--warehouse", demo_warehouse.warehouse)
    assert payload["arms"] == payload["metrics"] == payload["days"] == []


def test_effect_writes_page(cli: RecomartCli, folder: Path) -> None:
    page = folder / "reports" / "effect.html"
    result = cli("effect", "--html", page, "--warehouse", folder)
    assert result.returncode == 0, result.stderr
    assert "Effect of recommendations" in page.read_text(encoding="utf-8")
    assert result.stdout.startswith(f"{page}: the page is written")
