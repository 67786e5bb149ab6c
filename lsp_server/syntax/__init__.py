"""What the grammar of a language says about a place in a text."""
