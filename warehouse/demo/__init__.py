"""The demo shop: a seeded generator of realistic landing files, and of the ground truth behind them."""

from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary, generate_shop

__all__ = ["DemoConfig", "DemoSummary", "generate_shop"]
