"""Other ways to write the same tokens, to measure the engine against."""
