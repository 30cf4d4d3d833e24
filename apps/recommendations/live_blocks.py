"""Blocks of the rules store that act before the next lists, so that a product can be stopped at once."""

import logging
from datetime import date

import pandas as pd

from warehouse.errors import RecomartError
from warehouse.publishing.published_rules import find_rule_products, read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_states import is_immediate_block
from warehouse.rules.rule_store import RuleStore, StoredRule, get_today, is_active
from warehouse.settings import Settings

LOG = logging.getLogger(__name__)


class LiveBlocks:
    """The products that blocks exclude now from the lists of a published copy."""

    def __init__(self, settings: Settings, copy: ServingCopy) -> None:
        self._store = RuleStore(settings)
        self._file = settings.rules_file
        self._copy = copy
        self._version: tuple[int, int, date] | None = None
        self._rules: dict[str, StoredRule] = {}
        self._products: frozenset[str] = frozenset()
        self._has_problem = False

    def get_products(self) -> frozenset[str]:
        """Return the blocked products; the rules store is read again when it has changed or a day has begun.

        When the store is damaged, the blocks of before and those of its undamaged lines act, and a warning is logged.
        """
        today = get_today()
        try:
            status = self._file.stat()
            version = (status.st_mtime_ns, status.st_size, today)
        except OSError:
            version = (0, 0, today)
        if version != self._version:
            try:
                self._rules = self._find_rules(self._read_rules(), today)
                self._has_problem = False
            except RecomartError as error:
                LOG.warning("some blocks may not be followed: %s", error)
                self._rules |= self._find_rules(self._store.read_undamaged_rules(), today)
                self._has_problem = True
            self._products = frozenset(self._rules)
            self._version = version
        return self._products

    def describe_problem(self) -> str | None:
        """Return why some blocks may not be followed; None if all are."""
        self.get_products()
        if not self._has_problem:
            return None
        return f"{self._file.name} is damaged or missing, so some blocks may not be followed. Restore it"

    def get_rules(self) -> dict[str, StoredRule]:
        """Return the blocked products, each with the oldest rule that blocks it."""
        self.get_products()
        return self._rules

    def get_recommendations(self, user_id: str, n: int) -> pd.DataFrame:
        """Return a customer's published list without blocked products, also in the reasons; the others move up."""
        blocked_products = self.get_products()
        if not blocked_products:
            return self._copy.get_recommendations(user_id, n)
        return self.remove_blocked(self._copy.get_recommendations(user_id, n + len(blocked_products))).head(n)

    def remove_blocked(self, recommendations: pd.DataFrame) -> pd.DataFrame:
        """Return one list without blocked products, also in the reasons; the products behind them move up."""
        blocked_products = self.get_products()
        if not blocked_products:
            return recommendations
        kept = recommendations[~recommendations["product_id"].isin(blocked_products)]
        return self.replace_reasons(kept.assign(rank=range(1, len(kept) + 1)))

    def replace_reasons(self, recommendations: pd.DataFrame) -> pd.DataFrame:
        """Return a list whose reasons name no blocked product: such a reason becomes one without a product."""
        if "reason_product_id" not in recommendations:
            return recommendations
        is_naming = recommendations["reason_product_id"].isin(self.get_products())
        if not is_naming.any():
            return recommendations
        keys, texts = [], []
        for category in recommendations.loc[is_naming, "category"]:
            keys.append("more_from_shop" if pd.isna(category) else "more_from_category")
            texts.append(self._copy.get_reason_text(keys[-1]).replace("{category}", str(category)))
        result = recommendations.copy()
        result.loc[is_naming, "reason_product_id"] = None
        result.loc[is_naming, "reason"] = texts
        # The lists that Python ranks, and those of a copy of an earlier version, have no keys.
        if "reason_key" in result:
            result.loc[is_naming, "reason_key"] = keys
        return result

    def _read_rules(self) -> dict[str, StoredRule]:
        if not self._file.exists() and read_applied_changes(self._copy):
            raise RecomartError(f"{self._file} is missing, although the published lists follow its rules. Restore it")
        return self._store.read_rules()

    def _find_rules(self, stored_rules: dict[str, StoredRule], today: date) -> dict[str, StoredRule]:
        rules: dict[str, StoredRule] = {}
        for stored in stored_rules.values():
            if is_immediate_block(stored.rule) and is_active(stored.rule, today):
                for product in find_rule_products(self._copy, stored.rule):
                    rules.setdefault(product, stored)
        return rules
