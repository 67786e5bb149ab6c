--- Whether suggestions are wanted here: for all, for a buffer, for a file type, or not for the next minutes; and which files are none.
--- Knows buffers and the clock. Knows no server.

local M = {}

local all_off = false
local filetypes_off = {} ---@type table<string, boolean>
local buffers_off = {} ---@type table<integer, boolean>
local snoozed_until = 0 -- milliseconds of the monotonic clock
local wake ---@type uv.uv_timer_t?

local LARGEST_BYTES = 20 * 1024 * 1024
local LINES_READ = 200 -- of a file, to see whether it is text

local function now_ms()
  return vim.uv.hrtime() / 1e6
end

local function changed()
  vim.api.nvim_exec_autocmds("User", { pattern = "QuickfillStatus", modeline = false })
  vim.cmd.redrawstatus({ bang = true })
end

---@param bufnr integer
---@return string? reason, nil where suggestions are wanted
function M.why_off(bufnr)
  local left = snoozed_until - now_ms()
  if all_off then
    return "off"
  elseif left > 0 then
    return ("snoozing, %d min"):format(math.ceil(left / 60000))
  elseif buffers_off[bufnr] then
    return "off in this buffer"
  elseif filetypes_off[vim.bo[bufnr].filetype] then
    return ("off for %s"):format(vim.bo[bufnr].filetype)
  end
end

--- Why the server is never shown a buffer.
---@param bufnr integer
---@return string?
function M.refused(bufnr)
  if vim.bo[bufnr].buftype ~= "" then
    return "not a file"
  end
  if vim.bo[bufnr].binary then
    return "a binary file"
  end
  if vim.api.nvim_buf_get_offset(bufnr, vim.api.nvim_buf_line_count(bufnr)) > LARGEST_BYTES then
    return "a file of more than 20 MB"
  end
  for _, line in ipairs(vim.api.nvim_buf_get_lines(bufnr, 0, LINES_READ, false)) do
    if line:find("%z") then
      return "a binary file"
    end
  end
end

---@param scope "all"|"buffer"|"filetype"
---@param on? boolean nil turns it over
---@return boolean on now
function M.set(scope, on)
  local bufnr = vim.api.nvim_get_current_buf()
  local filetype = vim.bo[bufnr].filetype
  if scope == "buffer" then
    buffers_off[bufnr] = not (on == nil and buffers_off[bufnr] or on) or nil
    on = not buffers_off[bufnr]
  elseif scope == "filetype" then
    filetypes_off[filetype] = not (on == nil and filetypes_off[filetype] or on) or nil
    on = not filetypes_off[filetype]
  else
    all_off = not (on == nil and all_off or on)
    on = not all_off
  end
  if on then
    snoozed_until = 0
  end
  changed()
  return on
end

---@param minutes number 0 wakes it up
function M.snooze(minutes)
  snoozed_until = minutes > 0 and now_ms() + minutes * 60000 or 0
  if wake then
    wake:stop()
    wake:close()
    wake = nil
  end
  if minutes > 0 then
    wake = vim.defer_fn(function()
      wake = nil
      changed()
    end, math.ceil(minutes * 60000) + 1)
  end
  changed()
end

vim.api.nvim_create_autocmd("BufWipeout", {
  group = vim.api.nvim_create_augroup("quickfill.switch", {}),
  callback = function(event)
    buffers_off[event.buf] = nil
  end,
})

return M
