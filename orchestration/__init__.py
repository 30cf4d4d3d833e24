"""When and in what order: the pipeline's steps, the Dagster assets over them, and the `recomart` command."""
