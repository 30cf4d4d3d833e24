"""The demo shop: a seeded generator of believable landing files, with a record of the truth behind them."""

from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary, generate_shop

__all__ = ["DemoConfig", "DemoSummary", "generate_shop"]
