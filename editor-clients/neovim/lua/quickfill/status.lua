--- How Quickfill stands: the server's state and why the last answer was empty, in words for the status line.
--- Knows no protocol and no ghost text; others tell it what happened.

local M = {
  ---@type "off"|"missing"|"starting"|"loading"|"ready"|"asking"|"crashed"|"stopped"
  state = "off",
  ---@type string? why there is no server, or none that answers
  trouble = nil,
  ---@type string? why the last answer was empty
  reason = nil,
  ---@type string? the model's name, once it is loaded
  model = nil,
}

local TROUBLED = { missing = true, crashed = true, stopped = true }

local function announce()
  vim.schedule(function()
    vim.api.nvim_exec_autocmds("User", { pattern = "QuickfillStatus", modeline = false })
    vim.cmd.redrawstatus({ bang = true })
  end)
end

---@param state string
---@param trouble? string
function M.set(state, trouble)
  if M.state == state and M.trouble == trouble then
    return
  end
  M.state, M.trouble = state, trouble
  announce()
end

---@param reason string?
function M.because(reason)
  if M.reason ~= reason then
    M.reason = reason
    announce()
  end
end

--- What the server says of itself: the answer of `quickfill.status`, or a notification with the same fields.
---@param told { ready?: boolean, model?: string, reason?: string }
function M.told(told)
  local function given(name)
    return told[name] ~= vim.NIL and told[name] or nil
  end
  M.model = given("model") or M.model
  if told.ready ~= nil and told.ready ~= vim.NIL and not TROUBLED[M.state] and M.state ~= "asking" then
    M.set(told.ready and "ready" or "loading")
  end
  M.because(given("reason"))
end

--- For the status line: short, in words, "" where Quickfill has no part.
---@param bufnr? integer
---@return string
function M.line(bufnr)
  bufnr = (bufnr == nil or bufnr == 0) and vim.api.nvim_get_current_buf() or bufnr
  local off = require("quickfill.switch").why_off(bufnr)
  local attached = #vim.lsp.get_clients({ name = "quickfill", bufnr = bufnr }) > 0
  if not attached and not TROUBLED[M.state] and M.state ~= "starting" then
    return ""
  end
  if not attached and not require("quickfill.options").now.filetypes[vim.bo[bufnr].filetype] then
    return ""
  end
  if TROUBLED[M.state] then
    return "Quickfill: " .. (M.trouble or M.state)
  end
  if off then
    return "Quickfill: " .. off
  end
  if M.state == "asking" then
    return "Quickfill: …"
  end
  return "Quickfill: " .. (M.state == "ready" and M.reason or M.state)
end

return M
