--- Which Neovim is needed, and the one message for an older one.
--- Knows versions. Must itself run on any Neovim.

local M = {}

local said = false

---@return boolean
function M.good()
  local good = vim.fn.has("nvim-0.12") == 1 and vim.lsp ~= nil and vim.lsp.inline_completion ~= nil
  if not good and not said then
    said = true
    vim.notify("Quickfill needs Neovim 0.12 or newer: its inline completion is what shows the suggestions. Nothing was started.", vim.log.levels.WARN)
  end
  return good
end

return M
