"""The data profile: one HTML page of charts about a shop's data; `recomart profile` writes it."""
