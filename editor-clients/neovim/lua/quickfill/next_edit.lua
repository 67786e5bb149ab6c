--- The next edit: shows what the server proposes elsewhere in the buffer or in another file, makes it when asked again, and goes on to
--- the one after it.
--- Knows one proposal and how it is drawn. Knows no model.

local server = require("quickfill.server")

local api = vim.api
local M = {}

local NAMESPACE = api.nvim_create_namespace("quickfill.next_edit")

---@class quickfill.Proposal
---@field bufnr integer
---@field tick integer of the text that it is for
---@field row integer
---@field from integer bytes
---@field to integer
---@field text string

local shown ---@type quickfill.Proposal?

function M.dismiss()
  if shown and api.nvim_buf_is_valid(shown.bufnr) then
    api.nvim_buf_clear_namespace(shown.bufnr, NAMESPACE, 0, -1)
  end
  shown = nil
end

---@return string? what is proposed now
function M.shown()
  return shown and shown.tick == api.nvim_buf_get_changedtick(shown.bufnr) and shown.text or nil
end

---@param bufnr integer
---@param edit { range: table, newText: string } in one line
---@param encoding string
local function draw(bufnr, edit, encoding)
  local row = edit.range.start.line
  local line = api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ""
  local from = vim.str_byteindex(line, encoding, edit.range.start.character, false)
  local to = vim.str_byteindex(line, encoding, edit.range["end"].character, false)
  shown = { bufnr = bufnr, tick = api.nvim_buf_get_changedtick(bufnr), row = row, from = from, to = to, text = edit.newText }
  api.nvim_buf_set_extmark(bufnr, NAMESPACE, row, from, { end_col = to, hl_group = "DiffDelete" })
  api.nvim_buf_set_extmark(bufnr, NAMESPACE, row, to, { virt_text = { { edit.newText, "DiffAdd" } }, virt_text_pos = "inline" })
  api.nvim_buf_attach(bufnr, false, {
    on_lines = function()
      vim.schedule(function()
        if shown and shown.bufnr == bufnr and not M.shown() then
          M.dismiss()
        end
      end)
      return true -- once
    end,
  })
end

--- The buffer of a document, in the current window.
---@param uri string
---@param bufnr integer the one that is there
---@return integer
local function show(uri, bufnr)
  vim.cmd("normal! m'")
  if uri == vim.uri_from_bufnr(bufnr) then
    return bufnr
  end
  local other = vim.uri_to_bufnr(uri)
  vim.bo[other].buflisted = true
  api.nvim_win_set_buf(0, other)
  vim.notify("Quickfill: the same change in " .. vim.fn.fnamemodify(api.nvim_buf_get_name(other), ":~:."))
  return other
end

--- Asks what the newest change of the buffer calls for; the cursor goes there.
local function ask()
  local bufnr = api.nvim_get_current_buf()
  local tick = api.nvim_buf_get_changedtick(bufnr)
  M.dismiss()
  server.execute("quickfill.nextEdit", { vim.uri_from_bufnr(bufnr), true }, function(result, err)
    if err or type(result) ~= "table" then
      server.say(err or "the server gave no answer")
    elseif type(result.edit) ~= "table" then
      vim.notify("Quickfill: " .. tostring(result.reason))
    elseif tick == api.nvim_buf_get_changedtick(bufnr) and bufnr == api.nvim_get_current_buf() then
      local uri = type(result.uri) == "string" and result.uri or vim.uri_from_bufnr(bufnr)
      draw(show(uri, bufnr), result.edit, (server.client() or {}).offset_encoding or "utf-16")
      api.nvim_win_set_cursor(0, { shown.row + 1, shown.from })
    end
  end)
end

---@param proposal quickfill.Proposal
local function make(proposal)
  M.dismiss()
  api.nvim_buf_set_text(proposal.bufnr, proposal.row, proposal.from, proposal.row, proposal.to, { proposal.text })
  api.nvim_win_set_cursor(0, { proposal.row + 1, proposal.from })
  ask()
end

--- Makes what is shown, or shows what the newest change calls for.
function M.go()
  if M.shown() and shown.bufnr == api.nvim_get_current_buf() then
    make(shown)
  else
    ask()
  end
end

return M
