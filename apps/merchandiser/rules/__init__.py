"""The page of the merchandising rules."""
