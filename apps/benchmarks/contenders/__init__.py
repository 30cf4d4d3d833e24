"""The contenders of the benchmarks of loading and of ranking.

Each `*_script` module and `recomart` has a function `run` that makes the tables from the landing folder and yields the
name of each finished step. The scripts are written for the demo shop in the usual style of their tool and do not reuse
RecoMart's SQL; `table_equality` compares their tables with RecoMart's.
"""

from warehouse.settings import PROJECT_ROOT

EVENT_WEIGHTS_FILE = PROJECT_ROOT / "dbt_project" / "seeds" / "event_weights.csv"
"""Weight and half-life of each event type."""
