"""Declaration of a shop in its sources file: its feeds and its currency."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from warehouse.sources.columns import LOG_KINDS, RAW_COLUMNS, Constant, wrap_in_list
from warehouse.sources.feed_checks import check_feed
from warehouse.sources.feed_settings import PARSE_SETTINGS, FeedSettings
from warehouse.sources.log_feeds import LOG_FEEDS
from warehouse.sources.rest_api import DeclarationModel

Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
"""Code of a currency by ISO 4217, such as EUR."""

JOIN_SETTINGS = PARSE_SETTINGS - {"kind"} | {"files"}
"""Settings that the joined files of a feed can have."""


class Feed(FeedSettings):
    """One feed: a set of files of one format that are loaded into one raw table."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        check_feed(self)
        return self


def make_joined_feed(feed: dict[str, Any], join: dict[str, Any]) -> dict[str, Any]:
    """Make the declaration of the joined files of a feed, by default in the feed's format and encoding.

    Their values are typed as those of the feed, so the decimal mark is the feed's.
    """
    for name in join:
        if name not in JOIN_SETTINGS | {"by"}:
            known_names = ", ".join(sorted(JOIN_SETTINGS | {"by"}))
            raise ValueError(f"feeds.{feed['name']}.join.{name}: unknown setting. Known: {known_names}")
    inherited_names = ("kind", "decimal", *(("format",) if "format" in join else ("format", "encoding")))
    inherited = {name: feed[name] for name in inherited_names if name in feed}
    settings = {name: value for name, value in join.items() if name != "by"}
    conditions = [feed.get(name) for name in ("where", "leave_out", "is_return")]
    lists = [wrap_in_list(names) for names in (feed.get("key") or (), join.get("by") or ())]
    names = [name for group in (*conditions, *lists) for name in group or ()]
    return {
        **inherited,
        **settings,
        "name": f"{feed['name']}.join",
        "joined_to": feed["name"],
        "names_of_joining_feed": tuple(name for name in names if isinstance(name, str)),
    }


class Sources(DeclarationModel):
    """All feeds of one shop."""

    currency: Currency | None = None
    """Currency of the shop's prices. It must be given when rows name more than one currency."""

    exchange_rates: dict[Currency, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Currency: what one unit of it is worth in the shop's currency."""

    log_keep_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days after which a run erases rows of the logs of recommendations; by default they are kept forever."""

    feeds: dict[str, Feed] = Field(min_length=1)
    """The feeds by name, with the joined files of a feed as feed `NAME.join`, and with the built-in feeds."""

    @model_validator(mode="before")
    @classmethod
    def _name_feeds(cls, data: Any) -> Any:
        if data is None:
            raise ValueError("the sources file is empty. Declare `feeds`")
        if not isinstance(data, dict) or not isinstance(data.get("feeds"), dict):
            return data
        feeds: dict[Any, Any] = {}
        for name, feed in data["feeds"].items():
            if not isinstance(feed, dict):
                feeds[name] = feed
                continue
            for setting in feed:
                if setting in FeedSettings.derived_fields:
                    raise ValueError(f"feeds.{name}.{setting}: unknown setting. Remove it")
            if name in LOG_FEEDS:
                raise ValueError(
                    f"feeds.{name}: the name is that of a log that RecoMart writes. Give the feed another name"
                )
            if feed.get("kind") in LOG_KINDS:
                raise ValueError(f"feeds.{name}.kind: RecoMart writes the {feed['kind']} itself. Remove the feed")
            if str(name).endswith(".join"):
                raise ValueError(f"feeds.{name}: the ending .join is that of joined files. Give the feed another name")
            named_feed = {**({"kind": name} if name in RAW_COLUMNS else {}), **feed, "name": str(name)}
            feeds[name] = named_feed
            if isinstance(join := feed.get("join"), dict):
                feeds[f"{name}.join"] = make_joined_feed(named_feed, join)
                joined_columns = join.get("columns")
                named_feed["joined_columns"] = tuple(joined_columns) if isinstance(joined_columns, dict) else ()
                named_feed["join"] = {"by": join.get("by", ())}
        keep_days = data.get("log_keep_days")
        log_feeds = {name: {**feed, "keep_days": keep_days} for name, feed in LOG_FEEDS.items()}
        return {**data, "feeds": {**feeds, **log_feeds} if feeds else {}}

    @model_validator(mode="after")
    def _check_currencies(self) -> Self:
        if self.exchange_rates and not self.currency:
            raise ValueError("exchange_rates: without currency. Declare the currency of the shop's prices")
        if self.currency in self.exchange_rates:
            raise ValueError(f"exchange_rates.{self.currency}: it is the shop's own currency. Remove the rate")
        return self

    @model_validator(mode="after")
    def _check_joins(self) -> Self:
        for feed in self.feeds.values():
            if feed.join and not self.get_join_names(feed):
                raise ValueError(
                    f"feeds.{feed.name}.join.columns: no column is in both mappings. Map the key, such as "
                    "transaction_id, in columns and in join.columns"
                )
            if feed.join and self.feeds[f"{feed.name}.join"].files == feed.files:
                raise ValueError(f"feeds.{feed.name}.join.files: they are the feed's own files. Name the other ones")
            for name in feed.join.by if feed.join else ():
                if name in RAW_COLUMNS[feed.kind] and not (name in feed.columns and name in feed.joined_columns):
                    raise ValueError(f"feeds.{feed.name}.join.by: {name} must be in columns and in join.columns")
        return self

    @property
    def shop_feeds(self) -> dict[str, Feed]:
        """The feeds that the sources file declares, with their joined files."""
        return {name: feed for name, feed in self.feeds.items() if not feed.is_log}

    def get_join_names(self, feed: Feed) -> tuple[str, ...]:
        """Return the columns, or names in the files, by which the rows of a feed are joined with its joined files."""
        if not feed.join:
            return ()
        joined_feed = self.feeds[f"{feed.name}.join"]
        return feed.join.by or tuple(
            column
            for column in feed.columns
            if column in joined_feed.columns
            and not isinstance(feed.columns[column], Constant)
            and not isinstance(joined_feed.columns[column], Constant)
        )

    def carries_purchases(self, feed: Feed) -> bool:
        """Return whether the feed's purchase events are transactions: as declared, or if no purchases feed exists."""
        has_purchases_feed = any(shop_feed.kind == "purchases" for shop_feed in self.feeds.values())
        return feed.kind == "events" and ("purchases" in feed.carries or not has_purchases_feed)
