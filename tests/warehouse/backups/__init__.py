"""Tests of warehouse.backups."""
