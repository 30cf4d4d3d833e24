"""Where data rests, and its doors: in (`loading`, `fetching`) and out (`publish`)."""
