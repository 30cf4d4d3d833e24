"""Erasure of records: from landing files, and from the database with its free blocks."""
