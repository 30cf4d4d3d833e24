"""A page of pictures that says what a shop's data are like."""
