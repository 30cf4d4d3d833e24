"""The tables of the demo shop by one polars script: no tests, no ledger, no rejected lines kept, no increments."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars import col

from orchestration.bench.contenders import WEIGHTS
from warehouse.settings import Settings

EVENT_TYPES = {"view": "view", "click": "click", "add-to-cart": "add_to_cart"}
COUNTED = ("view", "click", "add_to_cart", "remove_from_cart", "purchase", "return")
EVENT_FIELDS = ("user_id", "product_id", "event_type", "timestamp", "device", "session_id", "app_version")
PURCHASE_FIELDS = ("transaction_id", "user_id", "product_id", "quantity", "price", "timestamp")
FACTS = ("product_name", "category", "brand", "price", "popularity_score", "is_available")
DAY_SECONDS = 86_400


class Instant(NamedTuple):
    """An instant that features are computed as of."""

    cutoff: str
    as_of: datetime
    window_end_at: datetime | None

    @property
    def names(self) -> list[pl.Expr]:
        """The columns that name it."""
        return [pl.lit(self.cutoff).alias("cutoff"), pl.lit(self.as_of).alias("as_of")]

    def first_day(self, length: int) -> pl.Expr:
        """First of the last `length` days."""
        return pl.lit((self.as_of - timedelta(seconds=1)).date() - timedelta(days=length - 1))


def run(settings: Settings) -> Iterator[str]:
    """Write the tables as Parquet files to the warehouse folder."""
    landing, out = settings.landing_dir, settings.warehouse

    def save(table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
        frame.sink_parquet(out / f"{table}.parquet")
        return pl.scan_parquet(out / f"{table}.parquet")

    catalog = read_catalog(landing)
    save("quarantine_products", catalog.filter(col("reasons").is_not_null()).drop("effective_at"))
    catalog = catalog.filter(col("reasons").is_null())
    products = catalog.select(col("product_id").unique()).collect().to_series()
    events = read_events(landing, products).collect(engine="streaming").lazy()
    save("quarantine_events", events.filter(col("reasons").is_not_null()).drop("app_version", "event_date"))
    events = save("fct_events", events.filter(col("reasons").is_null()).drop("reasons", "app_version"))
    purchases = read_purchases(landing, products).collect().lazy()
    save("quarantine_purchases", purchases.filter(col("reasons").is_not_null()))
    transactions = save("fct_transactions", as_transactions(purchases.filter(col("reasons").is_null())))
    yield "read"

    actions = weighted_actions(events, transactions, pl.scan_csv(WEIGHTS))
    cutoffs = as_of_spine(actions)
    interactions = save(
        "feat_user_product_interactions", at_each(cutoffs, lambda at: user_product_interactions(actions, at))
    )
    user_days = days_of_users(actions).collect(engine="streaming").lazy()
    save("feat_user_activity", at_each(cutoffs, lambda at: user_activity(user_days, at)))
    product_days = days_of_products(actions).collect(engine="streaming").lazy()
    popularity = save(
        "feat_product_popularity", at_each(cutoffs, lambda at: product_popularity(product_days, interactions, at))
    )
    save("feat_product_pairs", at_each(cutoffs, lambda at: product_pairs(transactions, at)))
    yield "features"

    history = save("dim_product_history", product_history(catalog))
    dim_products = save("dim_products", current_products(history, popularity))
    features = save(
        "ml_product_features", at_each(cutoffs, lambda at: product_features(dim_products, history, popularity, at))
    )
    likings = {
        fact: save(f"feat_user_{fact}_affinity", affinity(interactions, features, fact))
        for fact in ("category", "brand")
    }
    save("dim_users", users(user_days, likings))
    save("ml_evaluation_pairs", at_each(cutoffs[:2], lambda at: evaluation_pairs(actions, interactions, features, at)))
    yield "products and customers"


def at_each(cutoffs: list[Instant], make: Callable[[Instant], pl.LazyFrame]) -> pl.LazyFrame:
    """The rows that `make` gives for each instant, one instant after the other."""
    return pl.concat([make(instant) for instant in cutoffs])


def reasons(**rules: pl.Expr) -> pl.Expr:
    """Names of the broken rules joined by ';', null where there is none."""
    names = [pl.when(is_broken).then(pl.lit(name)) for name, is_broken in rules.items()]
    return pl.when(pl.any_horizontal(*rules.values())).then(pl.concat_str(names, separator=";", ignore_nulls=True))


def text(name: str) -> pl.Expr:
    """A text column without blanks around it; null when nothing is left."""
    stripped = col(name).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(name)


def instant(name: str) -> pl.Expr:
    """A text column as an instant; null when it is none."""
    return col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)


def share(part: str | pl.Expr, whole: str | pl.Expr) -> pl.Expr:
    """One number as a share of another; null where the other is zero."""
    part, whole = (col(one) if isinstance(one, str) else one for one in (part, whole))
    return pl.when(whole != 0).then(part / whole)


def seconds(moment: pl.Expr) -> pl.Expr:
    """Whole seconds since 1970."""
    return moment.dt.epoch("s")


def decayed(weight: pl.Expr, since: pl.Expr, until: pl.Expr, half_life_days: pl.Expr | float) -> pl.Expr:
    """What is left of a weight."""
    days = (seconds(until) - seconds(since)) / DAY_SECONDS
    return weight * pl.lit(0.5).pow(days / half_life_days)


def counts() -> list[pl.Expr]:
    """Aggregates: the number of actions of each type."""
    return [(col("action_type") == name).sum().alias(f"{name}_count") for name in COUNTED]


def read_catalog(landing: Path) -> pl.LazyFrame:
    """Catalog records that differ from the product's record before."""
    records = [
        {
            "product_id": record["product_id"],
            "product_name": record["name"],
            "category": record["category"].lower(),
            "brand": record["brand"].lower(),
            "price_text": str(record["price"]),
            "popularity_score": float(record["popularity_score"]),
            "is_available": record["in_stock"],
            "effective_at": datetime.fromisoformat(path.parent.name),
        }
        for path in sorted(landing.glob("catalog/*/*.json"))
        for record in json.loads(path.read_text(encoding="utf-8"))["products"]
    ]
    told = pl.struct("product_name", "category", "brand", "price_text", "popularity_score", "is_available")
    return (
        pl.LazyFrame(records, infer_schema_length=None)
        .with_columns(text("product_id"), price=col("price_text").cast(pl.Float64, strict=False))
        .filter(told.ne_missing(told.shift().over("product_id")))
        .with_columns(
            reasons=reasons(
                bad_price=(col("price") < 0) | col("price").is_null(), missing_product=col("product_id").is_null()
            )
        )
        .drop("price_text")
    )


def read_events(landing: Path, products: pl.Series) -> pl.LazyFrame:
    """The clickstream typed, without copies, each row with the rules that it breaks."""
    fields = pl.Struct(dict.fromkeys(EVENT_FIELDS, pl.String))
    return (
        pl.scan_lines(landing / "clickstream" / "*", name="line", include_file_paths="_file")
        # A line that was cut off does not end the object it began, and decoding stops at the first that does not.
        .filter(col("line").str.ends_with("}"))
        .select(col("line").str.json_decode(fields).struct.unnest(), "_file")
        .with_columns(text("user_id"), text("product_id"), col("event_type").str.strip_chars().str.to_lowercase())
        .unique(EVENT_FIELDS, keep="any")
        .with_columns(col("event_type").replace_strict(EVENT_TYPES, default=None), event_at=instant("timestamp"))
        .drop("timestamp")
        .with_columns(
            event_date=col("event_at").dt.date(),
            reasons=reasons(
                bad_timestamp=col("event_at").is_null(),
                missing_product=col("product_id").is_null(),
                missing_user=col("user_id").is_null(),
                unknown_event_type=col("event_type").is_null(),
                unknown_product=~col("product_id").is_in(products.implode()),
            ),
        )
    )


def read_purchases(landing: Path, products: pl.Series) -> pl.LazyFrame:
    """The purchase lines typed, without copies, each row with the rules that it breaks."""
    files = []
    for path in sorted(landing.glob("purchases/*.csv")):
        lines = path.read_bytes().splitlines(keepends=True)
        # A line that was cut off has fewer fields, which polars would fill up with nulls.
        whole = b"".join(line for line in lines if line.count(b",") == len(PURCHASE_FIELDS) - 1)
        files.append(
            pl.read_csv(whole, infer_schema=False).select(PURCHASE_FIELDS).with_columns(_file=pl.lit(path.name))
        )
    quantity, price = (col(name).cast(pl.Float64, strict=False) for name in ("quantity", "price"))
    return (
        pl.concat(files)
        .lazy()
        .unique(PURCHASE_FIELDS, keep="any")
        .with_columns(
            *(text(name) for name in ("transaction_id", "user_id", "product_id")),
            reasons=reasons(
                bad_price=(price < 0) | price.is_null() & col("price").is_not_null(),
                bad_quantity=(quantity == 0) | quantity.is_null() & col("quantity").is_not_null(),
                bad_timestamp=instant("timestamp").is_null(),
                missing_product=text("product_id").is_null(),
                unknown_product=~text("product_id").is_in(products.implode()),
            ),
        )
        .with_columns(quantity=quantity, price=price, purchased_at=instant("timestamp"))
        .drop("timestamp")
    )


def as_transactions(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Clean purchase lines as transactions."""
    return (
        purchases.drop("reasons")
        .with_columns(col("quantity").fill_null(1.0))
        .with_columns(
            amount=col("quantity") * col("price"),
            purchase_date=col("purchased_at").dt.date(),
            is_return=col("quantity") < 0,
        )
    )


def weighted_actions(events: pl.LazyFrame, transactions: pl.LazyFrame, weights: pl.LazyFrame) -> pl.LazyFrame:
    """What customers did, one row each, with the weight that it has on its day."""
    clicks = events.select(
        "user_id", "product_id", "device", "session_id",
        action_type="event_type", weight_event_type="event_type", action_at="event_at", action_date="event_date",
    )  # fmt: skip
    bought = transactions.join(returned_shares(transactions), on=["transaction_id", "product_id"], how="left").select(
        "user_id", "product_id", "quantity", "amount", "transaction_id",
        action_type=pl.when("is_return").then(pl.lit("return")).otherwise(pl.lit("purchase")),
        weight_event_type=pl.lit("purchase"),
        action_at="purchased_at",
        action_date="purchase_date",
        share=pl.when("is_return").then(col("share").fill_null(-1.0)),
    )  # fmt: skip
    return (
        pl.concat([clicks, bought], how="diagonal")
        .join(
            weights.select("event_type", "weight", "half_life_days"), left_on="weight_event_type", right_on="event_type"
        )
        .with_columns(weight=col("weight") * col("share").fill_null(1.0))
        .drop("share", "weight_event_type")
    )


def returned_shares(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """For each return with a purchase before it, how many purchases it takes back, as a negative number."""
    bought = transactions.filter(~col("is_return")).select("user_id", "product_id", "purchased_at", "quantity")
    returns = transactions.filter(col("is_return") & col("user_id").is_not_null())
    return (
        returns.join(bought, on=["user_id", "product_id"], suffix="_bought")
        .filter(col("purchased_at_bought") <= col("purchased_at"))
        .group_by("transaction_id", "product_id", "quantity")
        .agg(purchases=pl.len(), pieces=col("quantity_bought").sum())
        .select(
            "transaction_id",
            "product_id",
            share=-pl.min_horizontal(-col("quantity") / col("pieces"), 1.0) * col("purchases"),
        )
    )


def as_of_spine(actions: pl.LazyFrame) -> list[Instant]:
    """The instants that features are computed as of: validation, test, now."""
    span = actions.select(first=col("action_at").min(), last=col("action_at").max()).collect(engine="streaming")
    first, last = span.row(0)
    now = last + timedelta(seconds=1)
    whole_seconds = (last.replace(microsecond=0) - first.replace(microsecond=0)) // timedelta(seconds=1)
    window = timedelta(seconds=round(whole_seconds * 0.1))
    test = (now - window).replace(hour=0, minute=0, second=0, microsecond=0)
    validation = (test - window).replace(hour=0, minute=0, second=0, microsecond=0)
    return [Instant("validation", validation, test), Instant("test", test, now), Instant("now", now, None)]


def user_product_interactions(actions: pl.LazyFrame, at: Instant) -> pl.LazyFrame:
    """How strongly each customer took to each product."""
    return (
        actions.filter(col("user_id").is_not_null() & (col("action_at") < at.as_of))
        .group_by("user_id", "product_id")
        .agg(
            *counts(),
            strength=decayed(col("weight"), col("action_at"), pl.lit(at.as_of), col("half_life_days")).sum(),
            interaction_count=pl.len(),
            purchased_quantity=col("quantity").sum(),
            first_interaction_at=col("action_at").min(),
            last_interaction_at=col("action_at").max(),
        )
        .with_columns(*at.names, average_strength=col("strength") / col("interaction_count"))
    )


def days_of_users(actions: pl.LazyFrame) -> pl.LazyFrame:
    """What each customer did on each day."""
    return (
        actions.filter(col("user_id").is_not_null())
        .group_by("user_id", "action_date")
        .agg(
            *counts(),
            action_count=pl.len(),
            session_count=col("session_id").drop_nulls().n_unique(),
            order_count=col("transaction_id").filter(col("action_type") == "purchase").n_unique(),
            spend=col("amount").sum(),
            mobile_count=(col("device") == "mobile").sum(),
            known_device_count=col("device").is_in(["mobile", "web"]).sum(),
            daytime_count=col("action_at").dt.hour().is_between(6, 17).sum(),
            first_action_at=col("action_at").min(),
            last_action_at=col("action_at").max(),
        )
    )


def user_activity(user_days: pl.LazyFrame, at: Instant) -> pl.LazyFrame:
    """How active each customer was."""
    recent = {length: col("action_date") >= at.first_day(length) for length in (7, 28)}
    summed = [*(f"{name}_count" for name in COUNTED), "action_count", "session_count", "order_count"]
    shared = ("mobile_count", "known_device_count", "daytime_count")
    spanned = (col("last_day") - col("first_day")).dt.total_days()
    return (
        user_days.filter(col("action_date") < pl.lit(at.as_of))
        .group_by("user_id")
        .agg(
            col(*summed, *shared).sum(),
            *(
                col("action_count").filter(days).sum().alias(f"action_count_{length}d")
                for length, days in recent.items()
            ),
            active_days=pl.len(),
            total_spend=col("spend").sum(),
            weekend_count=col("action_count").filter(col("action_date").dt.weekday() >= 6).sum(),
            first_day=col("action_date").min(),
            last_day=col("action_date").max(),
            first_action_at=col("first_action_at").min(),
            last_action_at=col("last_action_at").max(),
        )
        .with_columns(
            *at.names,
            average_order_value=share("total_spend", "order_count"),
            click_rate=share("click_count", "view_count"),
            add_to_cart_rate=share("add_to_cart_count", "view_count"),
            purchase_rate=share("purchase_count", "view_count"),
            cart_purchase_rate=share("purchase_count", "add_to_cart_count"),
            mobile_share=share("mobile_count", "known_device_count"),
            weekend_share=share("weekend_count", "action_count"),
            daytime_share=share("daytime_count", "action_count"),
            days_between_visits=share(spanned, col("active_days").cast(pl.Int64) - 1),
            recency_days=(seconds(pl.lit(at.as_of)) - seconds(col("last_action_at"))) / DAY_SECONDS,
            tenure_days=(seconds(pl.lit(at.as_of)) - seconds(col("first_action_at"))) / DAY_SECONDS,
        )
        .drop("weekend_count", "first_day", "last_day", *shared)
    )


def days_of_products(actions: pl.LazyFrame) -> pl.LazyFrame:
    """What became of each product on each day."""
    day_end = col("action_date").cast(pl.Datetime("us")) + pl.duration(days=1)
    return (
        actions.with_columns(popularity=decayed(col("weight"), col("action_at"), day_end, 28.0))
        .group_by("product_id", "action_date")
        .agg(
            *counts(),
            event_count=(~col("action_type").is_in(["purchase", "return"])).sum(),
            revenue=col("amount").sum(),
            popularity=col("popularity").sum(),
            first_action_at=col("action_at").min(),
            last_action_at=col("action_at").max(),
        )
    )


def product_popularity(product_days: pl.LazyFrame, interactions: pl.LazyFrame, at: Instant) -> pl.LazyFrame:
    """How popular each product was, in windows of days and with fading."""
    windows = {length: at.first_day(length) for length in (1, 7, 28)}
    day_end = col("action_date").cast(pl.Datetime("us")) + pl.duration(days=1)
    people = (
        interactions.filter(col("cutoff") == at.cutoff)
        .group_by("product_id")
        .agg(
            *(
                (col("last_interaction_at") >= day).sum().alias(f"user_count_{length}d")
                for length, day in windows.items()
            ),
            user_count=pl.len(),
            buyer_count=(col("purchase_count") > 0).sum(),
        )
    )
    return (
        product_days.filter(col("action_date") < pl.lit(at.as_of))
        .group_by("product_id")
        .agg(
            *(
                col(measure).filter(col("action_date") >= day).sum().alias(f"{measure}_{length}d")
                for measure in ("event_count", "purchase_count")
                for length, day in windows.items()
            ),
            col("event_count", "purchase_count", "return_count", "view_count", "revenue").sum(),
            recent_popularity=decayed(col("popularity"), day_end, pl.lit(at.as_of), 28.0).sum(),
            first_action_at=col("first_action_at").min(),
            last_action_at=col("last_action_at").max(),
        )
        .join(people, on="product_id", how="left")
        .with_columns(
            *at.names,
            col("user_count", "buyer_count", *(f"user_count_{length}d" for length in windows)).fill_null(0),
            conversion_rate=share("buyer_count", "user_count"),
            purchases_per_view=share("purchase_count", "view_count"),
            event_trend=share(col("event_count_7d") * 4, col("event_count_28d")),
            purchase_trend=share(col("purchase_count_7d") * 4, col("purchase_count_28d")),
        )
        .drop("view_count")
    )


def product_pairs(transactions: pl.LazyFrame, at: Instant) -> pl.LazyFrame:
    """Products bought together in two orders or more."""
    seen = (
        transactions.filter(~col("is_return") & (col("purchased_at") < at.as_of))
        .group_by("transaction_id", "product_id")
        .agg(bought_at=col("purchased_at").max())
    )
    baskets = seen.filter(pl.len().over("transaction_id").is_between(2, 100))
    orders = seen.group_by("product_id").agg(order_count=pl.len())
    shop = seen.select(shop_orders=col("transaction_id").n_unique())
    return (
        baskets.join(baskets, on="transaction_id", suffix="_other")
        .filter(col("product_id") != col("product_id_other"))
        .group_by("product_id", other_product_id="product_id_other")
        .agg(joint_order_count=pl.len(), last_joint_order_at=col("bought_at").max())
        .filter(col("joint_order_count") >= 2)
        .join(orders, on="product_id")
        .join(
            orders.rename({"product_id": "other_product_id", "order_count": "other_order_count"}), on="other_product_id"
        )
        .join(shop, how="cross")
        .with_columns(*at.names, confidence=col("joint_order_count") / col("order_count"))
        .with_columns(lift=col("confidence") / (col("other_order_count") / col("shop_orders")))
        .drop("shop_orders")
    )


def product_history(catalog: pl.LazyFrame) -> pl.LazyFrame:
    """What the catalog said of each product, and when."""
    told = pl.struct(*FACTS)
    following = col("effective_at").shift(-1).over("product_id")
    return (
        catalog.sort("product_id", "effective_at", maintain_order=True)
        .filter(told.ne_missing(told.shift().over("product_id")))
        .select(
            "product_id",
            *FACTS,
            version=pl.int_range(1, pl.len() + 1).over("product_id"),
            valid_from="effective_at",
            valid_to=following.fill_null(datetime(9999, 12, 31)),
            is_current=following.is_null(),
        )
    )


def current_products(history: pl.LazyFrame, popularity: pl.LazyFrame) -> pl.LazyFrame:
    """The products as they are now."""
    stated = history.group_by("product_id").agg(
        first_stated_at=col("valid_from").min(), last_updated_at=col("valid_from").max()
    )
    acted = popularity.group_by("product_id").agg(col("first_action_at").min())
    return (
        history.filter("is_current")
        .select("product_id", *FACTS)
        .join(stated, on="product_id")
        .join(acted, on="product_id", how="left")
        .with_columns(first_seen_at=pl.min_horizontal("first_stated_at", "first_action_at"))
        .drop("first_stated_at", "first_action_at")
    )


def product_features(
    products: pl.LazyFrame, history: pl.LazyFrame, popularity: pl.LazyFrame, at: Instant
) -> pl.LazyFrame:
    """What was known of each product."""
    versions = (
        history.filter(col("valid_from") < at.as_of)
        .group_by("product_id")
        .agg(col(*FACTS).sort_by("valid_from").last())
    )
    known = products.filter((col("first_seen_at") < at.as_of) | (at.cutoff == "now")).select("product_id")
    popular = popularity.filter(col("cutoff") == at.cutoff)
    return (
        known.join(versions, on="product_id", how="left")
        .join(
            popular.select(
                "product_id", "recent_popularity", popularity="user_count", active_users_28d="user_count_28d"
            ),
            on="product_id",
            how="left",
        )
        .select(
            *at.names,
            "product_id",
            pl.coalesce("product_name", "product_id").alias("product_name"),
            "category",
            "brand",
            "price",
            col("popularity", "active_users_28d").cast(pl.Float64).fill_null(0.0),
            col("recent_popularity").fill_null(0.0),
            col("is_available").fill_null(value=True),
        )
    )


def affinity(interactions: pl.LazyFrame, features: pl.LazyFrame, fact: str) -> pl.LazyFrame:
    """How much each customer likes each category or brand."""
    likings = (
        interactions.join(features.select("cutoff", "product_id", fact), on=["cutoff", "product_id"])
        .group_by("cutoff", "as_of", "user_id", fact)
        .agg(
            col("strength", "interaction_count", "purchase_count").sum(),
            product_count=pl.len(),
            last_interaction_at=col("last_interaction_at").max(),
        )
    )
    positive = pl.when(col("strength") > 0).then("strength")
    return likings.with_columns(affinity=positive / positive.sum().over("cutoff", "user_id"))


def users(user_days: pl.LazyFrame, likings: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    """The customers."""
    mobile_count, web_count = col("mobile_count"), col("known_device_count") - col("mobile_count")
    result = (
        user_days.group_by("user_id")
        .agg(
            col(*(f"{name}_count" for name in COUNTED), "mobile_count", "known_device_count").sum(),
            first_seen_at=col("first_action_at").min(),
            last_seen_at=col("last_action_at").max(),
            total_spend=col("spend").sum(),
        )
        .select(
            "user_id", "first_seen_at", "last_seen_at", "purchase_count", "return_count", "total_spend",
            event_count=pl.sum_horizontal(f"{name}_count" for name in COUNTED[:4]),
            main_device=pl.when((mobile_count >= web_count) & (mobile_count > 0))
            .then(pl.lit("mobile"))
            .when(web_count > 0)
            .then(pl.lit("web"))
            .otherwise(pl.lit("unknown")),
        )
    )  # fmt: skip
    for fact, liking in likings.items():
        liked = liking.filter((col("cutoff") == "now") & (col("strength") > 0))
        best = liked.group_by("user_id").agg(col(fact).sort_by("strength").last().alias(f"favourite_{fact}"))
        result = result.join(best, on="user_id", how="left")
    return result


def evaluation_pairs(
    actions: pl.LazyFrame, interactions: pl.LazyFrame, features: pl.LazyFrame, at: Instant
) -> pl.LazyFrame:
    """What customers took in the window and had not met before; only products that were there can be recommended."""
    seen = interactions.filter(col("cutoff") == at.cutoff)
    known_users = seen.filter(col("strength") > 0).select(col("user_id").unique(), is_known_user=pl.lit(value=True))
    in_window = (col("action_at") >= at.as_of) & (col("action_at") < at.window_end_at)
    return (
        actions.filter(col("user_id").is_not_null() & in_window)
        .group_by("user_id", "product_id")
        .agg(col("weight").sum())
        .filter(col("weight") > 1e-6)
        .join(features.filter(col("cutoff") == at.cutoff), on="product_id", how="semi")
        .join(seen, on=["user_id", "product_id"], how="anti")
        .join(known_users, on="user_id", how="left")
        .select(
            pl.lit(at.cutoff).alias("cutoff"),
            "user_id",
            "product_id",
            col("is_known_user").fill_null(value=False),
        )
    )
