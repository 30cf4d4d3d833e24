"""The `recomart` command."""
