"""The HTTP service; `recomart serve` starts it."""
