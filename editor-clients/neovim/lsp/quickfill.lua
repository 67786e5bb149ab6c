--- What `vim.lsp.enable("quickfill")` starts.
return require("quickfill.server").config()
