"""Benchmarks: loading and building, ranking quality, training, scoring and serving; `recomart bench` runs them."""
