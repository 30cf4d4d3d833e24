"""The warehouse: its settings and database, its inputs (`sources`, `fetching`, `loading`) and its output (`publishing`)."""
