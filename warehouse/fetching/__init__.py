"""Fetching: records of a web service become one complete file in the landing folder, or no file."""
