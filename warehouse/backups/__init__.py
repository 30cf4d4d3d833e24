"""Backups of a warehouse: complete, verified copies of its database, models, datasets and live copy."""
