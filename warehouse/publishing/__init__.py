"""Publishing: read-only copies of the marts that the app, the service and the command line read."""
