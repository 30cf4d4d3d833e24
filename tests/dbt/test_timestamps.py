"""Parsing of timestamps in whole files: dbt's unit tests parse each row alone."""

from datetime import datetime, timedelta

from orchestration.dbt_runner import run_dbt
from tests.three_feed_shop import EVENTS_JSONL, Shop
from warehouse.loading.loader import load

ZONED_TIMES = {
    "2026-01-05 10:00:00 America/New_York": datetime(2026, 1, 5, 15),
    "2026-01-05 10:00:00 EST": datetime(2026, 1, 5, 15),
    "2026-01-05 10:00:00 UTC+3": datetime(2026, 1, 5, 7),
    "2026-01-05T10:00:00+02:00": datetime(2026, 1, 5, 8),
}
LOCAL_TIMES = {
    "2026-01-05T10:00:00": datetime(2026, 1, 5, 10),
    "2026-01-05 10:00": datetime(2026, 1, 5, 10),
    "2026/01/05 10:00:00": datetime(2026, 1, 5, 10),
    "2026-01-05": datetime(2026, 1, 5),
}


def test_time_zone_applies_to_its_own_row(shop: Shop) -> None:
    hours_ahead = {"UTC": 0, "Europe/Berlin": 1}
    shop.declare(
        **{
            f"in_{number}": EVENTS_JSONL | {"kind": "events", "files": f"{number}/*", "time_zone": zone}
            for number, zone in enumerate(hours_ahead)
        }
    )
    texts = [text for zoned in ZONED_TIMES for text in (zoned, *LOCAL_TIMES)]
    lines = [f'{{"user": "u", "item": "p", "type": "view", "time": "{text}"}}\n' for text in texts]
    for number, _ in enumerate(hours_ahead):
        shop.put(f"{number}/a.jsonl", "".join(lines))
    load(shop.settings)

    run_dbt(shop.settings, "run", "--select", "+stg_shop__events")

    for number, hours in enumerate(hours_ahead.values()):
        expected = ZONED_TIMES | {text: at - timedelta(hours=hours) for text, at in LOCAL_TIMES.items()}
        rows = shop.query(f"select event_at from staging.stg_shop__events where _feed = 'in_{number}' order by _line")
        assert [event_at for (event_at,) in rows] == [expected[text] for text in texts]
