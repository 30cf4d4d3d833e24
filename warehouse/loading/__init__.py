"""The door in: landing files become raw rows, each traceable to its file and line."""
