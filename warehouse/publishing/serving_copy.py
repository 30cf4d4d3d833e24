"""Queries of the published copy for the app, the service and the command line."""

from collections.abc import Sequence
from dataclasses import fields
from types import TracebackType
from typing import Any, Self, cast

import duckdb
import pandas as pd

from warehouse.effect_report import EffectReport, read_effect
from warehouse.errors import RecomartError
from warehouse.experiments import ExperimentArm
from warehouse.publishing.live_copy import PublishedCopy, make_copy_error, open_copy, open_live_copy
from warehouse.publishing.merchandising_rules import MerchandisingRules
from warehouse.publishing.reason_circles import replace_circular_reasons
from warehouse.settings import Settings


class ServingCopy:
    """An open published copy: the given one, or the one that is live when it is opened."""

    def __init__(self, settings: Settings, published: PublishedCopy | None = None) -> None:
        def open_connection(copy: PublishedCopy) -> tuple[PublishedCopy, duckdb.DuckDBPyConnection]:
            return copy, open_copy(settings, copy)

        self.published, self._connection = (
            open_connection(published) if published else open_live_copy(settings, open_connection)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def query_frame(self, query: str, *parameters: Any) -> pd.DataFrame:
        """Return the result of a query of the copy, with values for its question marks.

        Raises:
            RecomartError: The copy is damaged.
        """
        # Every query has its own cursor, because several threads of the app share a copy.
        try:
            return self._connection.cursor().execute(query, list(parameters)).df()
        except duckdb.Error as error:
            raise make_copy_error(error, f"{self.published.file}: the published copy cannot be read") from error

    def has_column(self, table: str, column: str) -> bool:
        """Return whether a table of the copy has a column; copies of earlier versions lack the newer ones."""
        query = "select 1 from duckdb_columns() where table_name = ? and column_name = ?"
        return not self.query_frame(query, table, column).empty

    def add_currency(self, products: pd.DataFrame) -> pd.DataFrame:
        """Return rows of products with the column `currency` of the catalog; empty in a shop without the column."""
        if "currency" in products:
            return products
        if products.empty or not self.has_column("dim_products", "currency"):
            return products.assign(currency=None)
        rows = self.query_frame(
            "select product_id, currency from dim_products where product_id in (select unnest(?::varchar[]))",
            list(products["product_id"]),
        )
        currencies = dict(zip(rows["product_id"], rows["currency"], strict=True))
        return products.assign(currency=products["product_id"].map(currencies))

    def search_customers(self, search: str = "", limit: int = 100) -> pd.DataFrame:
        """Find customers whose id contains the text: the exact id first, then the most active; rows of `dim_users`."""
        return self.query_frame(
            """
            select *
            from dim_users
            where contains(lower(user_id), lower(?))
            order by lower(user_id) = lower(?) desc, event_count + purchase_count desc, user_id
            limit ?
            """,
            search,
            search,
            limit,
        )

    def has_customer(self, user_id: str) -> bool:
        """Return whether the customer exists."""
        return not self.query_frame("select 1 from dim_users where user_id = ?", user_id).empty

    def get_customer(self, user_id: str) -> dict[str, Any]:
        """Return one customer's row of `dim_users`.

        Raises:
            RecomartError: The customer does not exist.
        """
        rows = self.query_frame("select * from dim_users where user_id = ?", user_id)
        if rows.empty:
            raise RecomartError(
                f"customer '{user_id}' does not exist in the copy published at "
                f"{self.published.published_at:%Y-%m-%d %H:%M} UTC. `recomart customers` lists customers; "
                "`recomart recommend --basket PRODUCT,...` recommends products to a new customer"
            )
        return {str(key): value for key, value in rows.iloc[0].to_dict().items()}

    def get_interactions(self, user_id: str) -> dict[str, float]:
        """Return the strength of a customer's interactions by product, from `rec_user_interactions`."""
        rows = self.query_frame("select product_id, strength from rec_user_interactions where user_id = ?", user_id)
        return dict(zip(rows["product_id"], rows["strength"], strict=True))

    def get_repeat_scores(self, user_id: str) -> dict[str, float]:
        """Return the repeat scores of the products that a customer may buy again, from `rec_user_interactions`."""
        rows = self.query_frame("select * from rec_user_interactions where user_id = ?", user_id)
        # A copy that an earlier version of RecoMart published has none.
        if "repeat_score" not in rows:
            return {}
        rows = rows[rows["repeat_score"].notna()]
        return dict(zip(rows["product_id"], rows["repeat_score"].astype(float), strict=True))

    def get_shop_repeats(self) -> dict[str, Any] | None:
        """Return the row of `feat_shop_repeats` at cutoff `now`, None in a copy of an earlier version."""
        if self.query_frame("select 1 from duckdb_tables() where table_name = 'feat_shop_repeats'").empty:
            return None
        rows = self.query_frame("select * from feat_shop_repeats where cutoff = 'now'")
        return None if rows.empty else {str(key): value for key, value in rows.iloc[0].to_dict().items()}

    def get_recommendations(self, user_id: str, n: int = 10) -> pd.DataFrame:
        """Return a customer's recommendations, best first; rows of `rec_top_n`, without reasons in a circle."""
        recommendations = self.query_frame("select * from rec_top_n where user_id = ? order by rank", user_id)
        return replace_circular_reasons(recommendations, self.get_reason_text)[recommendations["rank"] <= n]

    def get_max_list_length(self) -> int:
        """Return the length of the longest list of recommendations."""
        return int(self.query_frame("select coalesce(max(rank), 0) as max_rank from rec_top_n")["max_rank"].iloc[0])

    def get_popular_products(self, n: int = 10) -> pd.DataFrame:
        """Return the popular products, best first; rows of `rec_popular_products`."""
        return self.query_frame("select * from rec_popular_products where rank <= ? order by rank", n)

    def get_popularity_ranking(self) -> list[str]:
        """Return all products of `rec_popular_products`, best first."""
        rows = self.query_frame("select product_id from rec_popular_products order by rank")
        return list(rows["product_id"])

    def get_popular_recommendations(self, product_ids: Sequence[str]) -> pd.DataFrame:
        """Return the rows of `rec_popular_products` for a given list, in its order and with its ranks."""
        return self.query_frame(
            """
            select * replace (cast(list_position(?::varchar[], product_id) as integer) as rank)
            from rec_popular_products
            where product_id in (select unnest(?::varchar[]))
            order by rank
            """,
            list(product_ids),
            list(product_ids),
        )

    def get_rule_profile(
        self, placement: str, rule_set: str | None = None, favourite_category: str | None = None
    ) -> str:
        """Return the rule profile of a placement; see `rec_rule_profiles`.

        Args:
            placement: Name of the placement.
            rule_set: Rule set of an experiment's arm.
            favourite_category: That of a customer. Customers of a category that no rule names have the profile of
                customers without one.
        """
        if "rec_rule_profiles" not in self.published.rows:
            # An earlier version of RecoMart published the copy.
            return ""
        profiles = self.query_frame(
            """
            select rule_profile
            from rec_rule_profiles
            where placement = ? and rule_set = ? and segment in ('', ?)
            order by segment desc
            limit 1
            """,
            placement,
            rule_set or "",
            favourite_category or "",
        )
        return "" if profiles.empty else str(profiles["rule_profile"].iloc[0])

    def get_merchandising_rules(self, rule_profile: str) -> MerchandisingRules:
        """Return the merchandising rules of a profile, which every list that is ranked in Python must apply."""
        if rule_profile != self.get_rule_profile("home"):
            rules = self.query_frame("select * from rec_profile_product_rules where rule_profile = ?", rule_profile)
        else:
            rules = self.query_frame("select * from rec_product_rules")
        return MerchandisingRules(rules)

    def get_bought_together(self, product_ids: Sequence[str]) -> pd.DataFrame:
        """Return products of the same orders as the given ones, the most frequent first, each once.

        Pairs that are at most as frequent as by chance (lift up to 1) are left out.

        Columns product_id, lift and reason_product_id, which is the given product.
        """
        if "rec_product_pairs" not in self.published.rows:
            return pd.DataFrame(columns=["product_id", "lift", "reason_product_id"])
        return self.query_frame(
            """
            select
                other_product_id as product_id,
                max_by(lift, joint_order_count) as lift,
                max_by(product_id, joint_order_count) as reason_product_id
            from rec_product_pairs
            where
                product_id in (select unnest(?::varchar[]))
                and other_product_id not in (select unnest(?::varchar[]))
                and lift > 1
            group by other_product_id
            order by max(joint_order_count) desc, lift desc, other_product_id
            """,
            list(product_ids),
            list(product_ids),
        )

    def get_experiment_arms(self) -> list[ExperimentArm]:
        """Return the arms of the active experiment; none in a copy of an earlier version of RecoMart."""
        if "rec_experiments" not in self.published.rows:
            return []
        names = ", ".join(field.name for field in fields(ExperimentArm))
        rows = self.query_frame(f"select {names} from rec_experiments order by arm")
        return [
            ExperimentArm(**cast("Any", {name: None if pd.isna(value) else value for name, value in row.items()}))
            for row in rows.to_dict("records")
        ]

    def get_customer_arm(self, user_id: str) -> dict[str, Any] | None:
        """Return a customer's row of `rec_customer_arms`; None when the customer is in no experiment."""
        if "rec_customer_arms" not in self.published.rows:
            return None
        rows = self.query_frame("select * from rec_customer_arms where user_id = ?", user_id)
        return None if rows.empty else {str(key): value for key, value in rows.iloc[0].to_dict().items()}

    def get_reason_text(self, reason_key: str) -> str:
        """Return the text of a reason, from `rec_reason_texts`."""
        rows = self.query_frame("select reason_text from rec_reason_texts where reason_key = ?", reason_key)
        return str(rows["reason_text"].iloc[0])

    def build_recommendations(
        self,
        product_ids: Sequence[str],
        scores: Sequence[float],
        reason_product_ids: Sequence[str | None],
        reason_keys: Sequence[str],
    ) -> pd.DataFrame:
        """Build the rows of a list that was ranked in Python, best first; columns as in `rec_top_n`.

        `reason_keys` has the keys in `rec_reason_texts` of the reasons that name the reason products.
        """
        return self.query_frame(
            """
            with recommendations as (

                select
                    unnest(?::varchar[]) as product_id,
                    unnest(?::double[]) as score,
                    unnest(?::varchar[]) as reason_product_id,
                    unnest(?::varchar[]) as reason_key,
                    unnest(range(1, ? + 1)) as rank

            ),

            listed_products as (

                select product_id, product_name, category, brand, price
                from dim_products
                where product_id in (
                    select product_id
                    from recommendations
                    union all
                    select reason_product_id
                    from recommendations
                )

            )

            select
                cast(recommendations.rank as integer) as rank,
                recommendations.product_id,
                products.product_name,
                products.category,
                products.brand,
                products.price,
                recommendations.score,
                'model' as source,
                recommendations.reason_product_id,
                coalesce(
                    replace(
                        reason_texts.reason_text,
                        '{product}',
                        coalesce(reason_products.product_name, recommendations.reason_product_id)
                    ),
                    replace(
                        (select reason_text from rec_reason_texts where reason_key = 'more_from_category'),
                        '{category}',
                        products.category
                    ),
                    (select reason_text from rec_reason_texts where reason_key = 'more_from_shop')
                ) as reason
            from recommendations
            left join listed_products as products on recommendations.product_id = products.product_id
            left join listed_products as reason_products
                on recommendations.reason_product_id = reason_products.product_id
            left join rec_reason_texts as reason_texts on recommendations.reason_key = reason_texts.reason_key
            order by recommendations.rank
            """,
            list(product_ids),
            list(scores),
            list(reason_product_ids),
            list(reason_keys),
            len(product_ids),
        )

    def get_products(self, product_ids: Sequence[str]) -> pd.DataFrame:
        """Return the rows of `dim_products` for the ids; ids that do not exist are skipped."""
        return self.query_frame("select * from dim_products where product_id in (select unnest(?))", list(product_ids))

    def get_metrics(self, segment: str = "all", run_id: str | None = None) -> pd.DataFrame:
        """Return the ranking metrics of a model and its baselines in the test window.

        Rows of `eval_ranking_metrics`.

        Args:
            segment: The segmentation of customers or products: all (one segment), activity, customer, product,
                category or purchase.
            run_id: The run of the model; the published one by default.
        """
        return self._get_run_rows("eval_ranking_metrics", segment, run_id)

    def get_metric_differences(self, segment: str = "all", run_id: str | None = None) -> pd.DataFrame:
        """Return the differences between a model and its baselines; rows of `eval_metric_differences`.

        The arguments are those of `get_metrics`.
        """
        return self._get_run_rows("eval_metric_differences", segment, run_id)

    def explain_missing_metrics(self) -> str:
        """Explain why the published model has no ranking metrics."""
        runs, published_run_id = self.get_model_runs(), self.published.run_id
        if published_run_id is None and runs.empty:
            return "No model serves yet: all customers get popular products. `recomart run` trains and evaluates one."
        if published_run_id is None:
            return (
                "No model serves: all customers get popular products. `recomart models` shows why, and "
                "`recomart evaluate` the newest model's metrics."
            )
        return "The published model could not be evaluated: its test window has no new interactions of customers."

    def _get_run_rows(self, table: str, segment: str, run_id: str | None) -> pd.DataFrame:
        # Without a published model the run id is null, which equals no run, so the result is empty.
        return self.query_frame(
            f"""
            select *
            from {table}
            where run_id = ? and segment = ? and cutoff = 'test'
            order by segment_value, k, method
            """,
            run_id or self.published.run_id,
            segment,
        )

    def get_model_runs(self) -> pd.DataFrame:
        """Return all model runs, newest first; rows of `eval_model_runs`."""
        runs = self.query_frame("select * from eval_model_runs")
        # A copy that an earlier version of RecoMart published has times only.
        for number, time in (("run_number", "trained_at"), ("promotion_number", "serving_started_at")):
            if number not in runs and time in runs:
                runs[number] = runs[time].rank()
        return runs.sort_values("run_number", ascending=False, ignore_index=True)

    def get_coverage(self) -> pd.DataFrame:
        """Return the share of the catalog in the lists, the largest category first; rows of `eval_catalog_coverage`."""
        return self.query_frame(
            "select * from eval_catalog_coverage order by segment, recommendable_product_count desc, segment_value"
        )

    def get_drift(self) -> pd.DataFrame:
        """Return the drift of the shop's distributions, the largest first; rows of `audit_drift`."""
        return self.query_frame("select * from audit_drift order by psi desc, kind, name")

    def get_feed_accounting(self) -> pd.DataFrame:
        """Return the number of rows by feed and status; rows of `audit_feeds`."""
        return self.query_frame("select * from audit_feeds order by feed")

    def get_effect(self) -> EffectReport | None:
        """Return the effect of the recommendations; None in a copy of an earlier version of RecoMart."""
        if "effect_arms" not in self.published.rows:
            return None
        try:
            return read_effect(self._connection.cursor())
        except duckdb.Error as error:
            raise make_copy_error(error, f"{self.published.file}: the published copy cannot be read") from error
