"""Names of the ranking metrics. Commands that need no model use them, so this module does not import torch."""

ACCURACY_METRICS = ("precision", "recall", "ndcg", "map", "hit_rate")
"""Metrics of `compute_accuracy`, in its order."""

EXPOSURE_METRICS = ("novelty", "long_tail_share")
"""Metrics of `compute_exposure`, in its order."""

REPORTED_METRICS = (*ACCURACY_METRICS, "coverage", *EXPOSURE_METRICS)
"""Metrics of `ml.ranking_metrics`, in the order of its columns."""
