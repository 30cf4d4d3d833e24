"""Training data: datasets and their stored versions, id maps, sparse interaction matrices and item features."""
