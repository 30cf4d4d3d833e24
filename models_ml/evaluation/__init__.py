"""Temporal evaluation: windows, metrics, baselines, segments, parameter selection, model comparison and gates."""
