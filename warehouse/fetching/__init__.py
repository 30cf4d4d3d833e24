"""The door for feeds behind a web service: a catalog becomes one complete file in landing, or none."""
