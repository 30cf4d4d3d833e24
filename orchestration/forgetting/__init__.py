"""Forgetting of customers: where a customer's id is, and its erasure from all of these places."""
