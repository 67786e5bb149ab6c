--- The server's process: where it is, how it starts, and what happens when it does not, crashes, or hangs.
--- Knows commands, exit codes and timers. Knows no suggestion.

local options = require("quickfill.options")
local status = require("quickfill.status")
local switch = require("quickfill.switch")

local M = { NAME = "quickfill" }

local MOST_CRASHES = 5 -- in a row; after that it stays down until asked for
local LONG_LIFE_SECONDS = 60 -- a server that lived so long crashes "for the first time" again
local LOOK_MS = 300 -- between two looks whether the model is loaded
local ROOT_MARKERS = { "pyproject.toml", "setup.py", "setup.cfg", ".git" }

local crashes = 0
local not_before = 0 -- seconds of the monotonic clock; no start earlier
local wanted_down = false -- by the user, or because Neovim leaves
local process ---@type { rpc: vim.lsp.rpc.PublicClient, hung: boolean }?
local alarm ---@type uv.uv_timer_t?

local function now_seconds()
  return vim.uv.hrtime() / 1e9
end

---@param message string
---@param level? integer
function M.say(message, level)
  vim.schedule(function()
    vim.notify("Quickfill: " .. message, level or vim.log.levels.WARN)
  end)
end

---@return string[]
function M.command()
  return options.now.cmd or { "quickfill", "lsp" }
end

---@return string? how it cannot be found, as a sentence
function M.missing()
  local program = M.command()[1]
  if type(program) ~= "string" or vim.fn.executable(program) == 0 then
    return ("the server `%s` is not installed or not on the PATH; `pip install` Quickfill, or set `cmd` (:help quickfill-install)"):format(
      tostring(program)
    )
  end
end

local function quiet_alarm()
  if alarm then
    alarm:stop()
    if not alarm:is_closing() then
      alarm:close()
    end
    alarm = nil
  end
end

--- The server was asked something. If `M.answered` is not called in time, it counts as hanging and is started anew.
function M.asked()
  quiet_alarm()
  local asked = process
  if not asked then
    return
  end
  alarm = vim.defer_fn(function()
    alarm = nil
    if process == asked then
      asked.hung = true
      asked.rpc.terminate()
    end
  end, math.ceil(options.now.hang_seconds * 1000))
end

M.answered = quiet_alarm

local function ask_until_loaded()
  if process and status.state == "loading" and not M.notified then
    M.ask_status()
    vim.defer_fn(ask_until_loaded, LOOK_MS)
  end
end

--- The server has begun to talk; the model may still be loading.
function M.attached()
  M.answered()
  if status.state ~= "ready" and status.state ~= "asking" then
    status.set("loading")
    ask_until_loaded()
  end
end

local function start_again()
  if not wanted_down and vim.lsp.is_enabled(M.NAME) then
    vim.lsp.enable(M.NAME)
  end
end

---@param what string how it ended
---@param lived number seconds
local function crashed(what, lived)
  crashes = lived > LONG_LIFE_SECONDS and 1 or crashes + 1
  if crashes >= MOST_CRASHES then
    status.set("stopped", ("%s, %d times in a row"):format(what, crashes))
    M.say(
      ("%s, %d times in a row; it stays down. :checkhealth quickfill looks for the cause, :Quickfill log shows its last words, :Quickfill restart tries again."):format(
        "the server " .. what,
        crashes
      ),
      vim.log.levels.ERROR
    )
    not_before = math.huge
    return
  end
  local pause = 2 ^ (crashes - 1) * M.first_pause_seconds
  not_before = now_seconds() + pause
  status.set("crashed", what .. ", starts again soon")
  vim.defer_fn(start_again, math.ceil(pause * 1000) + 10)
end

M.first_pause_seconds = 1

--- The `cmd` of the LSP configuration. Neovim's own message for each exit is left out: a crash is repaired, and repeated ones get one message.
---@param dispatchers vim.lsp.rpc.Dispatchers
---@param config vim.lsp.ClientConfig
---@return vim.lsp.rpc.PublicClient
function M.spawn(dispatchers, config)
  local began = now_seconds()
  local this ---@type { rpc: vim.lsp.rpc.PublicClient, hung: boolean }
  local passed_on = vim.tbl_extend("force", dispatchers, {
    on_exit = function(code, signal)
      vim.schedule(function()
        local current = process == this
        if current then
          process = nil
          quiet_alarm()
        end
        local asked_to = wanted_down or (code == 0 and (signal == 0 or signal == 15)) or (signal == 15 and not this.hung)
        if this.hung then
          crashed("did not answer", now_seconds() - began)
        elseif asked_to then
          if current then
            status.set("off")
          end
        else
          crashed(signal ~= 0 and ("died of signal %d"):format(signal) or ("ended with exit code %d"):format(code), now_seconds() - began)
        end
      end)
      dispatchers.on_exit(0, 0)
    end,
  })
  local rpc = vim.lsp.rpc.start(M.command(), passed_on, { cwd = config.cmd_cwd, env = config.cmd_env, detached = config.detached })
  this = { rpc = rpc, hung = false }
  process = this
  status.set("starting")
  M.asked()
  return rpc
end

--- A file's root, told only where a server should be: it exists, is not in a pause, and the file is text.
---@param bufnr integer
---@param on_dir fun(root: string)
local function root_dir(bufnr, on_dir)
  if not require("quickfill.version").good() or switch.refused(bufnr) then
    return
  end
  local missing = M.missing()
  if missing then
    if status.state ~= "missing" then
      M.say(missing)
    end
    status.set("missing", missing)
    return
  end
  if now_seconds() < not_before then
    return
  end
  wanted_down = false
  on_dir(vim.fs.root(bufnr, ROOT_MARKERS) or vim.fn.getcwd())
end

--- What `lsp/quickfill.lua` is.
---@return vim.lsp.Config
function M.config()
  return {
    cmd = M.spawn,
    filetypes = options.filetypes(),
    root_dir = root_dir,
    -- One model for all projects of this Neovim, not one for each.
    reuse_client = function(client, config)
      return client.name == config.name and not client:is_stopped()
    end,
    init_options = options.now.settings,
    handlers = {
      ["quickfill/status"] = function(_, told)
        if type(told) == "table" then
          M.notified = true
          status.told(told)
        end
      end,
    },
    -- The server hears of each key at once and reads the text while the plugin still waits for the next one.
    flags = { debounce_text_changes = 0 },
    exit_timeout = 100, -- milliseconds; Neovim shows a message for longer ones
  }
end

--- A user may set the command with `vim.lsp.config("quickfill", { cmd = { ... } })`: it is taken over, so that crashes are handled all the same.
function M.take_command()
  if not vim.lsp.is_enabled(M.NAME) then
    return
  end
  local config = vim.lsp.config[M.NAME]
  if config and type(config.cmd) == "table" then
    options.now.cmd = config.cmd
    vim.lsp.config(M.NAME, { cmd = M.spawn, root_dir = root_dir })
    vim.schedule(start_again)
  end
end

---@param bufnr? integer
---@return vim.lsp.Client?
function M.client(bufnr)
  return vim.lsp.get_clients({ name = M.NAME, bufnr = bufnr })[1]
end

---@param command string
---@return boolean
function M.offers(command)
  local client = M.client()
  local offered = client and vim.tbl_get(client.server_capabilities, "executeCommandProvider", "commands") or {}
  return vim.list_contains(offered, command)
end

--- Calls a command of the server; `done` gets the result, or nil and a sentence.
---@param command string
---@param arguments any[]
---@param done fun(result: any, err?: string)
function M.execute(command, arguments, done)
  local client = M.client()
  if not client then
    done(nil, "the server is not running; :checkhealth quickfill says why")
  elseif not M.offers(command) then
    done(nil, ("this server does not offer `%s`; a newer Quickfill may"):format(command))
  else
    client:request("workspace/executeCommand", { command = command, arguments = arguments }, function(err, result)
      done(result, err and err.message or nil)
    end)
  end
end

--- Asks why the last answer was empty, unless the server tells by itself; then calls `done`.
---@param done? fun()
function M.ask_status(done)
  done = done or function() end
  if M.notified or not M.offers("quickfill.status") then
    done()
    return
  end
  M.execute("quickfill.status", {}, function(told)
    if type(told) == "table" then
      status.told(told)
    end
    done()
  end)
end

function M.restart()
  crashes, not_before, wanted_down = 0, 0, false
  local client = vim.lsp.get_clients({ name = M.NAME, _uninitialized = true })[1]
  if client then
    client:stop(500)
  end
  local tries = 0
  local function start()
    tries = tries + 1
    if process and tries < 100 then
      vim.defer_fn(start, 20)
    else
      status.set("off")
      vim.lsp.enable(M.NAME)
    end
  end
  start()
end

vim.api.nvim_create_autocmd("VimLeavePre", {
  group = vim.api.nvim_create_augroup("quickfill.server", {}),
  callback = function()
    wanted_down = true
    quiet_alarm()
  end,
})

return M
