"""A module for each contender: `run` makes the tables from the landing folder, and yields each step's name when done.

The scripts are what somebody at home in the tool would write for this one shop, and owe nothing to our SQL; `checks`
holds their tables against ours.
"""

from warehouse.settings import PROJECT_ROOT

EVENT_WEIGHTS_FILE = PROJECT_ROOT / "dbt_project" / "seeds" / "event_weights.csv"
"""What an action of each type weighs and how fast it fades, as the analysts say."""
