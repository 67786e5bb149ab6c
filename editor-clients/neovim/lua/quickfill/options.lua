--- What a user can set: names, defaults, and one sentence for each mistake.
--- Knows no editor state and no server.

local M = {}

---@class quickfill.Options
M.defaults = {
  --- The server's command; nil takes `quickfill lsp` from the PATH.
  cmd = nil,
  --- Settings of the server, such as `{ min_confidence = 0.4, multiline = "never" }`.
  settings = {},
  --- Where suggestions are wanted. The server says so if it does not know a language.
  filetypes = { python = true },
  --- Milliseconds of silence on the keyboard before the server is asked.
  debounce_ms = 40,
  --- Whether ghost text is shown beside an open popup menu: "show" or "hide".
  popup = "show",
  --- Keys in insert mode; false leaves one out, and `keys = false` all of them.
  keys = {
    accept = "<Tab>",
    accept_word = "<M-Right>",
    accept_line = "<M-C-Right>",
    next = "<M-]>",
    previous = "<M-[>",
    trigger = "<M-\\>",
    dismiss = "<C-]>",
    longer = "<M-=>",
    shorter = "<M-->",
    one_line = false,
  },
  --- A server that leaves a question unanswered for so long is stopped and started again.
  hang_seconds = 30,
}

M.now = vim.deepcopy(M.defaults)

local KINDS = {
  cmd = { "table" },
  settings = { "table" },
  filetypes = { "table" },
  debounce_ms = { "number" },
  popup = { "string" },
  keys = { "table", "boolean" },
  hang_seconds = { "number" },
}

---@param name string
---@param value any
---@return string? mistake
local function mistake(name, value)
  local kinds = KINDS[name]
  if not kinds then
    return ("there is no option `%s`"):format(name)
  end
  if not vim.list_contains(kinds, type(value)) then
    return ("`%s` must be a %s, not a %s"):format(name, table.concat(kinds, " or "), type(value))
  end
  if name == "popup" and value ~= "show" and value ~= "hide" then
    return '`popup` must be "show" or "hide"'
  end
  if (name == "debounce_ms" or name == "hang_seconds") and value < 0 then
    return ("`%s` must not be negative"):format(name)
  end
  for key in pairs(name == "keys" and type(value) == "table" and value or {}) do
    if M.defaults.keys[key] == nil then
      return ("there is no key `%s`"):format(key)
    end
  end
end

--- A list, `{ "python", "sh" }`, names all; switches, `{ sh = true }`, change what is said about these.
---@param filetypes table
---@return table<string, boolean>
local function as_switches(filetypes)
  if not vim.islist(filetypes) then
    return filetypes
  end
  local switches = vim.tbl_map(function()
    return false
  end, M.defaults.filetypes)
  for _, name in ipairs(filetypes) do
    switches[name] = true
  end
  return switches
end

--- Takes what is right, leaves out what is not.
---@param given table
---@return string[] mistakes, each a sentence's middle
function M.take(given)
  local mistakes, good = {}, {}
  for name, value in pairs(given) do
    local wrong = mistake(name, value)
    if wrong then
      mistakes[#mistakes + 1] = wrong
    elseif name == "filetypes" then
      good[name] = as_switches(value)
    elseif name == "keys" and type(value) == "boolean" then
      good[name] = value and {} or vim.tbl_map(function()
        return false
      end, M.defaults.keys)
    else
      good[name] = value
    end
  end
  M.now = vim.tbl_deep_extend("force", vim.deepcopy(M.defaults), good)
  table.sort(mistakes)
  return mistakes
end

---@return string[]
function M.filetypes()
  local names = {}
  for name, wanted in pairs(M.now.filetypes) do
    if wanted then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

return M
