"""Questions that people ask the published copy; the app and the command line ask them here."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import duckdb
import pandas as pd

from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import PublishedCopy, make_copy_error, open_copy, open_live_copy
from warehouse.publishing.merchandising_rules import MerchandisingRules
from warehouse.settings import Settings


class ServingCopy:
    """The published copy that is live when it is opened, or a given one; it stays the same one until closed."""

    def __init__(self, settings: Settings, published: PublishedCopy | None = None) -> None:
        def open_connection(found: PublishedCopy) -> tuple[PublishedCopy, duckdb.DuckDBPyConnection]:
            return found, open_copy(settings, found)

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
        """Let go of the copy."""
        self._connection.close()

    def _query_frame(self, query: str, *parameters: Any) -> pd.DataFrame:
        # A cursor of its own for every question: several threads of the app may share one copy.
        try:
            return self._connection.cursor().execute(query, list(parameters)).df()
        except duckdb.Error as error:
            raise make_copy_error(error, f"{self.published.file}: the published copy cannot be read") from error

    def search_customers(self, search: str = "", limit: int = 100) -> pd.DataFrame:
        """Customers whose id contains the search text: that very id first, then the busiest; columns of `dim_users`."""
        return self._query_frame(
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
        """Whether there is such a customer."""
        return not self._query_frame("select 1 from dim_users where user_id = ?", user_id).empty

    def get_customer(self, user_id: str) -> dict[str, Any]:
        """One customer's row of `dim_users`.

        Raises:
            RecomartError: There is no such customer.
        """
        found = self._query_frame("select * from dim_users where user_id = ?", user_id)
        if found.empty:
            raise RecomartError(
                f"customer '{user_id}' does not exist in the copy published at "
                f"{self.published.published_at:%Y-%m-%d %H:%M} UTC; `recomart customers` lists some, "
                "and `recomart recommend --basket PRODUCT,...` serves somebody new"
            )
        return {str(key): value for key, value in found.iloc[0].to_dict().items()}

    def get_timeline(self, user_id: str) -> pd.DataFrame:
        """What a customer did, newest first; columns of `rec_user_timeline`."""
        newest_first = "order by action_at desc, _feed desc, _file desc, _line desc"
        return self._query_frame(f"select * from rec_user_timeline where user_id = ? {newest_first}", user_id)

    def get_interactions(self, user_id: str) -> dict[str, float]:
        """The products that a customer's list goes by, and how strongly: `rec_user_interactions`."""
        found = self._query_frame("select product_id, strength from rec_user_interactions where user_id = ?", user_id)
        return dict(zip(found["product_id"], found["strength"], strict=True))

    def get_recommendations(self, user_id: str, n: int = 10) -> pd.DataFrame:
        """A customer's top products, best first; columns of `rec_top_n`."""
        return self._query_frame("select * from rec_top_n where user_id = ? and rank <= ? order by rank", user_id, n)

    def get_max_list_length(self) -> int:
        """Number of products in the longest list that any customer has."""
        return int(self._query_frame("select coalesce(max(rank), 0) as longest from rec_top_n")["longest"].iloc[0])

    def get_popular_products(self, n: int = 10) -> pd.DataFrame:
        """What is popular, best first, the list of a stranger at the head of it; columns of `rec_popular_products`."""
        return self._query_frame("select * from rec_popular_products where rank <= ? order by rank", n)

    def get_popularity_ranking(self) -> list[str]:
        """All products of `rec_popular_products`, best first."""
        ranked = self._query_frame("select product_id from rec_popular_products order by rank")
        return list(ranked["product_id"])

    def get_popular_recommendations(self, product_ids: Sequence[str]) -> pd.DataFrame:
        """Rows of `rec_popular_products` for a list that was made elsewhere, in its order and ranked by it."""
        return self._query_frame(
            """
            select * replace (cast(list_position(?::varchar[], product_id) as integer) as rank)
            from rec_popular_products
            where product_id in (select unnest(?::varchar[]))
            order by rank
            """,
            list(product_ids),
            list(product_ids),
        )

    def get_merchandising_rules(self) -> MerchandisingRules:
        """The shop's rules, for a list that is made elsewhere; whoever ranks products goes by them."""
        return MerchandisingRules(self._query_frame("select * from rec_product_rules"))

    def build_recommendations(
        self,
        product_ids: Sequence[str],
        scores: Sequence[float],
        reason_product_ids: Sequence[str | None],
        reason_prefix: str,
    ) -> pd.DataFrame:
        """A list that was ranked elsewhere, best first, with the facts of its products: columns as in `rec_top_n`.

        `reason` are the words before the name of an offer's reason product, such as 'Goes with'.
        """
        return self._query_frame(
            """
            with offers as (

                select
                    unnest(?::varchar[]) as product_id,
                    unnest(?::double[]) as score,
                    unnest(?::varchar[]) as reason_product_id,
                    unnest(range(1, ? + 1)) as rank

            ),

            named as (

                select product_id, product_name, category, brand, price
                from dim_products
                where product_id in (select product_id from offers union all select reason_product_id from offers)

            )

            select
                cast(offers.rank as integer) as rank,
                offers.product_id,
                products.product_name,
                products.category,
                products.brand,
                products.price,
                offers.score,
                'model' as source,
                offers.reason_product_id,
                coalesce(
                    ? || ' ' || coalesce(reasons.product_name, offers.reason_product_id),
                    'More from ' || products.category,
                    'More from the shop'
                ) as reason
            from offers
            left join named as products on offers.product_id = products.product_id
            left join named as reasons on offers.reason_product_id = reasons.product_id
            order by offers.rank
            """,
            list(product_ids),
            list(scores),
            list(reason_product_ids),
            len(product_ids),
            reason_prefix,
        )

    def get_products(self, product_ids: Sequence[str]) -> pd.DataFrame:
        """Rows of `dim_products` for the given ids; ids that do not exist are left out."""
        return self._query_frame("select * from dim_products where product_id in (select unnest(?))", list(product_ids))

    def get_metrics(self, segment: str = "all") -> pd.DataFrame:
        """Ranking metrics of the model that made the lists beside its baselines; columns of `eval_ranking_metrics`.

        Args:
            segment: By what customers or products are told apart: all (by nothing), activity, customer, product or
                category.
        """
        return self._get_live_run_rows("eval_ranking_metrics", segment)

    def get_metric_differences(self, segment: str = "all") -> pd.DataFrame:
        """How much better that model is than its baselines; columns of `eval_metric_differences`."""
        return self._get_live_run_rows("eval_metric_differences", segment)

    def explain_missing_metrics(self) -> str:
        """Why there are no ranking metrics of the model that made the lists, where there are none."""
        runs, live_run = self.get_model_runs(), self.published.run_id
        if live_run is None and runs.empty:
            return (
                "No model serves yet, everybody is offered what is popular; `recomart run` trains one and evaluates it."
            )
        if live_run is None:
            return "No model serves, everybody is offered what is popular; `recomart models` shows why."
        # Trainings drop the lists of runs that do not serve; one of those may have been promoted since.
        if runs.loc[runs["run_id"] == live_run, "ndcg_at_10"].notna().any():
            return (
                "The lists that the live model was evaluated by are no longer kept; its figures of then stand with its "
                "run (`recomart models`)."
            )
        return "There was nothing to evaluate the live model on: in its test window no customer newly took anything."

    def _get_live_run_rows(self, table: str, segment: str) -> pd.DataFrame:
        # Lists that no model made have no run: nothing equals null, and there is nothing to say of how good they are.
        return self._query_frame(
            f"""
            select *
            from {table}
            where run_id = ? and segment = ?
            order by cutoff, segment_value, k, method
            """,
            self.published.run_id,
            segment,
        )

    def get_model_runs(self) -> pd.DataFrame:
        """All model runs, newest first; columns of `eval_model_runs`."""
        return self._query_frame("select * from eval_model_runs order by trained_at desc")

    def get_quality_by_day(self) -> pd.DataFrame:
        """How good every model was, by the day of its data; columns of `eval_quality_by_day`."""
        return self._query_frame("select * from eval_quality_by_day order by data_date, trained_at")

    def get_coverage(self) -> pd.DataFrame:
        """How much of the catalog the lists show, the largest category first; columns of `eval_catalog_coverage`."""
        return self._query_frame(
            "select * from eval_catalog_coverage order by segment, recommendable_product_count desc, segment_value"
        )

    def get_drift(self) -> pd.DataFrame:
        """How far the shop has moved from what was usual, what moved most first; columns of `audit_drift`."""
        return self._query_frame("select * from audit_drift order by psi desc, kind, name")

    def get_feed_accounting(self) -> pd.DataFrame:
        """What became of every line that arrived, for each feed; columns of `audit_feeds`."""
        return self._query_frame("select * from audit_feeds order by feed")
