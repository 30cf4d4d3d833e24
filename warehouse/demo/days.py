"""Content of each day's files: the sessions of the day with dirt, and late or repeated rows of earlier days."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.dirt import (
    EVENT_SHARES,
    FIRST_POSSIBLE_DAY,
    LATE_SHARE,
    MAX_LATE_DAYS,
    PURCHASE_SHARES,
    RETURNED_AFTER_DAYS,
    Dirt,
    plan_dirt,
    plant_dirt,
    sample_rows,
)
from warehouse.demo.further_world import extend_world
from warehouse.demo.reactions import DayLists, Reaction, draw_reactions, merge_reactions
from warehouse.demo.sessions import DAY_MS, MAX_SESSIONS_A_DAY, Rows, SessionBlock, Traffic, draw_sessions
from warehouse.demo.world import CATALOG_EVERY_DAYS, Ints, World, build_world

# A day is drawn and written in parts of this many sessions, which limits the memory.
MAX_PART_SESSIONS = 6_000
REPLAY_SHARE = 0.05
PILOT_SESSIONS = 4_000

WEEKDAY_WEIGHTS = (0.92, 0.9, 0.92, 0.95, 1.02, 1.18, 1.28)
"""Relative number of sessions on Monday to Sunday."""


@dataclass(frozen=True, eq=False)
class DayPart:
    """Rows of a part of a day's files."""

    organic: Traffic
    """The rows of a shop without recommendations."""
    written: Traffic
    """The rows of the files: the organic ones and those of the shown lists."""
    reactions: dict[str, Reaction]
    """By name of the potential lists of `DayLists`."""
    impressions: Rows
    """What the sessions showed."""


@dataclass(frozen=True, eq=False)
class DemoShop:
    """The world and the plan of its days; equal in every process that opens the same configuration."""

    config: DemoConfig
    world: World
    session_counts: Ints
    """Sessions of each day: (days,)."""
    event_dirt_counts: dict[Dirt, Ints]
    """Clickstream rows with each kind of dirt on each day: kind -> (days,)."""
    purchase_dirt_counts: dict[Dirt, Ints]
    """Purchase lines with each kind of dirt on each day: kind -> (days,)."""
    repeated_file_days: frozenset[int]
    """Days whose clickstream file is delivered twice."""
    late_session_counts: Ints
    """Sessions of earlier days that arrive on each day: (days,)."""
    events_per_session: float
    lines_per_session: float
    sessions_per_weight: float
    """Expected sessions of a day, divided by the weight of the day."""

    def count_replayed_sessions(self, day: int) -> int:
        """Count the sessions that `draw_replayed_sessions` draws."""
        return min(round(REPLAY_SHARE * int(self.session_counts[day])), MAX_PART_SESSIONS)

    def draw_replayed_sessions(self, day: int) -> Traffic:
        """Draw the few sessions of a day whose rows are repeated or returned on later days."""
        return draw_sessions(
            self.config, self.world, day, self.count_replayed_sessions(day), SessionBlock.REPLAYED, delivery_day=day
        )

    def draw_parts(self, day: int, lists: DayLists | None = None) -> Iterator[DayPart]:
        """Yield the content of a day's files in parts of bounded size.

        The lists add rows and change no other: all other random numbers are those of a shop without lists.
        """
        count = int(self.session_counts[day]) - self.count_replayed_sessions(day)
        parts = -(-count // MAX_PART_SESSIONS) or 1
        bounds = [count * part // parts for part in range(parts + 1)]
        for part, (first, end) in enumerate(pairwise(bounds)):
            rng = self.config.make_rng(RandomStream.DIRT, day, part)
            main = draw_sessions(
                self.config, self.world, day, end - first, SessionBlock.MAIN,
                delivery_day=day, part=part, parts=parts, first_number=first,
            )  # fmt: skip
            sessions_with_lists = {SessionBlock.MAIN: main}
            clicks, purchases = self._add_dirt(main, day, part, parts, rng)
            extra: list[Traffic] = []
            if part == 0:
                sessions_with_lists[SessionBlock.REPLAYED] = self.draw_replayed_sessions(day)
                extra = [sessions_with_lists[SessionBlock.REPLAYED], *self._draw_arrivals(day, rng)]
            shown, reactions = merge_reactions(
                draw_reactions(self.config, self.world, day, block, part, traffic, lists)
                for block, traffic in sessions_with_lists.items()
            )
            organic = Traffic(
                np.concatenate([clicks, *(traffic.clicks for traffic in extra)]),
                np.concatenate([purchases, *(traffic.purchases for traffic in extra)]),
            )
            written = Traffic(
                _sort_by_time_of_day(organic.clicks, shown.clicks, rng),
                _sort_by_time_of_day(organic.purchases, shown.purchases, rng),
            )
            yield DayPart(organic, written, reactions, shown.impressions)

    def _add_dirt(self, main: Traffic, day: int, part: int, parts: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Add the part's share of the day's dirt to its rows."""

        def count_part_dirt(dirt_counts: dict[Dirt, Ints]) -> dict[Dirt, int]:
            kinds_from_earlier_days = (Dirt.REDELIVERED, Dirt.RETURNED)
            return {
                kind: int(day_counts[day]) * (part + 1) // parts - int(day_counts[day]) * part // parts
                for kind, day_counts in dirt_counts.items()
                if kind not in kinds_from_earlier_days
            }

        clicks = plant_dirt(main.clicks, np.arange(len(main.clicks)), count_part_dirt(self.event_dirt_counts), rng)
        # At most one line of a transaction is dirty: two lines without a product would look like duplicates.
        first_lines = np.unique(main.purchases["session"], return_index=True)[1]
        return clicks, plant_dirt(main.purchases, first_lines, count_part_dirt(self.purchase_dirt_counts), rng)

    def _draw_arrivals(self, day: int, rng: np.random.Generator) -> Iterator[Traffic]:
        """Draw the rows of earlier days in a day's files: copies, late sessions and returns."""
        if day == 0 or not self.config.dirt:
            return
        replayed_traffic = self.draw_replayed_sessions(day - 1)
        event_count, purchase_count = (
            int(counts[Dirt.REDELIVERED][day]) for counts in (self.event_dirt_counts, self.purchase_dirt_counts)
        )
        yield Traffic(
            sample_rows(replayed_traffic.clicks, event_count, Dirt.REDELIVERED, rng),
            sample_rows(replayed_traffic.purchases, purchase_count, Dirt.REDELIVERED, rng),
        )
        earlier_day = day - int(rng.integers(1, min(day, MAX_LATE_DAYS) + 1))
        count = min(int(self.late_session_counts[day]), MAX_PART_SESSIONS)
        late_traffic = draw_sessions(self.config, self.world, earlier_day, count, SessionBlock.LATE, delivery_day=day)
        late_traffic.clicks["dirt"] = Dirt.LATE
        late_traffic.purchases["dirt"] = Dirt.LATE
        yield late_traffic
        if day >= RETURNED_AFTER_DAYS:
            purchase_lines = self.draw_replayed_sessions(day - RETURNED_AFTER_DAYS).purchases
            return_lines = sample_rows(
                purchase_lines, int(self.purchase_dirt_counts[Dirt.RETURNED][day]), Dirt.RETURNED, rng
            )
            return_lines["quantity"] *= -1
            return_lines["time"] = day * DAY_MS + rng.integers(8 * 3_600_000, 20 * 3_600_000, len(return_lines))
            yield Traffic(late_traffic.clicks[:0], return_lines)


@lru_cache(maxsize=1)
def open_shop(config: DemoConfig) -> DemoShop:
    """Build the shop of a configuration, once in each process."""
    world = build_world(config)
    rng = config.make_rng(RandomStream.PLAN)
    weight = np.array([_compute_day_weight(config, world, day) for day in range(config.days)])
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
        events_per_session=events_per_session,
        lines_per_session=lines_per_session,
        sessions_per_weight=config.events / events_per_session / weight.sum(),
    )


def open_extended_shop(config: DemoConfig, day: int) -> DemoShop:
    """Build the shop with the days after the configured ones, at least until a day; its first days are the same."""
    return _extend_shop(config, day // CATALOG_EVERY_DAYS + 1)


@lru_cache(maxsize=1)
def _extend_shop(config: DemoConfig, periods: int) -> DemoShop:
    """Add days to the shop of a configuration until it has these catalog periods; each day has its own numbers."""
    shop = open_shop(config)
    world = extend_world(config, shop.world, periods)
    event_dirt: dict[Dirt, list[int]] = {kind: [] for kind in EVENT_SHARES}
    purchase_dirt: dict[Dirt, list[int]] = {kind: [] for kind in PURCHASE_SHARES}
    session_counts, late_counts, repeated_days = [], [], set(shop.repeated_file_days)
    for day in range(config.days, world.count_days()):
        rng = config.make_rng(RandomStream.FURTHER_DAY, day)
        sessions = min(
            int(rng.poisson(shop.sessions_per_weight * _compute_day_weight(config, world, day))), MAX_SESSIONS_A_DAY - 1
        )
        session_counts.append(sessions)
        late_counts.append(int(rng.poisson(LATE_SHARE * config.dirt * sessions)))
        if rng.random() < 2 * config.dirt:
            repeated_days.add(day)
        for counts, shares, rows in (
            (event_dirt, EVENT_SHARES, sessions * shop.events_per_session),
            (purchase_dirt, PURCHASE_SHARES, sessions * shop.lines_per_session),
        ):
            for kind, share in shares.items():
                is_possible = day >= FIRST_POSSIBLE_DAY.get(kind, 0)
                counts[kind].append(int(rng.poisson(share * config.dirt * rows)) * is_possible)

    def append(counts: Ints, further_counts: list[int]) -> Ints:
        return np.concatenate([counts, np.array(further_counts, counts.dtype)])

    return replace(
        shop,
        world=world,
        session_counts=append(shop.session_counts, session_counts),
        event_dirt_counts={kind: append(shop.event_dirt_counts[kind], counts) for kind, counts in event_dirt.items()},
        purchase_dirt_counts={
            kind: append(shop.purchase_dirt_counts[kind], counts) for kind, counts in purchase_dirt.items()
        },
        late_session_counts=append(shop.late_session_counts, late_counts),
        repeated_file_days=frozenset(repeated_days),
    )


def _compute_day_weight(config: DemoConfig, world: World, day: int) -> float:
    """Compute the relative number of sessions of a day, from its weekday and its customers."""
    weekday = (config.start_date.weekday() + day) % 7
    return float(WEEKDAY_WEIGHTS[weekday] * world.cumulative_activity[world.count_users(day) - 1])


def _sort_by_time_of_day(rows: Rows, reactions: Rows, rng: np.random.Generator) -> Rows:
    """Sort rows of several days by time of day, as in one day's file; a repeat comes up to one hour after its row."""
    delay = np.where(rows["dirt"] == Dirt.REPEATED, rng.integers(0, 3_600_000, len(rows)), 0)
    keys = np.concatenate([rows["time"] % DAY_MS + delay, reactions["time"] % DAY_MS])
    return np.concatenate([rows, reactions])[np.argsort(keys, kind="stable")]
