--- Comes with Neovim's start: the command, and what happens when a server comes to a buffer. Starts no server itself:
--- `vim.lsp.enable("quickfill")` or `require("quickfill").setup()` does. Knows events. Knows no feature.

if vim.g.loaded_quickfill then
  return
end
vim.g.loaded_quickfill = true

if not require("quickfill.version").good() then
  return
end

local group = vim.api.nvim_create_augroup("quickfill", {})

vim.api.nvim_create_autocmd("LspAttach", {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if not client or client.name ~= "quickfill" then
      return
    end
    require("quickfill.keys").map()
    -- Neovim builds its side of inline completion in a step of its own that follows this event; hence two.
    vim.schedule(function()
      vim.schedule(function()
        if vim.api.nvim_buf_is_loaded(event.buf) then
          require("quickfill.server").attached()
          require("quickfill.ghost").adopt(event.buf)
        end
      end)
    end)
  end,
})

vim.api.nvim_create_autocmd("FileType", {
  group = group,
  callback = function()
    require("quickfill.server").take_command()
  end,
})

require("quickfill.commands").create()
