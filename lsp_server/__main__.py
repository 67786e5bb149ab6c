"""`python -m lsp_server` is the `quickfill` command. Knows no command itself."""

from lsp_server.cli import main

if __name__ == "__main__":
    main()
