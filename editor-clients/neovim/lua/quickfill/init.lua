--- Quickfill in Neovim: what a user's configuration and the keys call.
--- Knows the names of the features. Knows none of their insides.

local M = {}

--- Optional: `vim.lsp.enable("quickfill")` alone takes every default.
---@param given? table see |quickfill-options|
function M.setup(given)
  if not require("quickfill.version").good() then
    return
  end
  local options, server = require("quickfill.options"), require("quickfill.server")
  for _, mistake in ipairs(options.take(given or {})) do
    server.say(("option ignored: %s (:help quickfill-options)"):format(mistake))
  end
  vim.lsp.config(server.NAME, server.config())
  vim.lsp.enable(server.NAME)
end

--- Takes the whole suggestion.
---@return boolean done
function M.accept()
  return require("quickfill.ghost").accept()
end

---@return boolean done
function M.accept_word()
  return require("quickfill.ghost").accept("word")
end

---@return boolean done
function M.accept_line()
  return require("quickfill.ghost").accept("line")
end

--- Whether a suggestion is on the screen: for a mapping of your own.
---@return boolean
function M.visible()
  return require("quickfill.ghost").shown(vim.api.nvim_get_current_buf()) ~= nil
end

function M.next()
  vim.lsp.inline_completion.select({ count = 1 })
end

function M.previous()
  vim.lsp.inline_completion.select({ count = -1 })
end

--- Asks for suggestions at the cursor, several and also unlikely ones.
function M.trigger()
  if not vim.startswith(vim.api.nvim_get_mode().mode, "i") then
    require("quickfill.server").say("suggestions are for insert mode; ask there")
  elseif not require("quickfill.ghost").trigger() then
    require("quickfill.server").say("no server is attached to this buffer; :checkhealth quickfill says why")
  end
end

function M.dismiss()
  require("quickfill.ghost").dismiss()
end

--- Makes the suggestion that is shown longer: by what the model suggests behind it.
function M.longer()
  require("quickfill.commands").reshape("longer")
end

--- Makes it shorter: by its last line, or the last word of its only one.
function M.shorter()
  require("quickfill.commands").reshape("shorter")
end

function M.one_line()
  require("quickfill.commands").reshape("line")
end

--- Shows what the newest change calls for elsewhere in the buffer; called again, makes it and goes on to the next.
function M.next_edit()
  require("quickfill.next_edit").go()
end

--- For the status line: the state, or the reason of the last silence.
---@return string
function M.statusline()
  return require("quickfill.status").line()
end

---@param scope? "all"|"buffer"|"filetype"
---@param on? boolean nil turns it over
---@return boolean on now
function M.toggle(scope, on)
  local now = require("quickfill.switch").set(scope or "all", on)
  if not now then
    require("quickfill.ghost").hide_all()
  end
  return now
end

---@param minutes? number
function M.snooze(minutes)
  require("quickfill.switch").snooze(minutes or 5)
  require("quickfill.ghost").hide_all()
end

return M
