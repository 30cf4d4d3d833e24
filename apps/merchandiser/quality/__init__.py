"""The page of data and model quality."""
