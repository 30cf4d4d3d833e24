"""The warehouse: settings, database, input (`sources`, `fetching`, `loading`) and output (`publishing`)."""
