"""The tables of the demo shop in one polars script, without tests, ledger, rejected lines or increments."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars import col

from apps.benchmarks.contenders import EVENT_WEIGHTS_FILE
from warehouse.settings import Settings

EVENT_TYPES = {"view": "view", "click": "click", "add-to-cart": "add_to_cart"}
ACTION_TYPES = ("view", "click", "add_to_cart", "remove_from_cart", "purchase", "return")
EVENT_FIELDS = ("user_id", "product_id", "event_type", "timestamp", "device", "session_id", "app_version")
PURCHASE_FIELDS = ("transaction_id", "user_id", "product_id", "quantity", "price", "timestamp")
PRODUCT_ATTRIBUTES = ("product_name", "category", "brand", "price", "popularity_score", "is_available")
DAY_SECONDS = 86_400


class Cutoff(NamedTuple):
    """A cutoff at which features are computed."""

    name: str
    as_of: datetime
    window_end_at: datetime | None

    @property
    def name_columns(self) -> list[pl.Expr]:
        """The columns that identify the cutoff."""
        return [pl.lit(self.name).alias("cutoff"), pl.lit(self.as_of).alias("as_of")]

    def get_first_date(self, length: int) -> pl.Expr:
        """Return the first of the last `length` days."""
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
    transactions = save("fct_transactions", build_transactions(purchases.filter(col("reasons").is_null())))
    yield "read"

    actions = compute_weighted_actions(events, transactions, pl.scan_csv(EVENT_WEIGHTS_FILE))
    cutoffs = compute_cutoffs(actions)
    interactions = save(
        "feat_user_product_interactions",
        concat_cutoffs(cutoffs, lambda cutoff: compute_user_product_interactions(actions, cutoff)),
    )
    user_days = compute_user_days(actions).collect(engine="streaming").lazy()
    save("feat_user_activity", concat_cutoffs(cutoffs, lambda cutoff: compute_user_activity(user_days, cutoff)))
    product_days = compute_product_days(actions).collect(engine="streaming").lazy()
    popularity = save(
        "feat_product_popularity",
        concat_cutoffs(cutoffs, lambda cutoff: compute_product_popularity(product_days, interactions, cutoff)),
    )
    save("feat_product_pairs", concat_cutoffs(cutoffs, lambda cutoff: compute_product_pairs(transactions, cutoff)))
    yield "features"

    history = save("dim_product_history", compute_product_history(catalog))
    dim_products = save("dim_products", compute_current_products(history, popularity))
    features = save(
        "ml_product_features",
        concat_cutoffs(cutoffs, lambda cutoff: compute_product_features(dim_products, history, popularity, cutoff)),
    )
    affinities = {
        attribute: save(f"feat_user_{attribute}_affinity", compute_affinity(interactions, features, attribute))
        for attribute in ("category", "brand")
    }
    save("dim_users", compute_users(user_days, affinities))
    save(
        "ml_evaluation_pairs",
        concat_cutoffs(cutoffs[:2], lambda cutoff: compute_evaluation_pairs(actions, interactions, features, cutoff)),
    )
    yield "products and customers"


def concat_cutoffs(cutoffs: list[Cutoff], build_frame: Callable[[Cutoff], pl.LazyFrame]) -> pl.LazyFrame:
    """Build a frame for each cutoff and concatenate the frames."""
    return pl.concat([build_frame(cutoff) for cutoff in cutoffs])


def join_reasons(**rules: pl.Expr) -> pl.Expr:
    """Return the names of the broken rules joined by ';', null for a clean row."""
    names = [pl.when(is_broken).then(pl.lit(name)) for name, is_broken in rules.items()]
    return pl.when(pl.any_horizontal(*rules.values())).then(pl.concat_str(names, separator=";", ignore_nulls=True))


def clean_text(name: str) -> pl.Expr:
    """Return a stripped text column; null for an empty text."""
    stripped = col(name).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(name)


def parse_timestamp(name: str) -> pl.Expr:
    """Parse a text column as a timestamp; null when that fails."""
    return col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)


def divide(numerator: str | pl.Expr, denominator: str | pl.Expr) -> pl.Expr:
    """Return the quotient; null where the denominator is zero."""
    numerator, denominator = (col(part) if isinstance(part, str) else part for part in (numerator, denominator))
    return pl.when(denominator != 0).then(numerator / denominator)


def to_epoch_seconds(timestamp: pl.Expr) -> pl.Expr:
    """Return whole seconds since 1970."""
    return timestamp.dt.epoch("s")


def decay_weight(weight: pl.Expr, since: pl.Expr, until: pl.Expr, half_life_days: pl.Expr | float) -> pl.Expr:
    """Return the weight after exponential decay."""
    days = (to_epoch_seconds(until) - to_epoch_seconds(since)) / DAY_SECONDS
    return weight * pl.lit(0.5).pow(days / half_life_days)


def count_action_types() -> list[pl.Expr]:
    """Return aggregates that count the actions of each type."""
    return [(col("action_type") == name).sum().alias(f"{name}_count") for name in ACTION_TYPES]


def read_catalog(landing: Path) -> pl.LazyFrame:
    """Return the catalog records that differ from the previous record of the product."""
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
    attributes = pl.struct("product_name", "category", "brand", "price_text", "popularity_score", "is_available")
    return (
        pl.LazyFrame(records, infer_schema_length=None)
        .with_columns(clean_text("product_id"), price=col("price_text").cast(pl.Float64, strict=False))
        .filter(attributes.ne_missing(attributes.shift().over("product_id")))
        .with_columns(
            reasons=join_reasons(
                bad_price=(col("price") < 0) | col("price").is_null(), missing_product=col("product_id").is_null()
            )
        )
        .drop("price_text")
    )


def read_events(landing: Path, products: pl.Series) -> pl.LazyFrame:
    """Return the typed and deduplicated clickstream rows with their quarantine reasons."""
    fields = pl.Struct(dict.fromkeys(EVENT_FIELDS, pl.String))
    return (
        pl.scan_lines(landing / "clickstream" / "*", name="line", include_file_paths="_file")
        # A truncated line does not end with a brace, and decoding stops at the first truncated line.
        .filter(col("line").str.ends_with("}"))
        .select(col("line").str.json_decode(fields).struct.unnest(), "_file")
        .with_columns(
            clean_text("user_id"), clean_text("product_id"), col("event_type").str.strip_chars().str.to_lowercase()
        )
        .unique(EVENT_FIELDS, keep="any")
        .with_columns(
            col("event_type").replace_strict(EVENT_TYPES, default=None), event_at=parse_timestamp("timestamp")
        )
        .drop("timestamp")
        .with_columns(
            event_date=col("event_at").dt.date(),
            reasons=join_reasons(
                bad_timestamp=col("event_at").is_null(),
                missing_product=col("product_id").is_null(),
                missing_user=col("user_id").is_null(),
                unknown_event_type=col("event_type").is_null(),
                unknown_product=~col("product_id").is_in(products.implode()),
            ),
        )
    )


def read_purchases(landing: Path, products: pl.Series) -> pl.LazyFrame:
    """Return the typed and deduplicated purchase lines with their quarantine reasons."""
    files = []
    for path in sorted(landing.glob("purchases/*.csv")):
        lines = path.read_bytes().splitlines(keepends=True)
        # A truncated line has fewer fields, which polars would fill with nulls.
        complete_lines = b"".join(line for line in lines if line.count(b",") == len(PURCHASE_FIELDS) - 1)
        files.append(
            pl.read_csv(complete_lines, infer_schema=False)
            .select(PURCHASE_FIELDS)
            .with_columns(_file=pl.lit(path.name))
        )
    quantity, price = (col(name).cast(pl.Float64, strict=False) for name in ("quantity", "price"))
    return (
        pl.concat(files)
        .lazy()
        .unique(PURCHASE_FIELDS, keep="any")
        .with_columns(
            *(clean_text(name) for name in ("transaction_id", "user_id", "product_id")),
            reasons=join_reasons(
                bad_price=(price < 0) | price.is_null() & col("price").is_not_null(),
                bad_quantity=(quantity == 0) | quantity.is_null() & col("quantity").is_not_null(),
                bad_timestamp=parse_timestamp("timestamp").is_null(),
                missing_product=clean_text("product_id").is_null(),
                unknown_product=~clean_text("product_id").is_in(products.implode()),
            ),
        )
        .with_columns(quantity=quantity, price=price, purchased_at=parse_timestamp("timestamp"))
        .drop("timestamp")
    )


def build_transactions(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Return clean purchase lines as transactions."""
    return (
        purchases.drop("reasons")
        .with_columns(col("quantity").fill_null(1.0))
        .with_columns(
            amount=col("quantity") * col("price"),
            purchase_date=col("purchased_at").dt.date(),
            is_return=col("quantity") < 0,
        )
    )


def compute_weighted_actions(events: pl.LazyFrame, transactions: pl.LazyFrame, weights: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row per action with its undecayed weight."""
    event_actions = events.select(
        "user_id", "product_id", "device", "session_id",
        action_type="event_type", weight_event_type="event_type", action_at="event_at", action_date="event_date",
    )  # fmt: skip
    returned_shares = compute_returned_shares(transactions)
    purchase_actions = transactions.join(returned_shares, on=["transaction_id", "product_id"], how="left").select(
        "user_id", "product_id", "quantity", "amount", "transaction_id",
        action_type=pl.when("is_return").then(pl.lit("return")).otherwise(pl.lit("purchase")),
        weight_event_type=pl.lit("purchase"),
        action_at="purchased_at",
        action_date="purchase_date",
        share=pl.when("is_return").then(col("share").fill_null(-1.0)),
    )  # fmt: skip
    return (
        pl.concat([event_actions, purchase_actions], how="diagonal")
        .join(
            weights.select("event_type", "weight", "half_life_days"), left_on="weight_event_type", right_on="event_type"
        )
        .with_columns(weight=col("weight") * col("share").fill_null(1.0))
        .drop("share", "weight_event_type")
    )


def compute_returned_shares(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the number of purchases that each return cancels, as a negative number."""
    purchase_lines = transactions.filter(~col("is_return")).select("user_id", "product_id", "purchased_at", "quantity")
    returns = transactions.filter(col("is_return") & col("user_id").is_not_null())
    return (
        returns.join(purchase_lines, on=["user_id", "product_id"], suffix="_bought")
        .filter(col("purchased_at_bought") <= col("purchased_at"))
        .group_by("transaction_id", "product_id", "quantity")
        .agg(purchases=pl.len(), pieces=col("quantity_bought").sum())
        .select(
            "transaction_id",
            "product_id",
            share=-pl.min_horizontal(-col("quantity") / col("pieces"), 1.0) * col("purchases"),
        )
    )


def compute_cutoffs(actions: pl.LazyFrame) -> list[Cutoff]:
    """Return the cutoffs validation, test and now."""
    span = actions.select(first=col("action_at").min(), last=col("action_at").max()).collect(engine="streaming")
    first, last = span.row(0)
    now = last + timedelta(seconds=1)
    whole_seconds = (last.replace(microsecond=0) - first.replace(microsecond=0)) // timedelta(seconds=1)
    window = timedelta(seconds=round(whole_seconds * 0.1))
    test = (now - window).replace(hour=0, minute=0, second=0, microsecond=0)
    validation = (now - 2 * window).replace(hour=0, minute=0, second=0, microsecond=0)
    return [Cutoff("validation", validation, test), Cutoff("test", test, now), Cutoff("now", now, None)]


def compute_user_product_interactions(actions: pl.LazyFrame, cutoff: Cutoff) -> pl.LazyFrame:
    """Return the strength and the counts of each customer-product pair."""
    return (
        actions.filter(col("user_id").is_not_null() & (col("action_at") < cutoff.as_of))
        .group_by("user_id", "product_id")
        .agg(
            *count_action_types(),
            strength=decay_weight(col("weight"), col("action_at"), pl.lit(cutoff.as_of), col("half_life_days")).sum(),
            interaction_count=pl.len(),
            purchased_quantity=col("quantity").sum(),
            first_interaction_at=col("action_at").min(),
            last_interaction_at=col("action_at").max(),
        )
        .with_columns(*cutoff.name_columns, average_strength=col("strength") / col("interaction_count"))
    )


def compute_user_days(actions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the action counts of each customer and day."""
    return (
        actions.filter(col("user_id").is_not_null())
        .group_by("user_id", "action_date")
        .agg(
            *count_action_types(),
            action_count=pl.len(),
            session_count=col("session_id").drop_nulls().n_unique(),
            order_count=col("transaction_id").filter(col("action_type") == "purchase").n_unique(),
            spend=col("amount").sum(),
            purchase_spend=col("amount").filter(col("action_type") == "purchase").sum(),
            mobile_count=(col("device") == "mobile").sum(),
            known_device_count=col("device").is_in(["mobile", "web"]).sum(),
            daytime_count=col("action_at").dt.hour().is_between(6, 17).sum(),
            first_action_at=col("action_at").min(),
            last_action_at=col("action_at").max(),
        )
    )


def compute_user_activity(user_days: pl.LazyFrame, cutoff: Cutoff) -> pl.LazyFrame:
    """Return the activity features of each customer."""
    is_recent_by_length = {length: col("action_date") >= cutoff.get_first_date(length) for length in (7, 28)}
    summed_columns = [*(f"{name}_count" for name in ACTION_TYPES), "action_count", "session_count", "order_count"]
    device_columns = ("mobile_count", "known_device_count", "daytime_count")
    active_span_days = (col("last_day") - col("first_day")).dt.total_days()
    return (
        user_days.filter(col("action_date") < pl.lit(cutoff.as_of))
        .group_by("user_id")
        .agg(
            col(*summed_columns, *device_columns).sum(),
            *(
                col("action_count").filter(is_recent).sum().alias(f"action_count_{length}d")
                for length, is_recent in is_recent_by_length.items()
            ),
            active_days=pl.len(),
            total_spend=col("spend").sum(),
            purchase_spend=col("purchase_spend").sum(),
            weekend_count=col("action_count").filter(col("action_date").dt.weekday() >= 6).sum(),
            first_day=col("action_date").min(),
            last_day=col("action_date").max(),
            first_action_at=col("first_action_at").min(),
            last_action_at=col("last_action_at").max(),
        )
        .with_columns(
            *cutoff.name_columns,
            average_order_value=divide("purchase_spend", "order_count"),
            click_rate=divide("click_count", "view_count"),
            add_to_cart_rate=divide("add_to_cart_count", "view_count"),
            purchase_rate=divide("purchase_count", "view_count"),
            cart_purchase_rate=divide("purchase_count", "add_to_cart_count"),
            mobile_share=divide("mobile_count", "known_device_count"),
            weekend_share=divide("weekend_count", "action_count"),
            daytime_share=divide("daytime_count", "action_count"),
            mean_days_between_active_days=divide(active_span_days, col("active_days").cast(pl.Int64) - 1),
            recency_days=(to_epoch_seconds(pl.lit(cutoff.as_of)) - to_epoch_seconds(col("last_action_at")))
            / DAY_SECONDS,
            tenure_days=(to_epoch_seconds(pl.lit(cutoff.as_of)) - to_epoch_seconds(col("first_action_at")))
            / DAY_SECONDS,
        )
        .drop("purchase_spend", "weekend_count", "first_day", "last_day", *device_columns)
    )


def compute_product_days(actions: pl.LazyFrame) -> pl.LazyFrame:
    """Return the action counts and the popularity of each product and day."""
    day_end = col("action_date").cast(pl.Datetime("us")) + pl.duration(days=1)
    return (
        actions.with_columns(popularity=decay_weight(col("weight"), col("action_at"), day_end, 28.0))
        .group_by("product_id", "action_date")
        .agg(
            *count_action_types(),
            event_count=(~col("action_type").is_in(["purchase", "return"])).sum(),
            revenue=col("amount").sum(),
            popularity=col("popularity").sum(),
            first_action_at=col("action_at").min(),
            last_action_at=col("action_at").max(),
        )
    )


def compute_product_popularity(product_days: pl.LazyFrame, interactions: pl.LazyFrame, cutoff: Cutoff) -> pl.LazyFrame:
    """Return the popularity of each product, in windows of days and with decay."""
    windows = {length: cutoff.get_first_date(length) for length in (1, 7, 28)}
    day_end = col("action_date").cast(pl.Datetime("us")) + pl.duration(days=1)
    user_counts = (
        interactions.filter(col("cutoff") == cutoff.name)
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
        product_days.filter(col("action_date") < pl.lit(cutoff.as_of))
        .group_by("product_id")
        .agg(
            *(
                col(measure).filter(col("action_date") >= day).sum().alias(f"{measure}_{length}d")
                for measure in ("event_count", "purchase_count")
                for length, day in windows.items()
            ),
            col("event_count", "purchase_count", "return_count", "view_count", "revenue").sum(),
            recent_popularity=decay_weight(col("popularity"), day_end, pl.lit(cutoff.as_of), 28.0).sum(),
            first_action_at=col("first_action_at").min(),
            last_action_at=col("last_action_at").max(),
        )
        .join(user_counts, on="product_id", how="left")
        .with_columns(
            *cutoff.name_columns,
            col("user_count", "buyer_count", *(f"user_count_{length}d" for length in windows)).fill_null(0),
            conversion_rate=divide("buyer_count", "user_count"),
            purchases_per_view=divide("purchase_count", "view_count"),
            event_trend=divide(col("event_count_7d") * 4, col("event_count_28d")),
            purchase_trend=divide(col("purchase_count_7d") * 4, col("purchase_count_28d")),
        )
        .drop("view_count")
    )


def compute_product_pairs(transactions: pl.LazyFrame, cutoff: Cutoff) -> pl.LazyFrame:
    """Return the pairs of products with at least two joint orders."""
    visible_lines = (
        transactions.filter(~col("is_return") & (col("purchased_at") < cutoff.as_of))
        .group_by("transaction_id", "product_id")
        .agg(bought_at=col("purchased_at").max())
    )
    baskets = visible_lines.filter(pl.len().over("transaction_id").is_between(2, 100))
    orders = visible_lines.group_by("product_id").agg(order_count=pl.len())
    shop = visible_lines.select(shop_orders=col("transaction_id").n_unique())
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
        .with_columns(*cutoff.name_columns, confidence=col("joint_order_count") / col("order_count"))
        .with_columns(lift=col("confidence") / (col("other_order_count") / col("shop_orders")))
        .drop("shop_orders")
    )


def compute_product_history(catalog: pl.LazyFrame) -> pl.LazyFrame:
    """Return the versions of each product with their validity periods."""
    attributes = pl.struct(*PRODUCT_ATTRIBUTES)
    next_effective_at = col("effective_at").shift(-1).over("product_id")
    return (
        catalog.sort("product_id", "effective_at", maintain_order=True)
        .filter(attributes.ne_missing(attributes.shift().over("product_id")))
        .select(
            "product_id",
            *PRODUCT_ATTRIBUTES,
            version=pl.int_range(1, pl.len() + 1).over("product_id"),
            valid_from="effective_at",
            valid_to=next_effective_at.fill_null(datetime(9999, 12, 31)),
            is_current=next_effective_at.is_null(),
        )
    )


def compute_current_products(history: pl.LazyFrame, popularity: pl.LazyFrame) -> pl.LazyFrame:
    """Return the current version of each product."""
    version_dates = history.group_by("product_id").agg(
        first_valid_from=col("valid_from").min(), last_updated_at=col("valid_from").max()
    )
    first_actions = popularity.group_by("product_id").agg(col("first_action_at").min())
    return (
        history.filter("is_current")
        .select("product_id", *PRODUCT_ATTRIBUTES)
        .join(version_dates, on="product_id")
        .join(first_actions, on="product_id", how="left")
        .with_columns(first_seen_at=pl.min_horizontal("first_valid_from", "first_action_at"))
        .drop("first_valid_from", "first_action_at")
    )


def compute_product_features(
    products: pl.LazyFrame, history: pl.LazyFrame, popularity: pl.LazyFrame, cutoff: Cutoff
) -> pl.LazyFrame:
    """Return the features of each product at the cutoff."""
    versions = (
        history.filter(col("valid_from") < cutoff.as_of)
        .group_by("product_id")
        .agg(col(*PRODUCT_ATTRIBUTES).sort_by("valid_from").last())
    )
    known_products = products.filter((col("first_seen_at") < cutoff.as_of) | (cutoff.name == "now")).select(
        "product_id"
    )
    popularity_at_cutoff = popularity.filter(col("cutoff") == cutoff.name)
    return (
        known_products.join(versions, on="product_id", how="left")
        .join(
            popularity_at_cutoff.select(
                "product_id", "recent_popularity", popularity="user_count", active_users_28d="user_count_28d"
            ),
            on="product_id",
            how="left",
        )
        .select(
            *cutoff.name_columns,
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


def compute_affinity(interactions: pl.LazyFrame, features: pl.LazyFrame, attribute: str) -> pl.LazyFrame:
    """Return the affinity of each customer to each category or brand."""
    affinities = (
        interactions.join(features.select("cutoff", "product_id", attribute), on=["cutoff", "product_id"])
        .group_by("cutoff", "as_of", "user_id", attribute)
        .agg(
            col("strength", "interaction_count", "purchase_count").sum(),
            product_count=pl.len(),
            last_interaction_at=col("last_interaction_at").max(),
        )
    )
    positive_strength = pl.when(col("strength") > 0).then("strength")
    return affinities.with_columns(affinity=positive_strength / positive_strength.sum().over("cutoff", "user_id"))


def compute_users(user_days: pl.LazyFrame, affinities: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the customers with totals and favourites."""
    mobile_count, web_count = col("mobile_count"), col("known_device_count") - col("mobile_count")
    result = (
        user_days.group_by("user_id")
        .agg(
            col(*(f"{name}_count" for name in ACTION_TYPES), "mobile_count", "known_device_count").sum(),
            first_seen_at=col("first_action_at").min(),
            last_seen_at=col("last_action_at").max(),
            total_spend=col("spend").sum(),
        )
        .select(
            "user_id", "first_seen_at", "last_seen_at", "purchase_count", "return_count", "total_spend",
            event_count=pl.sum_horizontal(f"{name}_count" for name in ACTION_TYPES[:4]),
            main_device=pl.when((mobile_count >= web_count) & (mobile_count > 0))
            .then(pl.lit("mobile"))
            .when(web_count > 0)
            .then(pl.lit("web"))
            .otherwise(pl.lit("unknown")),
        )
    )  # fmt: skip
    for attribute, affinity in affinities.items():
        positive_affinity = affinity.filter((col("cutoff") == "now") & (col("strength") > 0))
        favourites = positive_affinity.group_by("user_id").agg(
            col(attribute).sort_by("strength").last().alias(f"favourite_{attribute}")
        )
        result = result.join(favourites, on="user_id", how="left")
    return result


def compute_evaluation_pairs(
    actions: pl.LazyFrame, interactions: pl.LazyFrame, features: pl.LazyFrame, cutoff: Cutoff
) -> pl.LazyFrame:
    """Return the new customer-product pairs in the window, for products that existed at the cutoff."""
    interactions_at_cutoff = interactions.filter(col("cutoff") == cutoff.name)
    known_users = interactions_at_cutoff.filter(col("strength") > 0).select(
        col("user_id").unique(), is_known_user=pl.lit(value=True)
    )
    is_in_window = (col("action_at") >= cutoff.as_of) & (col("action_at") < cutoff.window_end_at)
    return (
        actions.filter(col("user_id").is_not_null() & is_in_window)
        .group_by("user_id", "product_id")
        .agg(col("weight").sum())
        .filter(col("weight") > 1e-6)
        .join(features.filter(col("cutoff") == cutoff.name), on="product_id", how="semi")
        .join(interactions_at_cutoff, on=["user_id", "product_id"], how="anti")
        .join(known_users, on="user_id", how="left")
        .select(
            pl.lit(cutoff.name).alias("cutoff"),
            "user_id",
            "product_id",
            col("is_known_user").fill_null(value=False),
            # The benchmark's shop has no repeat purchases.
            is_repeat=pl.lit(value=False),
        )
    )
