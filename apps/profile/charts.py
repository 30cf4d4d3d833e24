"""Charts in one style, bars as SVG with real text, which the browser renders."""

import io
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from apps.profile.number_format import format_percent, format_short
from warehouse.formatting import make_lines_printable

MAIN_COLOR, SECOND_COLOR, THIRD_COLOR, MUTED_COLOR, TEXT_COLOR = "#0f766e", "#d97706", "#7c3aed", "#94a3b8", "#1f2a2a"
"""Colours of the merchandiser app."""

WIDTH, HEIGHT = 4.8, 2.7
"""Inches; a phone shows a chart at three quarters of this size, at which text of nine points is still readable."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recomart",
    "font.size": 9,
    "text.color": TEXT_COLOR,
    "axes.edgecolor": "#c6d0cd",
    "axes.labelcolor": TEXT_COLOR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e6ebe9",
    "xtick.color": "#51605d",
    "ytick.color": "#51605d",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
    # Categories can have dollar signs, which begin formulas.
    "text.parse_math": False,
}

FONT_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"
"""Matplotlib measures the space for texts with DejaVu Sans, the widest of these fonts."""

ChartDrawer = Callable[[Axes], None]
"""A function that draws a chart on the axes."""


def render_svg(draw: ChartDrawer, height: float = HEIGHT) -> str:
    """Return the SVG of a chart; the same data give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # XML cannot have control characters.
    return make_lines_printable(text.getvalue()).replace("'DejaVu Sans'", FONT_FAMILY)


def compute_chart_height(bar_count: int) -> float:
    """Return the height of a horizontal bar chart."""
    return 0.85 + 0.26 * bar_count


def make_column_chart(labels: Sequence[str], values: Sequence[float], xlabel: str, ylabel: str) -> ChartDrawer:
    """Return a chart of vertical bars; with many bars only every nth bar is labelled."""

    def draw(axes: Axes) -> None:
        axes.bar(range(len(values)), values, color=MAIN_COLOR, width=0.86)
        label_interval = 1 + len(labels) // 9
        axes.set_xticks(range(0, len(labels), label_interval), labels[::label_interval])
        axes.set_xlim(-0.6, max(6, len(labels)) - 0.4)
        axes.tick_params(axis="x", length=0)
        _format_count_axis(axes, "y")
        axes.set(xlabel=xlabel, ylabel=ylabel)

    return draw


def make_bar_chart(
    labels: Sequence[str], series: dict[str, Sequence[float]], *, is_share: bool, is_stacked: bool = False
) -> ChartDrawer:
    """Return a chart of horizontal bars, the first on top; several series are grouped or stacked."""

    def draw(axes: Axes) -> None:
        positions = np.arange(len(labels), dtype=float)
        bar_height = 0.8 if is_stacked else 0.8 / len(series)
        start = np.zeros(len(labels))
        for number, ((name, values), color) in enumerate(
            zip(series.items(), (MAIN_COLOR, SECOND_COLOR, THIRD_COLOR), strict=False)
        ):
            offset = 0.0 if is_stacked else (number - (len(series) - 1) / 2) * bar_height
            bars = axes.barh(positions + offset, values, bar_height, start, color=color, label=name)
            if is_stacked:
                start = start + np.asarray(values)
            elif len(series) == 1:
                axes.bar_label(
                    bars, [format_percent(value) if is_share else format_short(value) for value in values], padding=3
                )
                axes.margins(x=0.14)
        axes.set_yticks(positions, [label if len(label) <= 26 else f"{label[:25]}…" for label in labels])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        _format_share_axis(axes) if is_share else _format_count_axis(axes, "x")
        if len(series) > 1:
            axes.figure.legend(loc="outside upper center", ncols=len(series))

    return draw


def make_heatmap(
    values: npt.NDArray[np.float64],
    xlabels: Sequence[str],
    ylabels: Sequence[str],
    xlabel: str,
    *,
    is_share: bool = False,
) -> ChartDrawer:
    """Return a heatmap with empty cells for NaN; in a small heatmap of shares each cell shows its value."""

    def draw(axes: Axes) -> None:
        color_map = LinearSegmentedColormap.from_list("recomart", ["#eef5f4", MAIN_COLOR])
        max_value = float(np.nanmax(values)) or 1.0
        axes.pcolormesh(values, cmap=color_map, vmin=0, vmax=max_value, edgecolors="white", linewidth=0.6)
        axes.invert_yaxis()
        for set_ticks, labels in ((axes.set_xticks, xlabels), (axes.set_yticks, ylabels)):
            label_interval = 1 + len(labels) // 13
            set_ticks(np.arange(0, len(labels), label_interval) + 0.5, labels[::label_interval])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(xlabel)
        if is_share and values.shape[1] <= 10 and values.shape[0] <= 12:
            text_style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
            for (row, column), value in np.ndenumerate(values):
                if np.isfinite(value):
                    color = "white" if value > 0.55 * max_value else TEXT_COLOR
                    axes.text(column + 0.5, row + 0.5, f"{value:.0%}", color=color, **text_style)

    return draw


def make_lorenz_chart(products: Sequence[float], actions: Sequence[float], half: float) -> ChartDrawer:
    """Return a Lorenz curve, the line of equality, and a mark at the products with half of the actions."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED_COLOR, linewidth=1, linestyle="--")
        axes.fill_between(products, actions, products, color=MAIN_COLOR, alpha=0.12, linewidth=0)
        axes.plot(products, actions, color=MAIN_COLOR, linewidth=2)
        axes.plot([half, half, 0], [0, 0.5, 0.5], color=SECOND_COLOR, linewidth=1, linestyle=":")
        note = f"{format_percent(half)} of products, half of actions"
        axes.annotate(note, (half, 0.5), (6, -12), textcoords="offset points")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of products, most popular first", ylabel="share of actions")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1))

    return draw


def make_day_chart(frame: pd.DataFrame, windows: Sequence[tuple[str, pd.Timestamp, pd.Timestamp]]) -> ChartDrawer:
    """Return a line for each column of `frame`, which has one row per day, over shaded time windows."""

    def draw(axes: Axes) -> None:
        for (name, start, end), color in zip(windows, (SECOND_COLOR, THIRD_COLOR), strict=False):
            axes.axvspan(_convert_dates(start), _convert_dates(end), color=color, alpha=0.13, linewidth=0, label=name)
        # The value of a day, including the last one, lasts until the next midnight.
        midnights = _convert_dates(pd.date_range(frame.index[0], periods=len(frame) + 1).to_numpy())
        for column, color in zip(frame, (MAIN_COLOR, SECOND_COLOR), strict=False):
            values = frame[column].to_numpy()
            width = 1.2 if len(frame) < 120 else 0.7
            axes.plot(
                midnights, [*values, values[-1]], color=color, lw=width, drawstyle="steps-post", label=str(column)
            )
        locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_ylim(bottom=0)
        _format_count_axis(axes, "y")
        axes.figure.legend(loc="outside upper center", ncols=4)

    return draw


def make_interval_chart(
    labels: Sequence[str], values: Sequence[float], lows: Sequence[float], highs: Sequence[float], xlabel: str
) -> ChartDrawer:
    """Return a chart of shares as points with their intervals, the first on top, beside a line at 0."""

    def draw(axes: Axes) -> None:
        positions = np.arange(len(labels), dtype=float)
        axes.axvline(0, color=MUTED_COLOR, linewidth=1, linestyle="--")
        axes.hlines(positions, lows, highs, color=MAIN_COLOR, linewidth=2)
        axes.plot(values, positions, "o", color=MAIN_COLOR, markersize=5)
        axes.set_yticks(positions, labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(xlabel)
        _format_share_axis(axes)

    return draw


def make_band_chart(
    days: Sequence[date], values: Sequence[float], lows: Sequence[float], highs: Sequence[float], ylabel: str
) -> ChartDrawer:
    """Return a line over days within the band of its intervals, beside a line at 0."""

    def draw(axes: Axes) -> None:
        dates = _convert_dates(days)
        axes.axhline(0, color=MUTED_COLOR, linewidth=1, linestyle="--")
        axes.fill_between(dates, lows, highs, color=MAIN_COLOR, alpha=0.15, linewidth=0)
        # A line with a single day is invisible without dots.
        axes.plot(dates, values, color=MAIN_COLOR, linewidth=2, marker="o", markersize=3)
        locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_ylabel(ylabel)
        axes.grid(axis="y")

    return draw


def _convert_dates(times: Any) -> Any:
    """Return times as numbers on a date axis."""
    return date2num(times)  # type: ignore[no-untyped-call]


def _format_count_axis(axes: Axes, axis: Literal["x", "y"]) -> None:
    count_axis = axes.yaxis if axis == "y" else axes.xaxis
    count_axis.set_major_formatter(FuncFormatter(lambda value, _: format_short(value)))
    count_axis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis=axis)


def _format_share_axis(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x")
