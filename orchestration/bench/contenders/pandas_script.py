"""The tables of the demo shop by one pandas script: no tests, no ledger, no rejected lines kept, no increments."""

# The stubs of pandas give Any for what operators and chained calls return.
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

from orchestration.bench.contenders import WEIGHTS
from warehouse.settings import Settings

EVENT_TYPES = {"view": "view", "click": "click", "add-to-cart": "add_to_cart"}
COUNTED = ("view", "click", "add_to_cart", "remove_from_cart", "purchase", "return")
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
    transactions = save("fct_transactions", as_transactions(purchases[purchases["reasons"].isna()]))
    yield "read"

    actions = weighted_actions(events, transactions, pd.read_csv(WEIGHTS))
    del events, purchases
    cutoffs = as_of_spine(actions)
    interactions = save("feat_user_product_interactions", user_product_interactions(actions, cutoffs))
    user_days = days_of_users(actions)
    save("feat_user_activity", user_activity(user_days, cutoffs))
    popularity = save("feat_product_popularity", product_popularity(actions, interactions, cutoffs))
    save("feat_product_pairs", product_pairs(transactions, cutoffs))
    yield "features"

    history = save("dim_product_history", product_history(catalog))
    dim_products = save("dim_products", current_products(history, popularity))
    features = save("ml_product_features", product_features(dim_products, history, popularity, cutoffs))
    likings = {
        fact: save(f"feat_user_{fact}_affinity", affinity(interactions, features, fact))
        for fact in ("category", "brand")
    }
    save("dim_users", users(user_days, likings))
    save("ml_evaluation_pairs", evaluation_pairs(actions, interactions, features, cutoffs))
    yield "products and customers"


def read_catalog(landing: Path) -> pd.DataFrame:
    """Catalog records that differ from the product's record before."""
    pages = []
    for path in sorted(landing.glob("catalog/*/*.json")):
        page = pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["products"])
        page["effective_at"] = pd.Timestamp(path.parent.name)
        pages.append(page)
    catalog = pd.concat(pages, ignore_index=True).rename(columns={"name": "product_name", "in_stock": "is_available"})
    product_id = catalog["product_id"].astype("str").str.strip()
    catalog["product_id"] = product_id.mask(product_id == "")
    for fact in ("category", "brand"):
        catalog[fact] = catalog[fact].str.lower()
    price_text = catalog["price"].astype("str")
    catalog["price"] = pd.to_numeric(catalog["price"], errors="coerce").astype("float64")
    facts = [catalog[name] for name in ("product_name", "category", "brand", "popularity_score", "is_available")]
    is_repeat = (
        pd.concat([*facts, price_text], axis=1)
        == pd.concat([*facts, price_text], axis=1).groupby(catalog["product_id"], dropna=False).shift()
    )
    catalog["reasons"] = reasons(
        bad_price=(catalog["price"] < 0) | catalog["price"].isna() & price_text.notna(),
        missing_product=catalog["product_id"].isna(),
    )
    return catalog[~is_repeat.all(axis=1)]


def read_events(landing: Path, products: pd.Index) -> pd.DataFrame:
    """The clickstream typed, without copies, each row with the rules that it breaks."""
    paths = sorted(landing.glob("clickstream/*.jsonl*"))
    table = pa.concat_tables([clickstream_file(path) for path in paths]).unify_dictionaries().combine_chunks()
    events = table.to_pandas()
    del table
    events = events.drop_duplicates([name for name in events if name != "_file"], ignore_index=True)
    texts = events["event_type"].cat.categories
    events["event_type"] = events["event_type"].map({text: EVENT_TYPES.get(text) for text in texts}).astype("category")
    events["event_at"] = pd.to_datetime(
        events.pop("timestamp"), format="ISO8601", utc=True, errors="coerce"
    ).dt.tz_localize(None)
    events["event_date"] = events["event_at"].dt.normalize()
    events["reasons"] = reasons(
        bad_timestamp=events["event_at"].isna(),
        missing_product=events["product_id"].isna(),
        missing_user=events["user_id"].isna(),
        unknown_event_type=events["event_type"].isna(),
        unknown_product=events["product_id"].notna() & ~events["product_id"].isin(products),
    )
    return events


def clickstream_file(path: Path) -> pa.Table:
    """One file's lines as texts, few-valued columns as dictionaries; lines that are no JSON are left out."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    # A line that was cut off does not end the object it began.
    whole = [line for line in content.split(b"\n") if line.endswith(b"}")]
    table = pyarrow.json.read_json(
        pa.BufferReader(b"\n".join(whole)),
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
    """The purchase lines typed, without copies, each row with the rules that it breaks."""
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
    unreadable = purchases[["quantity", "price"]].isna() & texts.notna()
    purchases["reasons"] = reasons(
        bad_price=(purchases["price"] < 0) | unreadable["price"],
        bad_quantity=(purchases["quantity"] == 0) | unreadable["quantity"],
        bad_timestamp=purchases["purchased_at"].isna(),
        missing_product=purchases["product_id"].isna(),
        unknown_product=purchases["product_id"].notna() & ~purchases["product_id"].isin(products),
    )
    return purchases


def reasons(**broken: pd.Series) -> pd.Series:
    """Names of the broken rules joined by ';', missing where there is none."""
    rules = pd.DataFrame(broken)
    bad = rules[rules.any(axis=1)]
    texts = [";".join(bad.columns[row]) for row in bad.to_numpy()]
    return pd.Series(texts, index=bad.index, dtype="str").reindex(rules.index)


def as_transactions(purchases: pd.DataFrame) -> pd.DataFrame:
    """Clean purchase lines as transactions."""
    quantity = purchases["quantity"].fillna(1)
    return purchases.drop(columns="reasons").assign(
        quantity=quantity,
        amount=quantity * purchases["price"],
        purchase_date=purchases["purchased_at"].dt.normalize(),
        is_return=quantity < 0,
    )


def weighted_actions(events: pd.DataFrame, transactions: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """What customers did, one row each, with the weight that it has on its day."""
    clicks = events[["user_id", "product_id", "event_type", "event_at", "event_date", "device", "session_id"]]
    clicks = clicks.rename(columns={"event_type": "action_type", "event_at": "action_at", "event_date": "action_date"})
    bought = transactions[["user_id", "product_id", "quantity", "amount", "transaction_id"]].assign(
        action_type=np.where(transactions["is_return"], "return", "purchase"),
        action_at=transactions["purchased_at"],
        action_date=transactions["purchase_date"],
        share=np.where(transactions["is_return"], returned_share(transactions), 1.0),
    )
    types = pd.CategoricalDtype(list(COUNTED))
    ids = {
        name: pd.CategoricalDtype(clicks[name].cat.categories.union(pd.Index(bought[name].dropna().unique())))
        for name in ("user_id", "product_id")
    }
    actions = pd.concat([frame.astype({"action_type": types, **ids}) for frame in (clicks, bought)], ignore_index=True)
    by_type = weights.set_index("event_type")
    weight_event_type = actions["action_type"].astype(object).where(actions["action_type"] != "return", "purchase")
    actions["weight"] = weight_event_type.map(by_type["weight"]).astype("float64") * actions.pop("share").fillna(1.0)
    actions["half_life_days"] = weight_event_type.map(by_type["half_life_days"]).astype("float64")
    actions["second"] = seconds(actions["action_at"])
    return actions


def returned_share(transactions: pd.DataFrame) -> pd.Series:
    """For each return, how many purchases it takes back, as a negative number; missing elsewhere."""
    returns = transactions[transactions["is_return"]].reset_index(names="row")
    bought = transactions.loc[~transactions["is_return"], ["user_id", "product_id", "purchased_at", "quantity"]]
    before = returns.dropna(subset="user_id").merge(bought, on=["user_id", "product_id"], suffixes=("", "_bought"))
    before = before[before["purchased_at_bought"] <= before["purchased_at"]]
    totals = before.groupby("row")["quantity_bought"].agg(["size", "sum"]).reindex(returns["row"])
    part = np.minimum(-returns["quantity"].to_numpy() / totals["sum"], 1.0)
    return (-part * totals["size"]).fillna(-1.0).reindex(transactions.index)


def seconds(instants: pd.Series) -> pd.Series:
    """Whole seconds since 1970."""
    return instants.astype("datetime64[s]").astype("int64")


def as_of_spine(actions: pd.DataFrame) -> pd.DataFrame:
    """The instants that features are computed as of, each with its second and last day."""
    first, last = actions["action_at"].min(), actions["action_at"].max()
    now = last + pd.Timedelta(seconds=1)
    window = pd.Timedelta(seconds=round((int(last.timestamp()) - int(first.timestamp())) * 0.1))
    test = (now - window).normalize()
    validation = (test - window).normalize()
    cutoffs = pd.DataFrame(
        {
            "cutoff": ["validation", "test", "now"],
            "as_of": [validation, test, now],
            "window_end_at": [test, now, pd.NaT],
        }
    )
    cutoffs["second"] = seconds(cutoffs["as_of"])
    cutoffs["last_day"] = (cutoffs["as_of"] - pd.Timedelta(seconds=1)).dt.normalize()
    return cutoffs


def for_each_instant(cutoffs: pd.DataFrame) -> Iterator[tuple[pd.Series, dict[str, Any]]]:
    """The rows of the cutoffs, each with the columns that name it."""
    for _, instant in cutoffs.iterrows():
        yield instant, {"cutoff": instant["cutoff"], "as_of": instant["as_of"]}


def user_product_interactions(actions: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """How strongly each customer took to each product."""
    named = actions[actions["user_id"].notna()]
    counted = with_counts(
        named, ["user_id", "product_id", "action_at", "second", "weight", "half_life_days", "quantity"]
    )
    parts = []
    for instant, named_as in for_each_instant(cutoffs):
        seen = counted[counted["action_at"] < instant["as_of"]]
        days = (instant["second"] - seen["second"]) / 86400
        seen = seen.assign(strength=seen["weight"] * np.power(0.5, days / seen["half_life_days"]))
        pairs = seen.groupby(["user_id", "product_id"], observed=True, sort=False).agg(
            strength=("strength", "sum"),
            interaction_count=("strength", "size"),
            **{f"{name}_count": (f"{name}_count", "sum") for name in COUNTED},
            purchased_quantity=("quantity", "sum"),
            first_interaction_at=("action_at", "min"),
            last_interaction_at=("action_at", "max"),
        )
        parts.append(pairs.reset_index().assign(**named_as))
    interactions = pd.concat(parts, ignore_index=True)
    interactions["average_strength"] = interactions["strength"] / interactions["interaction_count"]
    return interactions


def with_counts(actions: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """These columns, and for every action type one that is 1 where the action is of that type."""
    return actions[columns].assign(
        **{f"{name}_count": (actions["action_type"] == name).astype("int32") for name in COUNTED}
    )


def days_of_users(actions: pd.DataFrame) -> pd.DataFrame:
    """What each customer did on each day."""
    named = actions[actions["user_id"].notna()]
    days = with_counts(named, ["user_id", "action_date", "action_at"]).assign(
        spend=named["amount"],
        mobile_count=(named["device"] == "mobile").astype("int32"),
        known_device_count=named["device"].isin(["mobile", "web"]).astype("int32"),
        daytime_count=named["action_at"].dt.hour.between(6, 17).astype("int32"),
    )
    keys = ["user_id", "action_date"]
    added = [*(f"{name}_count" for name in COUNTED), "spend", "mobile_count", "known_device_count", "daytime_count"]
    grouped = days.groupby(keys, observed=True, sort=False)
    result = grouped[added].sum()
    result["action_count"] = grouped.size()
    result["first_action_at"] = grouped["action_at"].min()
    result["last_action_at"] = grouped["action_at"].max()
    orders = named[named["action_type"] == "purchase"]
    for name, rows, what in (("session_count", named, "session_id"), ("order_count", orders, "transaction_id")):
        single = rows.loc[rows[what].notna(), [*keys, what]].drop_duplicates()
        result[name] = single.groupby(keys, observed=True, sort=False).size()
    return result.fillna({"session_count": 0, "order_count": 0}).reset_index()


def user_activity(user_days: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """How active each customer was."""
    days = user_days.assign(
        weekend_count=user_days["action_count"].where(user_days["action_date"].dt.dayofweek >= 5, 0)
    )
    added = [name for name in map(str, days) if name.endswith("_count")]
    parts = []
    for instant, named_as in for_each_instant(cutoffs):
        seen = days[days["action_date"] < instant["as_of"]]
        for length in (7, 28):
            recent = seen["action_date"] > instant["last_day"] - pd.Timedelta(days=length)
            seen = seen.assign(**{f"action_count_{length}d": seen["action_count"].where(recent, 0)})
        grouped = seen.groupby("user_id", observed=True)
        counted = grouped[[*added, "action_count_7d", "action_count_28d"]].sum()
        counted["total_spend"] = grouped["spend"].sum()
        counted["active_days"] = grouped.size()
        counted["first_action_at"] = grouped["first_action_at"].min()
        counted["last_action_at"] = grouped["last_action_at"].max()
        spanned = (grouped["action_date"].max() - grouped["action_date"].min()).dt.days
        counted["days_between_visits"] = share(spanned, counted["active_days"] - 1)
        for name, moment in (("recency_days", "last_action_at"), ("tenure_days", "first_action_at")):
            counted[name] = (instant["second"] - seconds(counted[moment])) / 86400
        parts.append(counted.reset_index().assign(**named_as))
    activity = pd.concat(parts, ignore_index=True)
    for name, part, whole in (
        ("average_order_value", "total_spend", "order_count"),
        ("click_rate", "click_count", "view_count"),
        ("add_to_cart_rate", "add_to_cart_count", "view_count"),
        ("purchase_rate", "purchase_count", "view_count"),
        ("cart_purchase_rate", "purchase_count", "add_to_cart_count"),
        ("mobile_share", "mobile_count", "known_device_count"),
        ("weekend_share", "weekend_count", "action_count"),
        ("daytime_share", "daytime_count", "action_count"),
    ):
        activity[name] = share(activity[part], activity[whole])
    return activity


def share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """One number as a share of another; missing where the other is zero."""
    return part / whole.where(whole != 0)


def product_popularity(actions: pd.DataFrame, interactions: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """How popular each product was, in windows of days and with fading."""
    columns = ["product_id", "action_date", "action_at", "second", "weight", "amount"]
    counted = with_counts(actions, columns)
    day_end = seconds(counted["action_date"]) + 86400
    counted["popularity"] = counted["weight"] * np.power(0.5, (day_end - counted["second"]) / 86400 / 28)
    grouped = counted.groupby(["product_id", "action_date"], observed=True, sort=False)
    days = grouped[[*(f"{name}_count" for name in COUNTED), "amount", "popularity"]].sum()
    days["first_action_at"] = grouped["action_at"].min()
    days["last_action_at"] = grouped["action_at"].max()
    days = days.reset_index()
    days["event_count"] = days[[f"{name}_count" for name in COUNTED[:4]]].sum(axis=1)
    parts = []
    for instant, named_as in for_each_instant(cutoffs):
        seen = days[days["action_date"] < instant["as_of"]]
        faded = np.power(0.5, (instant["second"] - seconds(seen["action_date"]) - 86400) / 86400 / 28)
        sums = {"revenue": seen["amount"], "recent_popularity": seen["popularity"] * faded}
        pairs = interactions[interactions["cutoff"] == instant["cutoff"]]
        people = {"user_count": pairs["product_id"].notna(), "buyer_count": pairs["purchase_count"] > 0}
        for length in (1, 7, 28):
            first_day = instant["last_day"] - pd.Timedelta(days=length - 1)
            for measure in ("event_count", "purchase_count"):
                sums[f"{measure}_{length}d"] = seen[measure].where(seen["action_date"] >= first_day, 0)
            people[f"user_count_{length}d"] = pairs["last_interaction_at"] >= first_day
        for measure in ("event_count", "purchase_count", "return_count", "view_count"):
            sums[measure] = seen[measure]
        result = pd.DataFrame(sums).groupby(seen["product_id"], observed=True).sum()
        moments = seen.groupby("product_id", observed=True)
        result["first_action_at"] = moments["first_action_at"].min()
        result["last_action_at"] = moments["last_action_at"].max()
        by_people = pd.DataFrame(people).groupby(pairs["product_id"], observed=True).sum()
        result = result.join(by_people).fillna(dict.fromkeys(by_people, 0))
        parts.append(result.reset_index().assign(**named_as))
    popularity = pd.concat(parts, ignore_index=True)
    popularity["conversion_rate"] = share(popularity["buyer_count"], popularity["user_count"])
    popularity["purchases_per_view"] = share(popularity["purchase_count"], popularity["view_count"])
    for measure in ("event", "purchase"):
        popularity[f"{measure}_trend"] = share(
            popularity[f"{measure}_count_7d"] * 4, popularity[f"{measure}_count_28d"]
        )
    return popularity


def product_pairs(transactions: pd.DataFrame, cutoffs: pd.DataFrame) -> pd.DataFrame:
    """Products bought together in two orders or more."""
    lines = transactions.loc[~transactions["is_return"], ["transaction_id", "product_id", "purchased_at"]]
    parts = []
    for instant, named_as in for_each_instant(cutoffs):
        seen = lines[lines["purchased_at"] < instant["as_of"]]
        seen = seen.groupby(["transaction_id", "product_id"], as_index=False, sort=False)["purchased_at"].max()
        orders = seen["product_id"].value_counts()
        sizes = seen.groupby("transaction_id")["product_id"].transform("size")
        baskets = seen[sizes.between(2, 100)]
        pairs = baskets.merge(baskets[["transaction_id", "product_id"]], on="transaction_id", suffixes=("", "_other"))
        pairs = pairs[pairs["product_id"] != pairs["product_id_other"]]
        together = pairs.groupby(["product_id", "product_id_other"], sort=False)["purchased_at"].agg(["size", "max"])
        together = together[together["size"] >= 2].reset_index()
        together.columns = ["product_id", "other_product_id", "joint_order_count", "last_joint_order_at"]
        together["order_count"] = together["product_id"].map(orders)
        together["other_order_count"] = together["other_product_id"].map(orders)
        together["confidence"] = together["joint_order_count"] / together["order_count"]
        expected = together["other_order_count"] / seen["transaction_id"].nunique()
        parts.append(together.assign(lift=together["confidence"] / expected, **named_as))
    return pd.concat(parts, ignore_index=True)


FACTS = ["product_name", "category", "brand", "price", "popularity_score", "is_available"]


def product_history(catalog: pd.DataFrame) -> pd.DataFrame:
    """What the catalog said of each product, and when."""
    history = catalog.sort_values(["product_id", "effective_at"], kind="stable")
    history = history[~(history[FACTS] == history.groupby("product_id")[FACTS].shift()).all(axis=1)]
    by_product = history.groupby("product_id")["effective_at"]
    following = by_product.shift(-1)
    return history[["product_id", *FACTS]].assign(
        version=by_product.cumcount() + 1,
        valid_from=history["effective_at"],
        valid_to=following.astype("datetime64[us]").fillna(pd.Timestamp("9999-12-31")),
        is_current=following.isna(),
    )


def current_products(history: pd.DataFrame, popularity: pd.DataFrame) -> pd.DataFrame:
    """The products as they are now."""
    by_product = history.groupby("product_id")["valid_from"]
    first_actions = popularity.groupby("product_id", observed=True)["first_action_at"].min()
    first_actions.index = first_actions.index.astype("str")
    products = history.loc[history["is_current"], ["product_id", *FACTS]].set_index("product_id")
    products["first_seen_at"] = pd.concat([by_product.min(), first_actions.reindex(products.index)], axis=1).min(axis=1)
    products["last_updated_at"] = by_product.max()
    return products.reset_index()


def product_features(
    products: pd.DataFrame, history: pd.DataFrame, popularity: pd.DataFrame, cutoffs: pd.DataFrame
) -> pd.DataFrame:
    """What was known of each product."""
    parts = []
    for instant, named_as in for_each_instant(cutoffs):
        known = products.loc[
            (products["first_seen_at"] < instant["as_of"]) | (instant["cutoff"] == "now"), ["product_id"]
        ]
        versions = history[history["valid_from"] < instant["as_of"]].groupby("product_id").tail(1)
        of_now = popularity.loc[
            popularity["cutoff"] == instant["cutoff"],
            ["product_id", "user_count", "user_count_28d", "recent_popularity"],
        ].astype({"product_id": "str"})
        facts = known.merge(versions, on="product_id", how="left").merge(of_now, on="product_id", how="left")
        parts.append(facts.assign(**named_as))
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


def affinity(interactions: pd.DataFrame, features: pd.DataFrame, fact: str) -> pd.DataFrame:
    """How much each customer likes each category or brand."""
    parts = []
    for cutoff, pairs in interactions.groupby("cutoff"):
        known = features[features["cutoff"] == cutoff].set_index("product_id")[fact].astype("category")
        told = pairs["product_id"].map(known).astype(known.dtype)
        likings = (
            pairs.groupby(["as_of", "user_id", told.rename(fact)], observed=True, sort=False)
            .agg(
                strength=("strength", "sum"),
                interaction_count=("interaction_count", "sum"),
                purchase_count=("purchase_count", "sum"),
                product_count=("product_id", "size"),
                last_interaction_at=("last_interaction_at", "max"),
            )
            .reset_index()
        )
        positive = likings["strength"].where(likings["strength"] > 0)
        whole = positive.groupby(likings["user_id"], observed=True).transform("sum")
        parts.append(likings.assign(cutoff=cutoff, affinity=positive / whole))
    return pd.concat(parts, ignore_index=True)


def users(user_days: pd.DataFrame, likings: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The customers."""
    grouped = user_days.groupby("user_id", observed=True)
    sums = grouped[[name for name in map(str, user_days) if name.endswith("_count")]].sum()
    web_count = sums["known_device_count"] - sums["mobile_count"]
    result = pd.DataFrame(
        {
            "first_seen_at": grouped["first_action_at"].min(),
            "last_seen_at": grouped["last_action_at"].max(),
            "event_count": sums[[f"{name}_count" for name in COUNTED[:4]]].sum(axis=1),
            "purchase_count": sums["purchase_count"],
            "return_count": sums["return_count"],
            "total_spend": grouped["spend"].sum(),
            "main_device": np.select(
                [(sums["mobile_count"] >= web_count) & (sums["mobile_count"] > 0), web_count > 0],
                ["mobile", "web"],
                "unknown",
            ),
        }
    )
    for fact, liking in likings.items():
        liked = liking[(liking["cutoff"] == "now") & (liking["strength"] > 0)]
        best = liked.loc[liked.groupby("user_id", observed=True)["strength"].idxmax(), ["user_id", fact]]
        result[f"favourite_{fact}"] = best.set_index("user_id")[fact].astype("str")
    return result.reset_index()


def evaluation_pairs(
    actions: pd.DataFrame, interactions: pd.DataFrame, features: pd.DataFrame, cutoffs: pd.DataFrame
) -> pd.DataFrame:
    """What customers took in each window and had not met before; only products that were there can be recommended."""
    parts = []
    for instant, _ in for_each_instant(cutoffs[cutoffs["window_end_at"].notna()]):
        window = (actions["action_at"] >= instant["as_of"]) & (actions["action_at"] < instant["window_end_at"])
        taken = actions[window & actions["user_id"].notna()]
        taken = taken.groupby(["user_id", "product_id"], observed=True, sort=False)["weight"].sum()
        pairs = taken[taken > 1e-6].reset_index()[["user_id", "product_id"]]
        known = features.loc[features["cutoff"] == instant["cutoff"], "product_id"]
        seen = interactions[interactions["cutoff"] == instant["cutoff"]]
        pairs = pairs[pairs["product_id"].isin(known)]
        pairs = pairs.merge(seen[["user_id", "product_id"]], how="left_anti", on=["user_id", "product_id"])
        is_known_user = pairs["user_id"].isin(seen.loc[seen["strength"] > 0, "user_id"])
        parts.append(pairs.assign(is_known_user=is_known_user, cutoff=instant["cutoff"]))
    return pd.concat(parts, ignore_index=True)
