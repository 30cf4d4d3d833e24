"""The demo shop: a seeded generator of realistic landing files, and of the ground truth behind them."""

from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary, generate_shop
from warehouse.demo.next_day import NextDaySummary, find_next_day, generate_next_day
from warehouse.demo.outcomes import compute_true_metrics
from warehouse.demo.reactions import LiveList

__all__ = [
    "DemoConfig",
    "DemoSummary",
    "LiveList",
    "NextDaySummary",
    "compute_true_metrics",
    "find_next_day",
    "generate_next_day",
    "generate_shop",
]
