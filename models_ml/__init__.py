"""What is learned: PyTorch matrix factorization, scoring, evaluation, artifacts."""
