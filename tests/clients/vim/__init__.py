"""Vim with llama.vim, which shows what `quickfill serve` answers."""
