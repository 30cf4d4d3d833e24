"""Where data rests, and its two doors: in (`load`) and out (`publish`)."""
