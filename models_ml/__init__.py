"""Matrix factorization in PyTorch: training data, training, inference, evaluation and tuning.

Imports point in one direction: errors, config < data < als < inference < evaluation < training, tuning.
"""
