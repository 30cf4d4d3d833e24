"""The merchandising rules of a shop: their fields, their store and their states."""
