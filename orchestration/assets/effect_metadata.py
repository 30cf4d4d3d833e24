"""Metadata of the effect marts: the number of experiments and their verdicts."""

from collections.abc import Collection
from typing import Any

import dagster as dg

from orchestration.assets.common import build_table_key, warn_on_user_error
from warehouse.effect_report import read_warehouse_effect
from warehouse.effect_texts import describe_metric
from warehouse.settings import Settings

EXPERIMENTS_KEY = build_table_key("marts", "effect_experiments")


def build_effect_metadata(
    context: dg.AssetExecutionContext, settings: Settings, built_keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, dict[str, Any]]:
    """Return the number of experiments and the verdicts about their primary metrics, if the table was built.

    Logs a warning and returns nothing when the warehouse cannot be read.
    """
    if EXPERIMENTS_KEY not in built_keys:
        return {}
    with warn_on_user_error(context):
        report = read_warehouse_effect(settings)
        verdicts = [
            f"{metric.experiment}: {describe_metric(metric, is_inferred=report.is_inferred(metric.experiment))}"
            for metric in report.metrics
            if metric.is_primary
        ]
        metadata = {
            "experiments": len(report.experiments),
            "verdicts": dg.MetadataValue.text("\n".join(verdicts) or "no experiment"),
        }
        return {EXPERIMENTS_KEY: metadata}
    return {}
