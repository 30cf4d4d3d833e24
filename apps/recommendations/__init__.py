"""Lists of recommendations and reasons, as the app, the service and the command line read them."""
