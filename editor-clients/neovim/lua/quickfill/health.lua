--- `:checkhealth quickfill`: each line says how it stands, and what to do where it does not stand well.
--- Knows the other modules. Changes nothing.

local M = {}

local SERVER_ANSWERS_MS = 3000
local DOCTOR_MS = 60000

---@param health table
local function neovim(health)
  if not require("quickfill.version").good() then
    health.error("Neovim is too old", "Install Neovim 0.12 or newer.")
    return false
  end
  health.ok("Neovim " .. tostring(vim.version()))
  if not require("quickfill.ghost").able() then
    health.warn(
      "this Neovim's inline completion is built differently: accepting words and lines and asking by hand are not available",
      "Suggestions work as `:help lsp-inline_completion` says; look for a newer Quickfill."
    )
  end
  return true
end

---@param health table
---@return boolean
local function program(health)
  local server = require("quickfill.server")
  local missing = server.missing()
  if missing then
    health.error(missing, {
      "pip install quickfill's folder, and start Neovim where `quickfill` is on the PATH,",
      'or: require("quickfill").setup({ cmd = { "/path/to/quickfill", "lsp" } })',
    })
    return false
  end
  health.ok("server: " .. table.concat(server.command(), " ") .. " (" .. vim.fn.exepath(server.command()[1]) .. ")")
  if not vim.lsp.is_enabled(server.NAME) then
    health.warn("the server is not enabled", 'vim.lsp.enable("quickfill"), or require("quickfill").setup()')
  end
  return true
end

--- The server's own examination, where none runs that could be asked.
---@param health table
local function doctor(health)
  local path = require("quickfill.server").command()[1]
  local started, process = pcall(vim.system, { path, "doctor" }, { text = true, timeout = DOCTOR_MS })
  local done = started and process:wait() or { code = 1, stderr = tostring(process) }
  if done.code == 0 then
    health.ok("`" .. path .. " doctor` finds nothing wrong:")
    for line in vim.gsplit(vim.trim(done.stdout), "\n") do
      health.info(vim.trim(line))
    end
  else
    local words = vim.trim((done.stderr or "") .. "\n" .. (done.stdout or ""))
    health.error(
      ("`%s doctor` failed with exit code %d: %s"):format(path, done.code, vim.list_slice(vim.split(words, "\n"), -5)[1] or ""),
      "Run it in a shell and read what it says; `pip install` Quickfill again if files are missing."
    )
  end
end

---@param health table
---@param client vim.lsp.Client
local function running(health, client)
  local server = require("quickfill.server")
  local info = client.server_info or {}
  health.ok(("running: %s %s, position encoding %s"):format(info.name or "?", info.version or "?", client.offset_encoding))
  if not client:supports_method("textDocument/inlineCompletion") then
    health.error("the server does not offer inline completion", "It is no Quickfill, or an old one: update it.")
  end
  if not server.offers("quickfill.status") then
    health.warn("the server does not tell its status", "Update Quickfill.")
    return
  end
  local answer, err = client:request_sync("workspace/executeCommand", { command = "quickfill.status", arguments = {} }, SERVER_ANSWERS_MS)
  local told = answer and answer.result
  if type(told) ~= "table" then
    health.error("the server does not answer: " .. tostring(err or (answer and answer.err and answer.err.message)), ":Quickfill restart, then :Quickfill log")
    return
  end
  require("quickfill.status").told(told)
  if told.ready == true then
    health.ok("the model is loaded: " .. tostring(told.model))
  elseif told.reason and told.reason ~= vim.NIL then
    health.error("the model does not load: " .. tostring(told.reason), "Check the setting `model`; `quickfill doctor` examines the installation.")
    return
  else
    health.info("the model is being loaded; try again in a few seconds")
  end
  if told.reason and told.reason ~= vim.NIL then
    health.info("the last answer was empty: " .. tostring(told.reason))
  else
    health.ok("the last answer was not empty, or nothing was asked yet")
  end
  for source, count in vim.spairs(type(told.answers) == "table" and told.answers or {}) do
    health.info(("answers since the start, %s: %d"):format(source, count))
  end
end

---@param health table
local function keys(health)
  local options = require("quickfill.options")
  for action, lhs in vim.spairs(options.now.keys) do
    local found = lhs and vim.fn.maparg(lhs, "i", false, true) or {}
    if not lhs then
      health.info(action .. ": no key")
    elseif not require("quickfill.keys").mapped then
      health.info(("%s: %s, as soon as a server is attached"):format(action, lhs))
    elseif vim.startswith(found.desc or "", "Quickfill: ") then
      health.ok(("%s: %s"):format(action, lhs))
    else
      health.warn(
        ("%s: %s is mapped by something else (%s)"):format(action, lhs, found.desc or found.rhs or "a Lua function"),
        ('Let that mapping call require("quickfill").%s() where require("quickfill").visible(), or choose another key.'):format(action)
      )
    end
  end
  for plugin, name in pairs({ cmp = "nvim-cmp", ["blink.cmp"] = "blink.cmp", luasnip = "LuaSnip" }) do
    if package.loaded[plugin] then
      health.info(name .. " is loaded: Tab is left to it while its menu is open or its snippet waits")
    end
  end
end

function M.check()
  local health = vim.health
  health.start("quickfill: Neovim")
  if not neovim(health) then
    return
  end
  health.start("quickfill: server")
  if program(health) then
    local known, client = require("quickfill.status"), require("quickfill.server").client()
    if known.trouble then
      health.error("the server " .. known.trouble, ":Quickfill log shows its last words; :Quickfill restart tries again.")
    end
    if client then
      running(health, client)
    else
      health.info("no server is running: it starts with the first file of " .. table.concat(require("quickfill.options").filetypes(), ", "))
      doctor(health)
    end
  end
  health.start("quickfill: keys")
  keys(health)
end

return M
