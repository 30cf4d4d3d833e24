"""The graph, one module a layer: landing files, raw tables, dbt models, the trained model, the published copy."""
