"""What each day's files hold: that day's sessions, with dirt, and what arrives from earlier days."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from warehouse.demo.config import DemoConfig, Stream
from warehouse.demo.dirt import (
    EVENT_SHARES,
    LATE_BY_DAYS,
    LATE_SHARE,
    PURCHASE_SHARES,
    RETURNED_AFTER_DAYS,
    Dirt,
    plan_dirt,
    plant,
    some,
)
from warehouse.demo.sessions import DAY_MS, MAX_SESSIONS_A_DAY, Block, Rows, Traffic, draw_sessions
from warehouse.demo.world import Ints, World, build_world

# Bounds the memory: a day is drawn and written in parts of this many sessions.
PART_SESSIONS = 6_000
ECHO_SHARE = 0.05
PILOT_SESSIONS = 4_000

WEEKLY = (0.92, 0.9, 0.92, 0.95, 1.02, 1.18, 1.28)
"""Relative number of sessions on Monday to Sunday."""


@dataclass(frozen=True, eq=False)
class Shop:
    """The world and the plan of its days; the same in every process that opens it."""

    config: DemoConfig
    world: World
    sessions: Ints
    """Sessions of each day: (days,)."""
    event_dirt: dict[Dirt, Ints]
    """Clickstream rows of each kind of dirt to plant on each day: kind -> (days,)."""
    purchase_dirt: dict[Dirt, Ints]
    """Purchase lines of each kind of dirt to plant on each day: kind -> (days,)."""
    repeated_files: frozenset[int]
    """Days whose clickstream file is delivered twice."""
    late_sessions: Ints
    """Sessions of earlier days that arrive on each day: (days,)."""

    def echoes(self, day: int) -> int:
        """Number of sessions that `echo` draws."""
        return min(round(ECHO_SHARE * int(self.sessions[day])), PART_SESSIONS)

    def echo(self, day: int) -> Traffic:
        """The few sessions of `day` that later days redeliver or take back."""
        return draw_sessions(self.config, self.world, day, self.echoes(day), Block.ECHO, told_on=day)

    def parts(self, day: int) -> Iterator[Traffic]:
        """Contents of the files of `day` in the order of writing, in parts of bounded size."""
        count = int(self.sessions[day]) - self.echoes(day)
        parts = -(-count // PART_SESSIONS) or 1
        bounds = [count * part // parts for part in range(parts + 1)]
        for part, (first, end) in enumerate(pairwise(bounds)):
            rng = self.config.rng(Stream.DIRT, day, part)
            main = draw_sessions(
                self.config, self.world, day, end - first, Block.MAIN,
                told_on=day, part=part, parts=parts, first=first,
            )  # fmt: skip
            clicks, purchases = self._soiled(main, day, part, parts, rng)
            extra = [self.echo(day), *self._arrivals(day, rng)] if part == 0 else []
            yield Traffic(
                _by_time_of_day(np.concatenate([clicks, *(traffic.clicks for traffic in extra)]), rng),
                _by_time_of_day(np.concatenate([purchases, *(traffic.purchases for traffic in extra)]), rng),
            )

    def _soiled(self, main: Traffic, day: int, part: int, parts: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """The part's own rows with its share of the day's dirt."""

        def counts(planned: dict[Dirt, Ints]) -> dict[Dirt, int]:
            from_earlier = (Dirt.REDELIVERED, Dirt.RETURNED)
            return {
                kind: int(days[day]) * (part + 1) // parts - int(days[day]) * part // parts
                for kind, days in planned.items()
                if kind not in from_earlier
            }

        clicks = plant(main.clicks, np.arange(len(main.clicks)), counts(self.event_dirt), rng)
        # At most one dirty line a transaction: without their product two of its lines could look like copies.
        first_lines = np.unique(main.purchases["session"], return_index=True)[1]
        return clicks, plant(main.purchases, first_lines, counts(self.purchase_dirt), rng)

    def _arrivals(self, day: int, rng: np.random.Generator) -> Iterator[Traffic]:
        """Rows of earlier days that are in the files of `day`: copies, late sessions and returns."""
        if day == 0 or not self.config.dirt:
            return
        echo = self.echo(day - 1)
        yield Traffic(
            some(echo.clicks, int(self.event_dirt[Dirt.REDELIVERED][day]), Dirt.REDELIVERED, rng),
            some(echo.purchases, int(self.purchase_dirt[Dirt.REDELIVERED][day]), Dirt.REDELIVERED, rng),
        )
        earlier = day - int(rng.integers(1, min(day, LATE_BY_DAYS) + 1))
        count = min(int(self.late_sessions[day]), PART_SESSIONS)
        late = draw_sessions(self.config, self.world, earlier, count, Block.LATE, told_on=day)
        late.clicks["dirt"] = Dirt.LATE
        late.purchases["dirt"] = Dirt.LATE
        yield late
        if day >= RETURNED_AFTER_DAYS:
            bought = self.echo(day - RETURNED_AFTER_DAYS).purchases
            returned = some(bought, int(self.purchase_dirt[Dirt.RETURNED][day]), Dirt.RETURNED, rng)
            returned["quantity"] *= -1
            returned["time"] = day * DAY_MS + rng.integers(8 * 3_600_000, 20 * 3_600_000, len(returned))
            yield Traffic(late.clicks[:0], returned)


@lru_cache(maxsize=1)
def open_shop(config: DemoConfig) -> Shop:
    """The shop of `config`, built once in each process."""
    world = build_world(config)
    rng = config.rng(Stream.PLAN)
    weekday = config.start_date.weekday()
    weight = np.array(
        [WEEKLY[(weekday + day) % 7] * world.activity[world.users_on(day) - 1] for day in range(config.days)]
    )
    last = config.days - 1
    pilot = draw_sessions(config, world, last, PILOT_SESSIONS, Block.PILOT, told_on=last)
    events_per_session = len(pilot.clicks) / PILOT_SESSIONS
    lines_per_session = len(pilot.purchases) / PILOT_SESSIONS
    sessions = np.minimum(
        rng.poisson(config.events / events_per_session * weight / weight.sum()), MAX_SESSIONS_A_DAY - 1
    )
    repeats = max(2, round(2 * config.dirt * config.days)) if config.dirt else 0
    return Shop(
        config=config,
        world=world,
        sessions=sessions,
        event_dirt=plan_dirt(EVENT_SHARES, config.dirt, sessions * events_per_session, rng),
        purchase_dirt=plan_dirt(PURCHASE_SHARES, config.dirt, sessions * lines_per_session, rng),
        late_sessions=plan_dirt({Dirt.LATE: LATE_SHARE}, config.dirt, sessions, rng)[Dirt.LATE],
        repeated_files=frozenset(rng.choice(config.days, min(repeats, config.days), replace=False).tolist()),
    )


def _by_time_of_day(rows: Rows, rng: np.random.Generator) -> Rows:
    """Rows of several days shuffled together as one day's file has them; a copy comes up to an hour after its row."""
    delay = np.where(rows["dirt"] == Dirt.REPEATED, rng.integers(0, 3_600_000, len(rows)), 0)
    return rows[np.argsort(rows["time"] % DAY_MS + delay, kind="stable")]
