"""The page about the effect of recommendations."""

from datetime import date
from pathlib import Path

import pytest

from apps.profile.effect_page import write_effect_page
from tests.apps.profile.test_profile import PageParser
from tests.sample_effect import create_effect_marts
from warehouse.database import open_writer
from warehouse.effect_report import EffectReport, read_warehouse_effect
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@pytest.fixture
def report(tmp_path: Path) -> EffectReport:
    return read_report(tmp_path)


def read_report(folder: Path, first_measured_day: date | None = None) -> EffectReport:
    settings = Settings(warehouse=folder / "warehouse")
    with open_writer(settings) as connection:
        create_effect_marts(connection, first_measured_day)
    return read_warehouse_effect(settings)


def test_page_shows_experiments_and_weeks(report: EffectReport, tmp_path: Path) -> None:
    write_effect_page(report, tmp_path / "new" / "effect.html")
    page = PageParser(tmp_path / "new" / "effect.html")
    texts = " ".join(" ".join(page.text).split())
    assert "Experiment lists" in page.text
    assert "Customers: personal 1,000 of 1,000 expected, control 1,000 of 1,000 expected." in texts
    assert "Arm personal, Conversion: higher than in the control. 6.00% against 5.00% in the control" in texts
    assert "figure 2026-03-02 2026-03-09" in texts
    assert "purchases 77 44" in texts
    assert "impressions (inferred) 12,100" in texts
    assert "The shop has no impressions. They are inferred:" in texts
    alt_texts = [image["alt"] or "" for image in page.find_all("img")]
    assert [text.partition(".")[0] for text in alt_texts] == [
        "Points with intervals: lift of each metric",
        "Line in a band: difference with its 95 % interval",
        "Bars: clicks and purchases by week",
        "Bars: click-through rate by rank",
        "Bars: click-through rate by source",
        "Bars: click-through rate by placement",
    ]


def test_page_marks_inferred_figures(tmp_path: Path) -> None:
    """In the week of the first measured day, a group has figures of both bases."""
    write_effect_page(read_report(tmp_path, date(2026, 3, 11)), tmp_path / "effect.html")
    texts = " ".join(" ".join(PageParser(tmp_path / "effect.html").text).split())
    assert (
        "66 purchase lines followed a recommendation in the week from 2026-03-09 on, 77 in the week before. The newest "
        "week ends on 2026-03-12. Figures marked as inferred are of inferred impressions."
    ) in texts
    assert "figure 2026-03-02 (inferred) 2026-03-09 (inferred) 2026-03-09" in texts
    assert "purchases 77 44 22" in texts
    assert "Most purchases after a recommendation are of rank 1: 13 of 143." in texts
    assert "1 (inferred) 900" in texts
    assert "Click-through rate (inferred)" in texts


def test_page_names_week_before(report: EffectReport, tmp_path: Path) -> None:
    """The week before has no figures if nobody saw or bought a product in it."""
    first, newest = report.recommendations["week"]
    weeks = [first.model_copy(update={"group": "2026-02-23"}), newest]
    figures = {**report.recommendations, "week": weeks}
    write_effect_page(report.model_copy(update={"recommendations": figures}), tmp_path / "effect.html")
    texts = " ".join(" ".join(PageParser(tmp_path / "effect.html").text).split())
    assert "in the week from 2026-03-09 on. The newest week ends" in texts


def test_page_without_impressions(report: EffectReport, tmp_path: Path) -> None:
    """A shop whose log has no list yet."""
    file = tmp_path / "effect.html"
    empty = {"first_day": None, "last_day": None, "arms": [], "metrics": [], "days": []}
    groups = {group: [] for group in report.recommendations}
    write_effect_page(report.model_copy(update={**empty, "recommendations": groups}), file)
    page = PageParser(file)
    assert "There are no impressions yet." in page.text
    assert page.find_all("img") == []


def test_page_rejects_folder(report: EffectReport, tmp_path: Path) -> None:
    with pytest.raises(RecomartError, match=r"is a folder\. Give the path of a file with --html"):
        write_effect_page(report, tmp_path)


def test_page_without_purchases(report: EffectReport, tmp_path: Path) -> None:
    without = {
        group: [row.model_copy(update={"purchases": 0}) for row in rows]
        for group, rows in report.recommendations.items()
    }
    write_effect_page(report.model_copy(update={"recommendations": without}), tmp_path / "effect.html")
    text = " ".join(PageParser(tmp_path / "effect.html").text)
    assert "No purchase followed a recommendation." in text
    assert "Most purchases" not in text
