"""The page of products: one product, and what is shown most and never."""
