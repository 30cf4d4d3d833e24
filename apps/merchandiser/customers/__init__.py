"""The page of customers: one customer, audiences, and new customers."""
