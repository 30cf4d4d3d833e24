"""Charts of the profile with texts of shops."""

from xml.etree import ElementTree

import pytest

from apps.profile.charts import make_column_chart, render_svg
from warehouse.formatting import UNPRINTABLE_PATTERN


@pytest.mark.parametrize("label", ["under $10", "$10 to $20", r"$\frac{", "$$", "<b> & co"])
def test_labels_are_no_formulas(label: str) -> None:
    escaped = label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f">{escaped}</text>" in render_svg(make_column_chart([label], [1], "x", "y"))


@pytest.mark.parametrize("label", ["a\x0bb", "\x1b[31mred", "\x9b", "\u202egpj.exe", "\x00"])
def test_pictures_have_no_control_characters(label: str) -> None:
    """XML cannot have most of them: a browser does not show such a picture."""
    picture = render_svg(make_column_chart([label], [1], label, "y"))
    assert not UNPRINTABLE_PATTERN.search(picture.replace("\n", ""))
    assert ElementTree.fromstring(picture).tag.endswith("svg")
