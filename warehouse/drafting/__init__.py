"""Draft of a sources file from a folder of landing files: guesses, with doubts as comments."""
