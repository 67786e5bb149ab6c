--- `:Quickfill` and its subcommands.
--- Knows what a person can ask for by name, and ranges of a buffer. Knows no ghost text.

local server = require("quickfill.server")

local M = {}

local MARK = "___" -- what stands for a hole in a text

---@param text string
local function tell(text)
  vim.notify("Quickfill: " .. text)
end

--- An LSP range in the encoding of the client, from rows and bytes counted from 0.
local function lsp_range(row, from, to_row, to)
  local encoding = (server.client() or {}).offset_encoding or "utf-16"
  local function place(line, byte)
    local text = vim.api.nvim_buf_get_lines(0, line, line + 1, false)[1] or ""
    return { line = line, character = vim.str_utfindex(text, encoding, math.min(byte, #text), false) }
  end
  return { start = place(row, from), ["end"] = place(to_row, to) }
end

--- The range of a command's lines, or of the last visual selection if it is these lines.
---@param command vim.api.keyset.create_user_command.command_args
local function selection(command)
  local first, last = command.line1 - 1, command.line2 - 1
  local from, to = vim.api.nvim_buf_get_mark(0, "<"), vim.api.nvim_buf_get_mark(0, ">")
  if vim.fn.visualmode() == "v" and from[1] == command.line1 and to[1] == command.line2 then
    local line = vim.api.nvim_buf_get_lines(0, last, last + 1, false)[1]
    local ending = to[2] < #line and to[2] + #vim.fn.strpart(line, to[2], 1, true) or #line
    return first, from[2], last, ending
  end
  return first, 0, last, #vim.api.nvim_buf_get_lines(0, last, last + 1, false)[1]
end

--- The holes inside a selection; without a mark in it, the selection is the hole.
local function holes(row, from, to_row, to)
  local found = {}
  for line = row, to_row do
    local text = vim.api.nvim_buf_get_lines(0, line, line + 1, false)[1]
    local at, limit = line == row and from + 1 or 1, line == to_row and to or #text
    while true do
      local first, last = text:find(MARK, at, true)
      if not first or last > limit then
        break
      end
      found[#found + 1] = lsp_range(line, first - 1, line, last)
      at = last + 1
    end
  end
  return #found > 0 and found or { lsp_range(row, from, to_row, to) }
end

local function uri()
  return vim.uri_from_bufnr(0)
end

--- The answer of a command that changes the text: says why nothing changed.
local function changed(result, err)
  if err then
    server.say(err)
  elseif type(result) == "table" and result.reason and result.reason ~= vim.NIL then
    tell(result.reason)
  end
end

---@param command vim.api.keyset.create_user_command.command_args
local function fill(command)
  local ranges = vim.NIL
  if command.range > 0 then
    ranges = holes(selection(command))
  end
  server.execute("quickfill.fillHoles", { uri(), ranges }, changed)
end

local function rewrite(command)
  if command.range == 0 then
    tell("select what is to be rewritten: :'<,'>Quickfill rewrite")
    return
  end
  server.execute("quickfill.rewriteSelection", { uri(), lsp_range(selection(command)) }, changed)
end

--- The problem at the cursor that a language server or a linter found; the gravest, if there are several.
local function repair()
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local here = vim.tbl_filter(function(one)
    local after_start = one.lnum < row - 1 or (one.lnum == row - 1 and one.col <= col)
    local before_end = one.end_lnum > row - 1 or (one.end_lnum == row - 1 and one.end_col >= col)
    return after_start and before_end
  end, vim.diagnostic.get(0))
  table.sort(here, function(one, other)
    return one.severity < other.severity
  end)
  local problem = here[1]
  if not problem then
    tell("there is no problem at the cursor")
    return
  end
  local place = lsp_range(problem.lnum, problem.col, problem.end_lnum, problem.end_col)
  server.execute("quickfill.repair", { uri(), place }, changed)
end

--- The answer of a command that writes a document.
local function show(text, err)
  if err then
    server.say(err)
  else
    vim.lsp.util.open_floating_preview(vim.split(text, "\n"), "markdown", { border = "rounded", focus_id = "quickfill" })
  end
end

local function explain()
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  server.execute("quickfill.explain", { uri(), lsp_range(row - 1, col, row - 1, col).start }, show)
end

local function report(_, days)
  local number = tonumber(days or "30")
  if not number or number < 1 or number % 1 ~= 0 then
    server.say(("`%s` is no number of days"):format(days))
  else
    server.execute("quickfill.report", { number }, show)
  end
end

--- The server changes what it suggests here; asked again, it gives that.
---@param how "longer"|"shorter"|"line"
function M.reshape(how)
  local ghost = require("quickfill.ghost")
  local shown = ghost.shown(vim.api.nvim_get_current_buf())
  if not shown then
    tell("nothing is suggested here")
    return
  end
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local place = lsp_range(row - 1, col, row - 1, col).start
  server.execute("quickfill.reshape", { uri(), place, how, shown }, function(result, err)
    changed(result, err)
    if not err and type(result) == "table" and result.changes == 1 then
      ghost.trigger()
    end
  end)
end

local function tell_status()
  local known = require("quickfill.status")
  local off = require("quickfill.switch").why_off(vim.api.nvim_get_current_buf())
  local parts = { off or known.trouble or known.state }
  if known.model then
    parts[#parts + 1] = "model " .. known.model
  end
  if known.reason then
    parts[#parts + 1] = "the last answer was empty: " .. known.reason
  end
  tell(table.concat(parts, "; "))
end

local SCOPES = { "all", "buffer", "filetype" }

---@param on? boolean
local function switch(on)
  return function(_, scope)
    scope = scope or "all"
    if not vim.list_contains(SCOPES, scope) then
      server.say(("`%s` is no scope; say all, buffer or filetype"):format(scope))
      return
    end
    local now = require("quickfill").toggle(scope, on)
    tell(now and "on" or require("quickfill.switch").why_off(vim.api.nvim_get_current_buf()) or "off")
  end
end

local function snooze(_, minutes)
  local number = tonumber(minutes or "5")
  if not number or number < 0 then
    server.say(("`%s` is no number of minutes"):format(minutes))
  else
    require("quickfill").snooze(number)
  end
end

local function call(name)
  return function()
    require("quickfill")[name]()
  end
end

---@type table<string, { run: fun(command: table, argument: string?), values?: string[], needs?: string }>
local SUBCOMMANDS = {
  accept = { run = call("accept") },
  accept_word = { run = call("accept_word") },
  accept_line = { run = call("accept_line") },
  next = { run = call("next") },
  previous = { run = call("previous") },
  trigger = { run = call("trigger") },
  status = {
    run = function()
      server.ask_status(tell_status)
    end,
  },
  toggle = { run = switch(nil), values = SCOPES },
  enable = { run = switch(true), values = SCOPES },
  disable = { run = switch(false), values = SCOPES },
  snooze = { run = snooze, values = { "5", "15", "60", "0" } },
  longer = { run = call("longer"), needs = "quickfill.reshape" },
  shorter = { run = call("shorter"), needs = "quickfill.reshape" },
  one_line = { run = call("one_line"), needs = "quickfill.reshape" },
  next_edit = { run = call("next_edit"), needs = "quickfill.nextEdit" },
  fill = { run = fill, needs = "quickfill.fillHoles" },
  rewrite = { run = rewrite, needs = "quickfill.rewriteSelection" },
  repair = { run = repair, needs = "quickfill.repair" },
  explain = { run = explain, needs = "quickfill.explain" },
  report = { run = report, needs = "quickfill.report", values = { "7", "30", "365" } },
  restart = { run = server.restart },
  health = {
    run = function()
      vim.cmd.checkhealth("quickfill")
    end,
  },
  log = {
    run = function()
      vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    end,
  },
}

---@return string[] what the server, as far as it is known, can do
local function offered()
  local names = {}
  for name, subcommand in pairs(SUBCOMMANDS) do
    if not subcommand.needs or server.offers(subcommand.needs) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

---@param lead string
---@param line string
---@return string[]
local function complete(lead, line)
  local words = vim.split(line:sub(1, #line - #lead), "%s+", { trimempty = true })
  local values = #words <= 1 and offered() or #words == 2 and (SUBCOMMANDS[words[2]] or {}).values or {}
  return vim.tbl_filter(function(value)
    return vim.startswith(value, lead)
  end, values)
end

function M.create()
  vim.api.nvim_create_user_command("Quickfill", function(command)
    local name, argument = command.fargs[1] or "status", command.fargs[2]
    local subcommand = SUBCOMMANDS[name]
    if subcommand then
      subcommand.run(command, argument)
    else
      server.say(("there is no `:Quickfill %s`; there are %s"):format(name, table.concat(offered(), ", ")))
    end
  end, { nargs = "*", range = true, complete = complete, desc = "Quickfill: code completion" })
end

return M
