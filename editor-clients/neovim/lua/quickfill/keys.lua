--- The keys of insert mode, and who else wants them.
---
--- Tab takes a suggestion only where one is shown and nobody else waits for it: a popup menu, a snippet, an indentation. In all other
--- cases it does what it did before Quickfill came. Knows other plugins by what they have loaded, and needs none of them.

local options = require("quickfill.options")

local M = {}

---@param name string
---@return table?
local function loaded(name)
  local module = package.loaded[name]
  return type(module) == "table" and module or nil
end

---@param call fun(): any
---@return boolean
local function says_yes(call)
  local ok, answer = pcall(call)
  return ok and answer == true or ok and answer == 1
end

--- The menus of completion plugins are windows of their own.
---@return boolean
function M.menu_open()
  local cmp, blink = loaded("cmp"), loaded("blink.cmp")
  return cmp ~= nil and says_yes(function()
    return cmp.visible()
  end) or blink ~= nil and says_yes(function()
    return blink.is_menu_visible()
  end)
end

---@return boolean
local function snippet_waits()
  local luasnip, mini = loaded("luasnip"), loaded("mini.snippets")
  return vim.snippet.active({ direction = 1 })
    or luasnip ~= nil and says_yes(function()
      return luasnip.locally_jumpable(1)
    end)
    or mini ~= nil and says_yes(function()
      return mini.session.get() ~= nil
    end)
end

--- Before the first word of a line, a suggestion that begins with blanks leaves Tab to the indentation (which types it along).
---@param text string
---@return boolean
local function indentation_waits(text)
  local col = vim.api.nvim_win_get_cursor(0)[2]
  return text:find("^[ \t]") ~= nil and vim.api.nvim_get_current_line():sub(1, col):find("%S") == nil
end

--- The suggestion that a key may take, or nil.
---@return string?
local function takable()
  return require("quickfill.ghost").shown(vim.api.nvim_get_current_buf())
end

---@return boolean
function M.tab_is_free()
  local text = takable()
  return text ~= nil
    and vim.fn.pumvisible() == 0
    and not M.menu_open()
    and not snippet_waits()
    and not indentation_waits(text)
end

--- With a popup open, its end comes first: else it would put back what it began with. What it has inserted already is kept.
---@return string
local function closing_popup()
  if vim.fn.pumvisible() == 0 then
    return ""
  end
  local info = vim.fn.complete_info({ "selected", "items" })
  local word = info.selected >= 0 and info.items[info.selected + 1].word
  local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
  return word and vim.endswith(before, word) and "<Plug>(quickfill-popup-yes)" or "<Plug>(quickfill-popup-no)"
end

local function call(name)
  return ("<Cmd>lua require('quickfill').%s()<CR>"):format(name)
end

--- `<C-g>u` around it: one `u` takes back the suggestion, and nothing else.
local ACTIONS = {
  accept = { run = "<C-g>u" .. call("accept") .. "<C-g>u", wanted = M.tab_is_free },
  accept_word = { run = "<C-g>u" .. call("accept_word"), wanted = takable, closes_popup = true },
  accept_line = { run = "<C-g>u" .. call("accept_line"), wanted = takable, closes_popup = true },
  next = { run = call("next"), wanted = takable },
  previous = { run = call("previous"), wanted = takable },
  dismiss = { run = call("dismiss"), wanted = takable },
  trigger = { run = call("trigger") },
  longer = { run = call("longer"), wanted = takable },
  shorter = { run = call("shorter"), wanted = takable },
  one_line = { run = call("one_line"), wanted = takable },
}

---@param lhs string
---@return table? the global mapping of insert mode
local function mapping(lhs)
  local wanted = vim.keycode(lhs)
  for _, found in ipairs(vim.api.nvim_get_keymap("i")) do
    if vim.keycode(found.lhs) == wanted then
      return found
    end
  end
end

--- Gives what a key did before a name, so that it can still be done.
---@param lhs string
---@param name string
local function keep_old_meaning(lhs, name)
  local before = mapping(lhs)
  if before then
    before.lhs, before.lhsraw, before.lhsrawalt, before.buffer = name, vim.keycode(name), nil, 0
    vim.fn.mapset("i", false, before)
  else
    vim.keymap.set("i", name, lhs)
  end
end

--- Maps the keys once, globally: mappings of a buffer (nvim-cmp, blink.cmp) come before them and fall back on them.
function M.map()
  if M.mapped then
    return
  end
  M.mapped = true
  vim.keymap.set("i", "<Plug>(quickfill-popup-yes)", "<C-y>")
  vim.keymap.set("i", "<Plug>(quickfill-popup-no)", "<C-e>")
  for action, how in pairs(ACTIONS) do
    local plug = ("<Plug>(quickfill-%s)"):format(action:gsub("_", "-"))
    vim.keymap.set("i", plug, how.run, { desc = "Quickfill: " .. action:gsub("_", " ") })
    local lhs = options.now.keys[action]
    if lhs then
      local otherwise = ("<Plug>(quickfill-not-%s)"):format(action:gsub("_", "-"))
      keep_old_meaning(lhs, otherwise)
      vim.keymap.set("i", lhs, function()
        if how.wanted and not how.wanted() then
          return otherwise
        end
        return (how.closes_popup and closing_popup() or "") .. plug
      end, { expr = true, remap = true, desc = "Quickfill: " .. action:gsub("_", " ") })
    end
  end
end

return M
