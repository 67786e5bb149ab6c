"""Emacs with Eglot, whose popup shows what Quickfill suggests."""
