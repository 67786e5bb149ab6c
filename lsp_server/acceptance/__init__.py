"""What becomes of suggestions: told from the edits that follow, kept on this machine, without a word of code."""
