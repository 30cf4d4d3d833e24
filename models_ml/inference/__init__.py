"""Use of a trained model: artifacts on disk, scoring, candidates, recommendations and explanations."""
