"""Loading: landing files become raw rows that keep their file and line number."""
