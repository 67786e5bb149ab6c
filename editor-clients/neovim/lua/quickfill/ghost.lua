--- The ghost text: Neovim's own inline completion (`vim.lsp.inline_completion`), taught four things.
---
--- It asks sooner than after 200 ms; what is typed along stays shown and is not asked for again; what no longer fits the
--- text is never shown nor inserted; and a suggestion can be taken in parts. For this the methods of one object for each
--- buffer are replaced: this is the only file that knows that object, and without it (a later Neovim) Neovim's own behaviour stays.
--- Knows positions in lines. Knows no keys and no server process.

local options = require("quickfill.options")
local server = require("quickfill.server")
local status = require("quickfill.status")
local switch = require("quickfill.switch")

local api = vim.api
local M = {}

local METHOD = "textDocument/inlineCompletion"
local KIND = { invoked = 1, automatic = 2 }
local NAMESPACE = api.nvim_create_namespace("nvim.lsp.inline_completion")
local NEEDED = { "automatic_request", "request", "handler", "select", "show", "hide", "abort", "accept", "reset_timer", "get_item", "count_items" }
-- What an auto-pairs plugin puts behind the cursor.
local CLOSERS = "^[%)%]}\"'`>]+$"

--- Where a suggestion belongs, in the line as it was when it was asked for.
---@class quickfill.Anchor
---@field row integer
---@field head string the line before the text that the suggestion replaces
---@field right string the line behind the cursor
---@field cut integer how many bytes of `right` it replaces

--- How a suggestion stands to the text as it is now.
---@class quickfill.Fit
---@field row integer
---@field col integer the cursor
---@field rest string what is not typed yet
---@field over integer how many bytes behind the cursor it replaces

---@return table?
local function class()
  local capability = vim.lsp._capability
  local found = capability and capability.all and capability.all.inline_completion
  if not found or type(found.active) ~= "table" then
    return nil
  end
  for _, name in ipairs(NEEDED) do
    if type(found[name]) ~= "function" then
      return nil
    end
  end
  return found
end

---@return boolean whether this Neovim can be taught
function M.able()
  return class() ~= nil
end

---@param bufnr integer
local function completor(bufnr)
  local known = class()
  return known and known.active[bufnr]
end

---@param bufnr integer
---@return integer? row, integer? col, string? line
local function cursor_in(bufnr)
  local win = api.nvim_get_current_win()
  if api.nvim_win_get_buf(win) ~= bufnr then
    return nil
  end
  local row, col = unpack(api.nvim_win_get_cursor(win))
  return row - 1, col, api.nvim_get_current_line()
end

---@param item table
---@return string text, boolean snippet
local function text_of(item)
  local text = item.insertText
  if type(text) == "string" then
    return text, false
  end
  local ok, grammar = pcall(require, "vim.lsp._snippet_grammar")
  return ok and tostring(grammar.parse(text.value)) or text.value, true
end

--- How an item still fits the text, or nil. It does while what was typed since is how it begins; brackets that an auto-pairs plugin
--- closed behind the cursor are replaced if the suggestion closes them itself.
---@param bufnr integer
---@param item table?
---@return quickfill.Fit?
local function fit(bufnr, item)
  local anchor = item and item.anchor ---@type quickfill.Anchor?
  local row, col, line = cursor_in(bufnr)
  if not item or not anchor or row ~= anchor.row or col < #anchor.head or line:sub(1, #anchor.head) ~= anchor.head then
    return nil
  end
  local text = text_of(item)
  local typed, right = line:sub(#anchor.head + 1, col), line:sub(col + 1)
  if not vim.startswith(text, typed) or text == typed then
    return nil
  end
  local rest = text:sub(#typed + 1)
  if right == anchor.right then
    return { row = row, col = col, rest = rest, over = anchor.cut }
  end
  local gained = right:sub(1, #right - #anchor.right)
  if anchor.cut == 0 and gained .. anchor.right == right and gained:find(CLOSERS) and vim.endswith(rest, gained) and rest ~= gained then
    return { row = row, col = col, rest = rest, over = #gained }
  end
end

---@param self table
---@return table? item, quickfill.Fit?, integer? client_id
local function current(self)
  if not self.current then
    return nil
  end
  local client_id, item = self:get_item(self.current._index)
  return item, fit(self.bufnr, item), client_id
end

--- Shows the first item that fits, of whichever server; nothing if none does.
---@param self table
---@param with_index boolean
local function show_first(self, with_index)
  for index = 1, self:count_items() do
    local _, item = self:get_item(index)
    if fit(self.bufnr, item) then
      self:select(index, with_index)
      return
    end
  end
  self:hide()
  self.current = nil
end

--- The lines to draw. What the suggestion repeats of the text that it replaces stands there already.
---@param self table
---@param found quickfill.Fit
---@param hint string?
local function draw(self, found, hint)
  local replaced = api.nvim_get_current_line():sub(found.col + 1, found.col + found.over)
  local seen = found.rest
  local overlay = false
  if replaced ~= "" and vim.endswith(seen, replaced) and not seen:find("\n", 1, true) then
    seen = seen:sub(1, #seen - #replaced)
  else
    overlay = replaced ~= ""
  end
  local lines = vim.tbl_map(function(text)
    return { { text, "ComplHint" } }
  end, vim.split(seen, "\n", { plain = true }))
  if hint then
    table.insert(lines[#lines], { hint, "ComplHintMore" })
  end
  api.nvim_buf_set_extmark(self.bufnr, NAMESPACE, found.row, found.col, {
    virt_text = lines[1],
    virt_text_pos = overlay and "overlay" or "inline",
    virt_lines = vim.list_slice(lines, 2),
    hl_mode = "combine",
  })
end

---@return boolean
local function popup_open()
  return vim.fn.pumvisible() == 1 or require("quickfill.keys").menu_open()
end

local function show(self, hint)
  self:hide()
  local item, found = current(self)
  if not item then
    return
  end
  if not found then
    self.current = nil
  elseif not (options.now.popup == "hide" and popup_open()) then
    draw(self, found, hint)
  end
end

--- The popup's chosen item where it is not inserted yet ('completeopt' with noinsert): the suggestion is to begin with it.
---@param row integer
---@param col integer
---@param line string
---@param encoding string
local function chosen_in_popup(row, col, line, encoding)
  if vim.fn.pumvisible() == 0 then
    return nil
  end
  local info = vim.fn.complete_info({ "selected", "items" })
  local item = info.selected >= 0 and info.items[info.selected + 1]
  local word = item and item.word or ""
  local before = line:sub(1, col)
  if word == "" or vim.endswith(before, word) then
    return nil
  end
  local typed = math.min(#word, #before)
  while before:sub(#before - typed + 1) ~= word:sub(1, typed) do
    typed = typed - 1
  end
  local function place(byte)
    return { line = row, character = vim.str_utfindex(line, encoding, byte, false) }
  end
  return { text = word, range = { start = place(col - typed), ["end"] = place(col) } }
end

---@param lsp_range table?
---@param asked { row: integer, col: integer, line: string }
---@param encoding string
---@return quickfill.Anchor? nil for a range that Quickfill cannot follow
local function anchor_at(lsp_range, asked, encoding)
  if not lsp_range or lsp_range == vim.NIL then
    return { row = asked.row, head = asked.line:sub(1, asked.col), right = asked.line:sub(asked.col + 1), cut = 0 }
  end
  local from, to = lsp_range.start, lsp_range["end"]
  if from.line ~= asked.row or to.line ~= asked.row then
    return nil
  end
  local first = vim.str_byteindex(asked.line, encoding, from.character, false)
  local last = vim.str_byteindex(asked.line, encoding, to.character, false)
  if first > asked.col or last < asked.col then
    return nil
  end
  return { row = asked.row, head = asked.line:sub(1, first), right = asked.line:sub(asked.col + 1), cut = last - asked.col }
end

--- Keeps the items that fit the text as it is now, and shows the first.
---@param self table
---@param client vim.lsp.Client
---@param asked table
---@param items table[]
local function take(self, client, asked, items)
  local fitting = {}
  for _, item in ipairs(items) do
    item.anchor = anchor_at(item.range, asked, client.offset_encoding)
    item.range = nil -- Neovim would read it in the text as it is now
    if fit(self.bufnr, item) then
      fitting[#fitting + 1] = item
    end
  end
  if #fitting == 0 and not asked.by_hand and select(2, current(self)) then
    return -- what was typed along still stands
  end
  self.client_state[client.id].items = fitting
  show_first(self, asked.by_hand and #fitting > 1)
end

---@param self table
---@param client vim.lsp.Client
---@param asked table
local function answered(self, client, asked, err, result)
  if self.asking and self.asking[client.id] == asked.id then
    self.asking[client.id] = nil
  end
  local ours = client.name == server.NAME
  if ours then
    server.answered()
    status.set("ready")
  end
  if not self.client_state[client.id] then
    return
  end
  if err then
    if ours then
      status.because(err.message)
    end
    return
  end
  if not vim.startswith(api.nvim_get_mode().mode, "i") then
    return
  end
  local items = type(result) == "table" and (result.items or result) or {}
  take(self, client, asked, items)
  if not ours then
    return
  end
  if #items > 0 then
    status.because(nil)
  else
    server.ask_status(asked.by_hand and function()
      server.say("nothing to suggest here: " .. (status.reason or "the server does not say why"), vim.log.levels.INFO)
    end or nil)
  end
end

---@param self table
---@param client vim.lsp.Client
---@param kind integer
local function ask(self, client, kind)
  local row, col, line = cursor_in(self.bufnr)
  if not row then
    return
  end
  local encoding = client.offset_encoding
  local asked = { row = row, col = col, line = line, by_hand = kind == KIND.invoked }
  local params = {
    textDocument = vim.lsp.util.make_text_document_params(self.bufnr),
    position = { line = row, character = vim.str_utfindex(line, encoding, col, false) },
    context = { triggerKind = kind, selectedCompletionInfo = chosen_in_popup(row, col, line, encoding) },
  }
  self.asking = self.asking or {}
  if self.asking[client.id] then
    client:cancel_request(self.asking[client.id])
  end
  local sent, id = client:request(METHOD, params, function(err, result)
    answered(self, client, asked, err, result)
  end, self.bufnr)
  if not sent then
    return
  end
  asked.id = id
  self.asking[client.id] = id
  if client.name == server.NAME then
    server.asked()
    status.set(status.state == "loading" and "loading" or "asking")
  end
end

local function request(self, kind)
  for id in pairs(self.client_state) do
    local client = vim.lsp.get_client_by_id(id)
    local wanted = client and (client.name ~= server.NAME or kind == KIND.invoked or not switch.why_off(self.bufnr))
    if client and wanted then
      ask(self, client, kind)
    end
  end
end

--- A question that was taken back gets no answer.
local function abort(self)
  class().abort(self)
  if next(self.asking or {}) then
    self.asking = {}
    server.answered()
    if status.state == "asking" then
      status.set("ready")
    end
  end
end

--- After each key: what still fits stays, and needs no question.
local function automatic_request(self)
  self:show()
  self:reset_timer()
  if self.current then
    return
  end
  self.timer = vim.defer_fn(function()
    self.timer = nil
    if vim.startswith(api.nvim_get_mode().mode, "i") then
      self:request(KIND.automatic)
    end
  end, options.now.debounce_ms)
end

---@param self table
---@param client_id integer
---@param item table
---@param found quickfill.Fit
local function insert_all(self, client_id, item, found)
  local text, snippet = text_of(item)
  self:abort()
  self.client_state[client_id] = {}
  if snippet then
    api.nvim_buf_set_text(self.bufnr, found.row, found.col - (#text - #found.rest), found.row, found.col + found.over, {})
    api.nvim_win_set_cursor(0, { found.row + 1, found.col - (#text - #found.rest) })
    vim.snippet.expand(item.insertText.value)
  else
    local lines = vim.split(found.rest, "\n", { plain = true })
    api.nvim_buf_set_text(self.bufnr, found.row, found.col, found.row, found.col + found.over, lines)
    api.nvim_win_set_cursor(0, { found.row + #lines, (#lines == 1 and found.col or 0) + #lines[#lines] })
  end
  local client = vim.lsp.get_client_by_id(client_id)
  if item.command and client then
    client:exec_cmd(item.command, { bufnr = self.bufnr })
  end
end

--- Inserts the beginning; the rest becomes the suggestion.
---@param self table
---@param client_id integer
---@param item table
---@param found quickfill.Fit
---@param part string
local function insert_part(self, client_id, item, found, part)
  local lines = vim.split(part, "\n", { plain = true })
  api.nvim_buf_set_text(self.bufnr, found.row, found.col, found.row, found.col, lines)
  local row, col = found.row + #lines - 1, (#lines == 1 and found.col or 0) + #lines[#lines]
  api.nvim_win_set_cursor(0, { row + 1, col })
  local line = api.nvim_get_current_line()
  self.client_state[client_id].items = {
    {
      insertText = found.rest:sub(#part + 1),
      command = item.command,
      anchor = { row = row, head = line:sub(1, col), right = line:sub(col + 1), cut = found.over },
    },
  }
  show_first(self, false)
end

--- A word with what stands before it, or a run of signs: what the word key takes.
---@param rest string
---@return string
local function first_word(rest)
  return rest:match("^%s*[%w_\128-\255]+") or rest:match("^%s*[^%w_%s\128-\255]+") or rest
end

--- Up to the end of the line; with nothing left on this line, the whole next one.
---@param rest string
---@return string
local function first_line(rest)
  return rest:match("^\n*[^\n]+") or rest
end

local PARTS = { word = first_word, line = first_line }

--- What is shown now: the text to come, or nil.
---@param bufnr integer
---@return string?
function M.shown(bufnr)
  if #api.nvim_buf_get_extmarks(bufnr, NAMESPACE, 0, -1, { limit = 1 }) == 0 then
    return nil
  end
  local self = completor(bufnr)
  local _, found = current(self or {})
  return found and found.rest
end

--- Inserts the suggestion or its next part. Everything is decided by the text as it is at this moment.
---@param part? "word"|"line"
---@return boolean done
function M.accept(part)
  local bufnr = api.nvim_get_current_buf()
  local self = completor(bufnr)
  if not self then
    return false
  end
  local item, found, client_id = current(self)
  if not item or not found or not client_id then
    return false
  end
  local text = part and type(item.insertText) == "string" and PARTS[part](found.rest) or found.rest
  if text == found.rest then
    insert_all(self, client_id, item, found)
  else
    insert_part(self, client_id, item, found, text)
  end
  return true
end

--- For `vim.lsp.inline_completion.get()`, which hands over the item that it chose.
local function accept(self, chosen)
  local client_id, item = self:get_item(chosen._index)
  local found = client_id and fit(self.bufnr, item)
  if client_id and item and found then
    insert_all(self, client_id, item, found)
  end
end

--- Asks now, for several candidates, likely or not.
---@return boolean
function M.trigger()
  local self = completor(api.nvim_get_current_buf())
  if self then
    self:reset_timer()
    self:request(KIND.invoked)
  end
  return self ~= nil
end

function M.dismiss()
  local self = completor(api.nvim_get_current_buf())
  if self then
    self:abort()
  end
end

--- Hides everything, everywhere: suggestions are not wanted for now.
function M.hide_all()
  for _, self in pairs((class() or { active = {} }).active) do
    self:abort()
  end
end

--- Teaches the object of a buffer; to be called whenever a server came to it.
---@param bufnr integer
function M.adopt(bufnr)
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
  local self = completor(bufnr)
  if not self then
    return
  end
  self.automatic_request, self.request, self.abort = automatic_request, request, abort
  self.show, self.accept = show, accept
  if bufnr == api.nvim_get_current_buf() and vim.startswith(api.nvim_get_mode().mode, "i") then
    self:automatic_request()
  end
end

return M
