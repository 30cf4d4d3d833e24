"""The asset graph, one module a layer: landing files, raw tables, dbt models, model tables, published copy, apps."""
