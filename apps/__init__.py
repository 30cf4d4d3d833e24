"""Where people look: they read the published copy and nothing else."""
