"""Weighted implicit alternating least squares: confidence, content prior, solver, trainer and the trained factors."""
