"""The engine as its own process, behind HTTP."""
