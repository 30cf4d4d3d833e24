"""The tables of the demo shop in one pandas script, without tests, ledger, rejected lines or increments."""

# The pandas stubs return Any for operators and chained calls.
# mypy: disable-error-code="no-any-return"

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from apps.benchmarks.contenders import EVENT_WEIGHTS_FILE
from warehouse.settings import Settings

EVENT_TYPES = {"view": "view", "click": "click", "add-to-cart": "add_to_cart"}
ACTION_TYPES = ("view", "click", "add_to_cart", "remove_from_cart", "purchase", "return")
EVENT_FIELDS = ("user_id", "product_id", "event_type", "timestamp", "device", "session_id", "app_version")
PURCHASE_FIELDS = ("transaction_id", "user_id", "product_id", "quantity", "price", "timestamp")


def run(settings: Settings) -> Iterator[str]:
    """Write the tables as Parquet files to the warehouse folder."""
    landing, out = settings.landing_dir, settings.warehouse

    def save(table: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame.to_parquet(out / f"{table}.parquet", index=False)
        return frame

    catalog = read_catalog(landing)
    save("quarantine_products", catalog[catalog["reasons"].notna()].drop(columns="effective_at"))
    catalog = catalog[catalog["reasons"].isna()]
    products = pd.Index(catalog["product_id"].unique())
    events = read_events(landing, products)
    save("quarantine_events", events[events["reasons"].notna()].drop(columns=["app_version", "event_date"]))
    events = save("fct_events", events[events["reasons"].isna()].drop(columns=["reasons", "app_version"]))
    purchases = read_purchases(landing, products)
    save("quarantine_purchases", purchases[purchases["reasons"].notna()])
    transactions = save("fct_transactions", build_transactions(purchases[purchases["reasons"].isna()]))
    yield "read"

    actions = compute_weighted_actions(events, transactions, pd.read_csv(EVENT_WEIGHTS_FILE))
    del events, purchases
    cutoffs = compute_cutoffs(actions)
    interactions = save("feat_user_product_interactions", compute_user_product_interactions(actions, cutoffs))
    user_days = compute_user_days(actions)
    save("feat_user_activity", compute_user_activity(user_days, cutoffs))
    popularity = save("feat_product_popularity", compute_product_popularity(actions, interactions, cutoffs))
    save("feat_product_pairs", compute_product_pairs(transactions, cutoffs))
    yield "features"

    history = save("dim_product_history", compute_product_history(catalog))
    dim_products = save("dim_products", compute_current_products(history, popularity))
    features = save("ml_product_features", compute_product_features(dim_products, history, popularity, cutoffs))
    affinities = {
        attribute: save(f"feat_user_{attribute}_affinity", compute_affinity(interactions, features, attribute))
        for attribute in ("category", "brand")
    }
    save("dim_users", compute_users(user_days, affinities))
    save("ml_evaluation_pairs", compute_evaluation_pairs(actions, interactions, features, cutoffs))
    yield "products and customers"


def read_catalog(landing: Path) -> pd.DataFrame:
    """Return the catalog records that differ from the previous record of the product."""
    pages = []
    for path in sorted(landing.glob("catalog/*/*.json")):
        page = pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["products"])
        page["effective_at"] = pd.Timestamp(path.parent.name)
        pages.append(page)
    catalog = pd.concat(pages, ignore_index=True).rename(columns={"name": "product_name", "in_stock": "is_available"})
    # No compared table has them.
    catalog = catalog.drop(columns=["currency", "margin", "url"])
    product_id = catalog["product_id"].astype("str").str.strip()
    catalog["product_id"] = product_id.mask(product_id == "")
    for attribute in ("category", "brand"):
        catalog[attribute] = catalog[attribute].str.lower()
    price_text = catalog["price"].astype("str")
    catalog["price"] = pd.to_numeric(catalog["price"], errors="coerce").astype("float64")
    attributes = [catalog[name] for name in ("product_name", "category", "brand", "popularity_score", "is_available")]
    is_repeat = (
        pd.concat([*attributes, price_text], axis=1)
        == pd.concat([*attributes, price_text], axis=1).groupby(catalog["product_id"], dropna=False).shift()
    )
    catalog["reasons"] = join_reasons(
        bad_price=(catalog["price"] < 0) | catalog["price"].isna() & price_text.notna(),
        missing_product=catalog["product_id"].isna(),
    )
    return catalog[~is_repeat.all(axis=1)]


def read_events(landing: Path, products: pd.Index) -> pd.DataFrame:
    """Return the typed and deduplicated clickstream rows with their quarantine reasons."""
    paths = sorted(landing.glob("clickstream/*.jsonl*"))
    table = pa.concat_tables([read_clickstream_file(path) for path in paths]).unify_dictionaries().combine_chunks()
    events = table.to_pandas()
    del table
    events = events.drop_duplicates([name for name in events if name != "_file"], ignore_index=True)
    texts = events["event_type"].cat.categories
    events["event_type"] = events["event_type"].map({text: EVENT_TYPES.get(text) for text in texts}).astype("category")
    events["event_at"] = pd.to_datetime(
        events.pop("timestamp"), format="ISO8601", utc=True, errors="coerce"
    ).dt.tz_localize(None)
    events["event_date"] = events["event_at"].dt.normalize()
    events["reasons"] = join_reasons(
        bad_timestamp=events["event_at"].isna(),
        missing_product=events["product_id"].isna(),
        missing_user=events["user_id"].isna(),
        unknown_event_type=events["event_type"].isna(),
        unknown_product=events["product_id"].notna() & ~events["product_id"].isin(products),
    )
    return events


def read_clickstream_file(path: Path) -> pa.Table:
    """Return the lines of a file as text columns, dictionary-encoded except the time; skip lines that are no JSON."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    # A truncated line does not end with a brace.
    complete_lines = [line for line in content.split(b"\n") if line.endswith(b"}")]
    table = pyarrow.json.read_json(
        pa.BufferReader(b"\n".join(complete_lines)),
        read_options=pyarrow.json.ReadOptions(block_size=16 << 20),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=pa.schema([(name, pa.string()) for name in EVENT_FIELDS]),
            unexpected_field_behavior="ignore",
        ),
    )
    columns = {}
    for name in EVENT_FIELDS:
        text = pc.utf8_trim_whitespace(table[name])
        text = pc.if_else(pc.equal(text, ""), None, text)
        if name == "event_type":
            text = pc.utf8_lower(text)
        columns[name] = text if name == "timestamp" else text.dictionary_encode()
    file = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), "int32")), [path.name])
    return pa.table({**columns, "_file": file})


def read_purchases(landing: Path, products: pd.Index) -> pd.DataFrame:
    """Return the typed and deduplicated purchase lines with their quarantine reasons."""
    files = []
    for path in sorted(landing.glob("purchases/*.csv")):
        table = pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=lambda _: "skip"),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(PURCHASE_FIELDS, pa.string()), include_columns=PURCHASE_FIELDS
            ),
        )
        files.append(table.append_column("_file", pa.array([path.name] * len(table))))
    purchases = pa.concat_tables(files).to_pandas()
    purchases = purchases.drop_duplicates([*PURCHASE_FIELDS], ignore_index=True)
    for name in ("transaction_id", "user_id", "product_id"):
        text = purchases[name].str.strip()
        purchases[name] = text.mask(text == "")
    texts = purchases[["quantity", "price"]]
    for name in ("quantity", "price"):
        purchases[name] = pd.to_numeric(purchases[name], errors="coerce").astype("float64")
    purchases["purchased_at"] = pd.to_datetime(
        purchases.pop("timestamp"), format="ISO8601", utc=True, errors="coerce"
    ).dt.tz_localize(None)
    is_unreadable = purchases[["quantity", "price"]].isna() & texts.notna()
    purchases["reasons"] = join_reasons(
        bad_price=(purchases["price"] < 0) | is_unreadable["price"],
        bad_quantity=(purchases["quantity"] == 0) | is_unreadable["quantity"],
        bad_timestamp=purchases["purchased_at"].isna(),
        missing_product=purchases["product_id"].isna(),
        unknown_product=purchases["product_id"].notna() & ~purchases["product_id"].isin(products),
    )
    return purchases


def join_reasons(**broken_rules: pd.Series) -> pd.Series:
    """Return the names of the broken rules joined by ';', missing for a clean row."""
    rules = pd.DataFrame(broken_rules)
    broken_rows = rules[rules.any(axis=1)]
    texts = [";".join(broken_rows.columns[row]) for row in broken_rows.to_numpy()]
    return pd.Series(texts, index=broken_rows.index, dtype="str").reindex(rules.index)


def build_transactions(purchases: pd.DataFrame) -> pd.DataFrame:
    """Return clean purchase lines as transactions."""
    quantity = purchases["quantity"].fillna(1)
    return purchases.drop(columns="reasons").assign(
        quantity=quantity,
        amount=quantity * purchases["price"],
        purchase_date=purchases["purchased_at"].dt.normalize(),
        is_return=quantity < 0,
    )


def compute_weighted_actions(events: pd.DataFrame, transactions: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """Return one row per action with its undecayed weight."""
    event_actions = events[["user_id", "product_id", "event_type", "event_at", "event_date", "device", "session_id"]]
    event_actions = event_actions.rename(
        columns={"event_type": "action_type", "event_at": "action_at", "event_date": "action_date"}
    )
    purchase_actions = transactions[["user_id", "product_id", "quantity", "amount", "transaction_id"]].assign(
        action_type=np.where(transactions["is_return"], "return", "purchase"),
        action_at=transactions["purchased_at"],
        action_date=transactions["purchase_date"],
        share=np.where(transactions["is_return"], compute_returned_share(transactions), 1.0),
    )
    types = pd.CategoricalDtype(list(ACTION_TYPES))
    ids = {
        name: pd.CategoricalDtype(
            event_actions[name].cat.categories.union(pd.Index(purchase_actions[name].dropna().unique()))
        )
        for name in ("user_id", "product_id")
    }
    actions = pd.concat(
        [frame.astype({"action_type": types, **ids}) for frame in (event_actions, purchase_actions)], ignore_index=True
    )
    by_type = weights.set_index("event_type")
    weight_event_type = actions["action_type"].astype(object).where(actions["action_type"] != "return", "purchase")
    actions["weight"] = weight_event_type.map(by_type["weight"]).astype("float64") * actions.pop("share").fillna(1.0)
    actions["half_life_days"] = weight_event_type.map(by_type["half_life_days"]).astype("float64")
    actions["second"] = to_epoch_seconds(actions["action_at"])
    return actions


def compute_returned_share(transactions: pd.DataFrame) -> pd.Series:
    """Return the number of purchases that each return cancels, as a negative number; missing for purchases."""
    returns = transactions[transactions["is_return"]].reset_index(names="row")
    purchase_lines = transactions.loc[~transactions["is_return"], ["user_id", "product_id", "purchased_at", "quantity"]]
    earlier_purchases = returns.dropna(subset="user_id").merge(
        purchase_lines, on=["user_id", "product_id"], suffixes=("", "_bought")
    )
    earlier_purchases = earlier_purchases[earlier_purchases["purchased_at_bought"] <= earlier_purchases["purchased_at"]]
    totals = earlier_purchases.groupby("row")["quantity_bought"].agg(["size", "sum"]).reindex(returns["row"])
    part = np.minimum(-returns["quantity"].to_numpy() / totals["sum"], 1.0)
    return (-part * totals["size"]).fillna(-1.0).reindex(transactions.index)


def to_epoch_seconds(timestamps: pd.Series) -> pd.Series:
    """Return whole seconds since 1970."""
    return timestamps.astype("datetime64[s]").astype("int64")


def compute_cutoffs(actions: pd.DataFrame) -> pd.DataFrame:
    """Return the cutoffs with their epoch second and last day."""
    first, last = actions["action_at"].min(), actions["action_at"].max()
    now = last + pd.Timedelta(seconds=1)
    window = pd.Timedelta(seconds=round((int(last.timestamp()) - int(first.timestamp())) * 0.1))
    test = (now - window).normalize()
    validation = (now - 2 * window).normalize()
    cutoffs = pd.DataFrame(
        {
            "cutoff": ["validation", "test", "now"],
            "as_of": [validation, test, now],
            "window_end_at": [test, now, pd.NaT],
        }
    )
    cutoffs["second"] = to_epoch_seconds(cutoffs["as_of"])
    cutoffs["last_day"] = (cutoffs["as_of"] - pd.Timedelta(seconds=1)).dt.normalize()
    return cutoffs


def iter_cutoffs(cutoffs: pd.DataFrame) -> Iterator[tuple[pd.Series, dict[str, Any]]]:
    """Yield each cutoff with the columns that identify it."""
    for _, cutoff in cutoffs.iterrows():
        yield cutoff, {"cutoff": cutoff["cutoff"], "as_of": cutoff["as_of"]}


def compute_user_product_interactions(actions: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """Return the strength and the counts of each customer-product pair."""
    user_actions = actions[actions["user_id"].notna()]
    action_counts = add_action_counts(
        user_actions, ["user_id", "product_id", "action_at", "second", "weight", "half_life_days", "quantity"]
    )
    parts = []
    for cutoff, cutoff_columns in iter_cutoffs(cutoffs):
        visible_actions = action_counts[action_counts["action_at"] < cutoff["as_of"]]
        days = (cutoff["second"] - visible_actions["second"]) / 86400
        visible_actions = visible_actions.assign(
            strength=visible_actions["weight"] * np.power(0.5, days / visible_actions["half_life_days"])
        )
        pairs = visible_actions.groupby(["user_id", "product_id"], observed=True, sort=False).agg(
            strength=("strength", "sum"),
            interaction_count=("strength", "size"),
            **{f"{name}_count": (f"{name}_count", "sum") for name in ACTION_TYPES},
            purchased_quantity=("quantity", "sum"),
            first_interaction_at=("action_at", "min"),
            last_interaction_at=("action_at", "max"),
        )
        parts.append(pairs.reset_index().assign(**cutoff_columns))
    interactions = pd.concat(parts, ignore_index=True)
    interactions["average_strength"] = interactions["strength"] / interactions["interaction_count"]
    return interactions


def add_action_counts(actions: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the columns and a 0/1 column for each action type."""
    return actions[columns].assign(
        **{f"{name}_count": (actions["action_type"] == name).astype("int32") for name in ACTION_TYPES}
    )


def compute_user_days(actions: pd.DataFrame) -> pd.DataFrame:
    """Return the action counts of each customer and day."""
    user_actions = actions[actions["user_id"].notna()]
    days = add_action_counts(user_actions, ["user_id", "action_date", "action_at"]).assign(
        spend=user_actions["amount"],
        purchase_spend=user_actions["amount"].where(user_actions["action_type"] == "purchase"),
        mobile_count=(user_actions["device"] == "mobile").astype("int32"),
        known_device_count=user_actions["device"].isin(["mobile", "web"]).astype("int32"),
        daytime_count=user_actions["action_at"].dt.hour.between(6, 17).astype("int32"),
    )
    keys = ["user_id", "action_date"]
    summed_columns = [
        *(f"{name}_count" for name in ACTION_TYPES),
        "spend",
        "purchase_spend",
        "mobile_count",
        "known_device_count",
        "daytime_count",
    ]
    day_groups = days.groupby(keys, observed=True, sort=False)
    result = day_groups[summed_columns].sum()
    result["action_count"] = day_groups.size()
    result["first_action_at"] = day_groups["action_at"].min()
    result["last_action_at"] = day_groups["action_at"].max()
    orders = user_actions[user_actions["action_type"] == "purchase"]
    for name, rows, id_column in (
        ("session_count", user_actions, "session_id"),
        ("order_count", orders, "transaction_id"),
    ):
        distinct_ids = rows.loc[rows[id_column].notna(), [*keys, id_column]].drop_duplicates()
        result[name] = distinct_ids.groupby(keys, observed=True, sort=False).size()
    return result.fillna({"session_count": 0, "order_count": 0}).reset_index()


def compute_user_activity(user_days: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """Return the activity features of each customer."""
    days = user_days.assign(
        weekend_count=user_days["action_count"].where(user_days["action_date"].dt.dayofweek >= 5, 0)
    )
    summed_columns = [name for name in map(str, days) if name.endswith("_count")]
    parts = []
    for cutoff, cutoff_columns in iter_cutoffs(cutoffs):
        visible_days = days[days["action_date"] < cutoff["as_of"]]
        for length in (7, 28):
            is_recent = visible_days["action_date"] > cutoff["last_day"] - pd.Timedelta(days=length)
            visible_days = visible_days.assign(
                **{f"action_count_{length}d": visible_days["action_count"].where(is_recent, 0)}
            )
        user_groups = visible_days.groupby("user_id", observed=True)
        user_totals = user_groups[[*summed_columns, "action_count_7d", "action_count_28d"]].sum()
        user_totals["total_spend"] = user_groups["spend"].sum()
        user_totals["purchase_spend"] = user_groups["purchase_spend"].sum()
        user_totals["active_days"] = user_groups.size()
        user_totals["first_action_at"] = user_groups["first_action_at"].min()
        user_totals["last_action_at"] = user_groups["last_action_at"].max()
        active_span_days = (user_groups["action_date"].max() - user_groups["action_date"].min()).dt.days
        user_totals["mean_days_between_active_days"] = divide(active_span_days, user_totals["active_days"] - 1)
        for name, timestamp_column in (("recency_days", "last_action_at"), ("tenure_days", "first_action_at")):
            user_totals[name] = (cutoff["second"] - to_epoch_seconds(user_totals[timestamp_column])) / 86400
        parts.append(user_totals.reset_index().assign(**cutoff_columns))
    activity = pd.concat(parts, ignore_index=True)
    for name, part, whole in (
        ("average_order_value", "purchase_spend", "order_count"),
        ("click_rate", "click_count", "view_count"),
        ("add_to_cart_rate", "add_to_cart_count", "view_count"),
        ("purchase_rate", "purchase_count", "view_count"),
        ("cart_purchase_rate", "purchase_count", "add_to_cart_count"),
        ("mobile_share", "mobile_count", "known_device_count"),
        ("weekend_share", "weekend_count", "action_count"),
        ("daytime_share", "daytime_count", "action_count"),
    ):
        activity[name] = divide(activity[part], activity[whole])
    return activity


def divide(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    """Return the quotient; missing where the denominator is zero."""
    return numerator / denominator.where(denominator != 0)


def compute_product_popularity(
    actions: pd.DataFrame, interactions: pd.DataFrame, cutoffs: pd.DataFrame
) -> pd.DataFrame:
    """Return the popularity of each product, in windows of days and with decay."""
    columns = ["product_id", "action_date", "action_at", "second", "weight", "amount"]
    action_counts = add_action_counts(actions, columns)
    day_end = to_epoch_seconds(action_counts["action_date"]) + 86400
    action_counts["popularity"] = action_counts["weight"] * np.power(
        0.5, (day_end - action_counts["second"]) / 86400 / 28
    )
    day_groups = action_counts.groupby(["product_id", "action_date"], observed=True, sort=False)
    days = day_groups[[*(f"{name}_count" for name in ACTION_TYPES), "amount", "popularity"]].sum()
    days["first_action_at"] = day_groups["action_at"].min()
    days["last_action_at"] = day_groups["action_at"].max()
    days = days.reset_index()
    days["event_count"] = days[[f"{name}_count" for name in ACTION_TYPES[:4]]].sum(axis=1)
    parts = []
    for cutoff, cutoff_columns in iter_cutoffs(cutoffs):
        visible_days = days[days["action_date"] < cutoff["as_of"]]
        decay = np.power(0.5, (cutoff["second"] - to_epoch_seconds(visible_days["action_date"]) - 86400) / 86400 / 28)
        sums = {"revenue": visible_days["amount"], "recent_popularity": visible_days["popularity"] * decay}
        pairs = interactions[interactions["cutoff"] == cutoff["cutoff"]]
        user_counts = {"user_count": pairs["product_id"].notna(), "buyer_count": pairs["purchase_count"] > 0}
        for length in (1, 7, 28):
            first_day = cutoff["last_day"] - pd.Timedelta(days=length - 1)
            for measure in ("event_count", "purchase_count"):
                sums[f"{measure}_{length}d"] = visible_days[measure].where(visible_days["action_date"] >= first_day, 0)
            user_counts[f"user_count_{length}d"] = pairs["last_interaction_at"] >= first_day
        for measure in ("event_count", "purchase_count", "return_count", "view_count"):
            sums[measure] = visible_days[measure]
        result = pd.DataFrame(sums).groupby(visible_days["product_id"], observed=True).sum()
        product_days = visible_days.groupby("product_id", observed=True)
        result["first_action_at"] = product_days["first_action_at"].min()
        result["last_action_at"] = product_days["last_action_at"].max()
        user_count_sums = pd.DataFrame(user_counts).groupby(pairs["product_id"], observed=True).sum()
        result = result.join(user_count_sums).fillna(dict.fromkeys(user_count_sums, 0))
        parts.append(result.reset_index().assign(**cutoff_columns))
    popularity = pd.concat(parts, ignore_index=True)
    popularity["conversion_rate"] = divide(popularity["buyer_count"], popularity["user_count"])
    popularity["purchases_per_view"] = divide(popularity["purchase_count"], popularity["view_count"])
    for measure in ("event", "purchase"):
        popularity[f"{measure}_trend"] = divide(
            popularity[f"{measure}_count_7d"] * 4, popularity[f"{measure}_count_28d"]
        )
    return popularity


def compute_product_pairs(transactions: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of products with at least two joint orders."""
    lines = transactions.loc[~transactions["is_return"], ["transaction_id", "product_id", "purchased_at"]]
    parts = []
    for cutoff, cutoff_columns in iter_cutoffs(cutoffs):
        visible_lines = lines[lines["purchased_at"] < cutoff["as_of"]]
        visible_lines = visible_lines.groupby(["transaction_id", "product_id"], as_index=False, sort=False)[
            "purchased_at"
        ].max()
        orders = visible_lines["product_id"].value_counts()
        sizes = visible_lines.groupby("transaction_id")["product_id"].transform("size")
        baskets = visible_lines[sizes.between(2, 100)]
        pairs = baskets.merge(baskets[["transaction_id", "product_id"]], on="transaction_id", suffixes=("", "_other"))
        pairs = pairs[pairs["product_id"] != pairs["product_id_other"]]
        joint_orders = pairs.groupby(["product_id", "product_id_other"], sort=False)["purchased_at"].agg(
            ["size", "max"]
        )
        joint_orders = joint_orders[joint_orders["size"] >= 2].reset_index()
        joint_orders.columns = ["product_id", "other_product_id", "joint_order_count", "last_joint_order_at"]
        joint_orders["order_count"] = joint_orders["product_id"].map(orders)
        joint_orders["other_order_count"] = joint_orders["other_product_id"].map(orders)
        joint_orders["confidence"] = joint_orders["joint_order_count"] / joint_orders["order_count"]
        expected_confidence = joint_orders["other_order_count"] / visible_lines["transaction_id"].nunique()
        parts.append(joint_orders.assign(lift=joint_orders["confidence"] / expected_confidence, **cutoff_columns))
    return pd.concat(parts, ignore_index=True)


PRODUCT_ATTRIBUTES = ["product_name", "category", "brand", "price", "popularity_score", "is_available"]


def compute_product_history(catalog: pd.DataFrame) -> pd.DataFrame:
    """Return the versions of each product with their validity periods."""
    history = catalog.sort_values(["product_id", "effective_at"], kind="stable")
    history = history[
        ~(history[PRODUCT_ATTRIBUTES] == history.groupby("product_id")[PRODUCT_ATTRIBUTES].shift()).all(axis=1)
    ]
    by_product = history.groupby("product_id")["effective_at"]
    next_effective_at = by_product.shift(-1)
    return history[["product_id", *PRODUCT_ATTRIBUTES]].assign(
        version=by_product.cumcount() + 1,
        valid_from=history["effective_at"],
        valid_to=next_effective_at.astype("datetime64[us]").fillna(pd.Timestamp("9999-12-31")),
        is_current=next_effective_at.isna(),
    )


def compute_current_products(history: pd.DataFrame, popularity: pd.DataFrame) -> pd.DataFrame:
    """Return the current version of each product."""
    by_product = history.groupby("product_id")["valid_from"]
    first_actions = popularity.groupby("product_id", observed=True)["first_action_at"].min()
    first_actions.index = first_actions.index.astype("str")
    products = history.loc[history["is_current"], ["product_id", *PRODUCT_ATTRIBUTES]].set_index("product_id")
    products["first_seen_at"] = pd.concat([by_product.min(), first_actions.reindex(products.index)], axis=1).min(axis=1)
    products["last_updated_at"] = by_product.max()
    return products.reset_index()


def compute_product_features(
    products: pd.DataFrame, history: pd.DataFrame, popularity: pd.DataFrame, cutoffs: pd.DataFrame
) -> pd.DataFrame:
    """Return the features of each product at the cutoff."""
    parts = []
    for cutoff, cutoff_columns in iter_cutoffs(cutoffs):
        known_products = products.loc[
            (products["first_seen_at"] < cutoff["as_of"]) | (cutoff["cutoff"] == "now"), ["product_id"]
        ]
        versions = history[history["valid_from"] < cutoff["as_of"]].groupby("product_id").tail(1)
        popularity_at_cutoff = popularity.loc[
            popularity["cutoff"] == cutoff["cutoff"],
            ["product_id", "user_count", "user_count_28d", "recent_popularity"],
        ].astype({"product_id": "str"})
        attributes = known_products.merge(versions, on="product_id", how="left").merge(
            popularity_at_cutoff, on="product_id", how="left"
        )
        parts.append(attributes.assign(**cutoff_columns))
    features = pd.concat(parts, ignore_index=True).rename(
        columns={"user_count": "popularity", "user_count_28d": "active_users_28d"}
    )
    features["product_name"] = features["product_name"].fillna(features["product_id"])
    features = features.fillna(
        {"popularity": 0.0, "active_users_28d": 0.0, "recent_popularity": 0.0, "is_available": True}
    )
    return features[
        ["cutoff", "as_of", "product_id", "product_name", "category", "brand", "price", "popularity",
         "active_users_28d", "recent_popularity", "is_available"]
    ]  # fmt: skip


def compute_affinity(interactions: pd.DataFrame, features: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Return the affinity of each customer to each category or brand."""
    parts = []
    for cutoff, pairs in interactions.groupby("cutoff"):
        attribute_by_product = (
            features[features["cutoff"] == cutoff].set_index("product_id")[attribute].astype("category")
        )
        attributes = pairs["product_id"].map(attribute_by_product).astype(attribute_by_product.dtype)
        affinities = (
            pairs.groupby(["as_of", "user_id", attributes.rename(attribute)], observed=True, sort=False)
            .agg(
                strength=("strength", "sum"),
                interaction_count=("interaction_count", "sum"),
                purchase_count=("purchase_count", "sum"),
                product_count=("product_id", "size"),
                last_interaction_at=("last_interaction_at", "max"),
            )
            .reset_index()
        )
        positive_strength = affinities["strength"].where(affinities["strength"] > 0)
        total_strength = positive_strength.groupby(affinities["user_id"], observed=True).transform("sum")
        parts.append(affinities.assign(cutoff=cutoff, affinity=positive_strength / total_strength))
    return pd.concat(parts, ignore_index=True)


def compute_users(user_days: pd.DataFrame, affinities: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the customers with totals and favourites."""
    user_groups = user_days.groupby("user_id", observed=True)
    sums = user_groups[[name for name in map(str, user_days) if name.endswith("_count")]].sum()
    web_count = sums["known_device_count"] - sums["mobile_count"]
    result = pd.DataFrame(
        {
            "first_seen_at": user_groups["first_action_at"].min(),
            "last_seen_at": user_groups["last_action_at"].max(),
            "event_count": sums[[f"{name}_count" for name in ACTION_TYPES[:4]]].sum(axis=1),
            "purchase_count": sums["purchase_count"],
            "return_count": sums["return_count"],
            "total_spend": user_groups["spend"].sum(),
            "main_device": np.select(
                [(sums["mobile_count"] >= web_count) & (sums["mobile_count"] > 0), web_count > 0],
                ["mobile", "web"],
                "unknown",
            ),
        }
    )
    for attribute, affinity in affinities.items():
        positive_affinity = affinity[(affinity["cutoff"] == "now") & (affinity["strength"] > 0)]
        favourites = positive_affinity.loc[
            positive_affinity.groupby("user_id", observed=True)["strength"].idxmax(), ["user_id", attribute]
        ]
        result[f"favourite_{attribute}"] = favourites.set_index("user_id")[attribute].astype("str")
    return result.reset_index()


def compute_evaluation_pairs(
    actions: pd.DataFrame, interactions: pd.DataFrame, features: pd.DataFrame, cutoffs: pd.DataFrame
) -> pd.DataFrame:
    """Return the new customer-product pairs in each window, for products that existed at the cutoff."""
    parts = []
    for cutoff, _ in iter_cutoffs(cutoffs[cutoffs["window_end_at"].notna()]):
        is_in_window = (actions["action_at"] >= cutoff["as_of"]) & (actions["action_at"] < cutoff["window_end_at"])
        window_actions = actions[is_in_window & actions["user_id"].notna()]
        window_actions = window_actions.groupby(["user_id", "product_id"], observed=True, sort=False)["weight"].sum()
        pairs = window_actions[window_actions > 1e-6].reset_index()[["user_id", "product_id"]]
        known_products = features.loc[features["cutoff"] == cutoff["cutoff"], "product_id"]
        interactions_at_cutoff = interactions[interactions["cutoff"] == cutoff["cutoff"]]
        pairs = pairs[pairs["product_id"].isin(known_products)]
        pairs = pairs.merge(
            interactions_at_cutoff[["user_id", "product_id"]], how="left_anti", on=["user_id", "product_id"]
        )
        is_known_user = pairs["user_id"].isin(
            interactions_at_cutoff.loc[interactions_at_cutoff["strength"] > 0, "user_id"]
        )
        # The benchmark's shop has no repeat purchases.
        parts.append(pairs.assign(is_known_user=is_known_user, is_repeat=False, cutoff=cutoff["cutoff"]))
    return pd.concat(parts, ignore_index=True)
