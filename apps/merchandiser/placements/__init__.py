"""The page that shows the lists of placements as the shop does."""
