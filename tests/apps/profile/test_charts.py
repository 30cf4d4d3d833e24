"""Charts of the profile with texts of shops."""

import pytest

from apps.profile.charts import make_column_chart, render_svg


@pytest.mark.parametrize("label", ["under $10", "$10 to $20", r"$\frac{", "$$", "<b> & co"])
def test_labels_are_no_formulas(label: str) -> None:
    escaped = label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f">{escaped}</text>" in render_svg(make_column_chart([label], [1], "x", "y"))
