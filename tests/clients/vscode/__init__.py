"""The extension in the real VS Code."""
