"""Names of the ranking metrics. Commands that need no model use them, so this module does not import torch."""

ACCURACY_METRICS = ("precision", "recall", "ndcg", "map", "hit_rate")
"""Metrics of `compute_accuracy`, in its order."""

CONCENTRATION_METRICS = ("coverage", "top_product_share", "top_ten_share")
"""Metrics of `compute_concentration`, in its order; of all lists together."""

EXPOSURE_METRICS = ("novelty", "long_tail_share", "diversity", "calibration_error", "serendipity")
"""Metrics of models_ml.evaluation.exposure, in its order."""

LIST_METRICS = (*CONCENTRATION_METRICS, *EXPOSURE_METRICS)
"""Metrics that describe whole lists; segments of products have none."""

REPORTED_METRICS = (*ACCURACY_METRICS, *LIST_METRICS)
"""Metrics of `ml.ranking_metrics`."""
