"""What each day's files hold: that day's sessions, with dirt, and what arrives from earlier days."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.dirt import (
    EVENT_SHARES,
    LATE_SHARE,
    MAX_LATE_DAYS,
    PURCHASE_SHARES,
    RETURNED_AFTER_DAYS,
    Dirt,
    plan_dirt,
    plant_dirt,
    sample_rows,
)
from warehouse.demo.sessions import DAY_MS, MAX_SESSIONS_A_DAY, Rows, SessionBlock, Traffic, draw_sessions
from warehouse.demo.world import Ints, World, build_world

# Bounds the memory: a day is drawn and written in parts of this many sessions.
MAX_PART_SESSIONS = 6_000
REPLAY_SHARE = 0.05
PILOT_SESSIONS = 4_000

WEEKDAY_WEIGHTS = (0.92, 0.9, 0.92, 0.95, 1.02, 1.18, 1.28)
"""Relative number of sessions on Monday to Sunday."""


@dataclass(frozen=True, eq=False)
class DemoShop:
    """The world and the plan of its days; the same in every process that opens it."""

    config: DemoConfig
    world: World
    session_counts: Ints
    """Sessions of each day: (days,)."""
    event_dirt_counts: dict[Dirt, Ints]
    """Clickstream rows of each kind of dirt to plant on each day: kind -> (days,)."""
    purchase_dirt_counts: dict[Dirt, Ints]
    """Purchase lines of each kind of dirt to plant on each day: kind -> (days,)."""
    repeated_file_days: frozenset[int]
    """Days whose clickstream file is delivered twice."""
    late_session_counts: Ints
    """Sessions of earlier days that arrive on each day: (days,)."""

    def count_replayed_sessions(self, day: int) -> int:
        """Number of sessions that `echo` draws."""
        return min(round(REPLAY_SHARE * int(self.session_counts[day])), MAX_PART_SESSIONS)

    def draw_replayed_sessions(self, day: int) -> Traffic:
        """The few sessions of `day` that later days redeliver or take back."""
        return draw_sessions(
            self.config, self.world, day, self.count_replayed_sessions(day), SessionBlock.REPLAYED, delivery_day=day
        )

    def draw_parts(self, day: int) -> Iterator[Traffic]:
        """Contents of the files of `day` in the order of writing, in parts of bounded size."""
        count = int(self.session_counts[day]) - self.count_replayed_sessions(day)
        parts = -(-count // MAX_PART_SESSIONS) or 1
        bounds = [count * part // parts for part in range(parts + 1)]
        for part, (first, end) in enumerate(pairwise(bounds)):
            rng = self.config.make_rng(RandomStream.DIRT, day, part)
            main = draw_sessions(
                self.config, self.world, day, end - first, SessionBlock.MAIN,
                delivery_day=day, part=part, parts=parts, first_number=first,
            )  # fmt: skip
            clicks, purchases = self._add_dirt(main, day, part, parts, rng)
            extra = [self.draw_replayed_sessions(day), *self._draw_arrivals(day, rng)] if part == 0 else []
            yield Traffic(
                _sort_by_time_of_day(np.concatenate([clicks, *(traffic.clicks for traffic in extra)]), rng),
                _sort_by_time_of_day(np.concatenate([purchases, *(traffic.purchases for traffic in extra)]), rng),
            )

    def _add_dirt(self, main: Traffic, day: int, part: int, parts: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """The part's own rows with its share of the day's dirt."""

        def count_part_dirt(planned: dict[Dirt, Ints]) -> dict[Dirt, int]:
            from_earlier = (Dirt.REDELIVERED, Dirt.RETURNED)
            return {
                kind: int(days[day]) * (part + 1) // parts - int(days[day]) * part // parts
                for kind, days in planned.items()
                if kind not in from_earlier
            }

        clicks = plant_dirt(main.clicks, np.arange(len(main.clicks)), count_part_dirt(self.event_dirt_counts), rng)
        # At most one dirty line a transaction: without their product two of its lines could look like copies.
        first_lines = np.unique(main.purchases["session"], return_index=True)[1]
        return clicks, plant_dirt(main.purchases, first_lines, count_part_dirt(self.purchase_dirt_counts), rng)

    def _draw_arrivals(self, day: int, rng: np.random.Generator) -> Iterator[Traffic]:
        """Rows of earlier days that are in the files of `day`: copies, late sessions and returns."""
        if day == 0 or not self.config.dirt:
            return
        echo = self.draw_replayed_sessions(day - 1)
        yield Traffic(
            sample_rows(echo.clicks, int(self.event_dirt_counts[Dirt.REDELIVERED][day]), Dirt.REDELIVERED, rng),
            sample_rows(echo.purchases, int(self.purchase_dirt_counts[Dirt.REDELIVERED][day]), Dirt.REDELIVERED, rng),
        )
        earlier = day - int(rng.integers(1, min(day, MAX_LATE_DAYS) + 1))
        count = min(int(self.late_session_counts[day]), MAX_PART_SESSIONS)
        late = draw_sessions(self.config, self.world, earlier, count, SessionBlock.LATE, delivery_day=day)
        late.clicks["dirt"] = Dirt.LATE
        late.purchases["dirt"] = Dirt.LATE
        yield late
        if day >= RETURNED_AFTER_DAYS:
            bought = self.draw_replayed_sessions(day - RETURNED_AFTER_DAYS).purchases
            returned = sample_rows(bought, int(self.purchase_dirt_counts[Dirt.RETURNED][day]), Dirt.RETURNED, rng)
            returned["quantity"] *= -1
            returned["time"] = day * DAY_MS + rng.integers(8 * 3_600_000, 20 * 3_600_000, len(returned))
            yield Traffic(late.clicks[:0], returned)


@lru_cache(maxsize=1)
def open_shop(config: DemoConfig) -> DemoShop:
    """The shop of `config`, built once in each process."""
    world = build_world(config)
    rng = config.make_rng(RandomStream.PLAN)
    weekday = config.start_date.weekday()
    weight = np.array(
        [
            WEEKDAY_WEIGHTS[(weekday + day) % 7] * world.cumulative_activity[world.count_users(day) - 1]
            for day in range(config.days)
        ]
    )
    last = config.days - 1
    pilot = draw_sessions(config, world, last, PILOT_SESSIONS, SessionBlock.PILOT, delivery_day=last)
    events_per_session = len(pilot.clicks) / PILOT_SESSIONS
    lines_per_session = len(pilot.purchases) / PILOT_SESSIONS
    sessions = np.minimum(
        rng.poisson(config.events / events_per_session * weight / weight.sum()), MAX_SESSIONS_A_DAY - 1
    )
    repeats = max(2, round(2 * config.dirt * config.days)) if config.dirt else 0
    return DemoShop(
        config=config,
        world=world,
        session_counts=sessions,
        event_dirt_counts=plan_dirt(EVENT_SHARES, config.dirt, sessions * events_per_session, rng),
        purchase_dirt_counts=plan_dirt(PURCHASE_SHARES, config.dirt, sessions * lines_per_session, rng),
        late_session_counts=plan_dirt({Dirt.LATE: LATE_SHARE}, config.dirt, sessions, rng)[Dirt.LATE],
        repeated_file_days=frozenset(rng.choice(config.days, min(repeats, config.days), replace=False).tolist()),
    )


def _sort_by_time_of_day(rows: Rows, rng: np.random.Generator) -> Rows:
    """Rows of several days shuffled together as one day's file has them; a copy comes up to an hour after its row."""
    delay = np.where(rows["dirt"] == Dirt.REPEATED, rng.integers(0, 3_600_000, len(rows)), 0)
    return rows[np.argsort(rows["time"] % DAY_MS + delay, kind="stable")]
