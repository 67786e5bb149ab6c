"""The Neovim plugin in the real Neovim."""
