"""The `recomart` command: its commands, tables and messages."""
