"""A generated grocer: customers buy their staples at their own cadence, and try new products of their taste."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import yaml

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 140
AISLES = 8
PRODUCTS = 200

SOURCES = {
    "feeds": {
        "purchases": {
            "files": "*.csv",
            "format": "csv",
            "columns": {
                "transaction_id": "receipt",
                "user_id": "card",
                "product_id": "article",
                "purchased_at": "time",
                "quantity": "pieces",
                "price": "price",
            },
        }
    }
}


def write_grocer(folder: Path, customers: int = 300, seed: int = 5) -> list[str | Path]:
    """Write the purchases and the sources file; return the options of `recomart` that name them and a warehouse.

    A staple has a cadence of 4 to 25 days, with a jitter of a fifth, for a part of the time. Trials of other products
    of the customer's two aisles are bought once.
    """
    rng = np.random.default_rng(seed)
    popularity = rng.dirichlet(np.full(PRODUCTS // AISLES, 0.7), AISLES)
    lines = ["receipt,card,article,time,pieces,price"]
    for customer in range(customers):
        purchases: list[tuple[float, int]] = []
        aisles = rng.choice(AISLES, 2, replace=False)

        def draw_products(count: int, aisles: tuple[int, ...] = tuple(aisles)) -> list[int]:
            return [
                int(aisle + AISLES * rng.choice(PRODUCTS // AISLES, p=popularity[aisle]))
                for aisle in rng.choice(aisles, count)
            ]

        joined = rng.uniform(0, DAYS / 2)
        for product in set(draw_products(8)):
            cadence = rng.uniform(4, 25)
            day, end = joined + rng.uniform(0, 40), joined + rng.uniform(60, 200)
            while day < min(end, DAYS):
                purchases.append((day, product))
                day += cadence * rng.normal(1, 0.2)
        purchases += [(rng.uniform(joined, DAYS), product) for product in draw_products(10)]
        for day, product in purchases:
            time = START + timedelta(days=day)
            lines.append(f"{customer}-{day:.0f},c{customer},a{product},{time:%Y-%m-%dT%H:%M:%SZ},1,2.50")
    landing = folder / "landing"
    landing.mkdir()
    (landing / "purchases.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sources = folder / "sources.yml"
    sources.write_text(yaml.safe_dump(SOURCES), encoding="utf-8")
    return ["--sources", sources, "--landing", landing, "--warehouse", folder / "warehouse"]
