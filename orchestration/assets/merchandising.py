"""External asset of the rules store: merchandisers change the file, and dbt reads it."""

from orchestration.assets.dbt_graph import build_source_specs

RULE_SPECS = build_source_specs("merchandising", {"file"}, deps={})
