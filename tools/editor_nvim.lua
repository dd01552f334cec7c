-- Drives a second Neovim, key by key, over recipes with `fastai lsp` behind it, set up by editors/nvim:
--
--     FASTAI=target/debug/fastai nvim --headless --clean -S tools/editor_nvim.lua
--
-- Neovim 0.7 and later. Prints what it saw, and fails if that is not what an editor should show. With SETUP=config the lines of
-- editors/README.md for Neovim 0.11 set the client up in place of the plugin.

local root = vim.fn.fnamemodify(vim.fn.expand("<sfile>:p"), ":h:h")
local program = vim.fn.fnamemodify(os.getenv("FASTAI") or "target/debug/fastai", ":p")
local scratch = vim.fn.tempname()
local failures = 0

local function report(good, what, seen)
  failures = failures + (good and 0 or 1)
  io.stdout:write(("%s %s: %s\n"):format(good and "ok  " or "FAIL", what, vim.inspect(seen):gsub("%s+", " "):sub(1, 240)))
end

local function write(path, text)
  vim.fn.mkdir(vim.fn.fnamemodify(path, ":h"), "p")
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end

-- The server, under a shell that notes how it ended.
local server = scratch .. "/bin/fastai"
write(server, ('#!/bin/sh\n"%s" "$@"\necho $? > "%s/ended"\n'):format(program, scratch))
vim.fn.setfperm(server, "rwxr-xr-x")

-- The lines of the page for Neovim 0.11.
for block in read(root .. "/editors/README.md"):gmatch("```lua\n(.-)```") do
  if block:find("vim.lsp.config", 1, true) then
    write(scratch .. "/init.lua", block)
  end
end

-- An editor of its own, in a folder of its own, without the user's settings.
local function editor()
  os.remove(scratch .. "/ended")
  local command = { vim.v.progpath, "--embed", "--headless", "--clean" }
  if os.getenv("SETUP") == "config" then
    vim.list_extend(command, { "-u", scratch .. "/init.lua" })
  else
    vim.list_extend(command, { "--cmd", "set rtp^=" .. root .. "/editors/nvim" })
  end
  local job = vim.fn.jobstart(command, {
    rpc = true,
    cwd = scratch,
    env = { PATH = scratch .. "/bin:" .. os.getenv("PATH") },
  })
  return {
    job = job,
    keys = function(keys)
      vim.fn.rpcrequest(job, "nvim_input", keys)
    end,
    lua = function(code, ...)
      return vim.fn.rpcrequest(job, "nvim_exec_lua", code, { ... })
    end,
  }
end

-- What `ask` returns once `good` holds, or after five seconds.
local function until_good(ask, good)
  local seen
  vim.wait(5000, function()
    seen = ask()
    return good(seen)
  end, 20)
  return seen
end

local function expect(what, ask, good)
  local seen = until_good(ask, good)
  report(good(seen), what, seen)
  return seen
end

-- The findings, each as its code and the text that it underlines; the editor turned UTF-16 units into bytes.
local FINDINGS = [[
  local seen = {}
  for _, found in ipairs(vim.diagnostic.get(0)) do
    local lines = vim.api.nvim_buf_get_text(0, found.lnum, found.col, found.end_lnum, found.end_col, {})
    table.insert(seen, (found.code or "") .. " " .. table.concat(lines, "\\n"))
  end
  table.sort(seen)
  return seen
]]

local function findings(of)
  return function()
    return of.lua(FINDINGS)
  end
end

local function is(wanted)
  return function(seen)
    return seen == wanted
  end
end

local function are(...)
  local wanted = { ... }
  return function(seen)
    return vim.deep_equal(seen, wanted)
  end
end

local function text(of)
  return of.lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\\n') .. '\\n'")
end

local function line(of)
  return function()
    return of.lua("return vim.api.nvim_get_current_line()")
  end
end

local RECIPE = [[
/// Katzen 🐱 oder Hunde?
Cats {
    task: single_label,
    data: folders { root: "bilder/🐱é", batch: 32 },
    transforms: side_on { size: 64 },
    model: squeezenet1_1,
    metrics: [accuracy],
    train: {
        fit(1e-2, 3, cycle_len = 1);
    },
}
]]

local function replaced(from, to)
  local start, stop = RECIPE:find(from, 1, true)
  return RECIPE:sub(1, start - 1) .. to .. RECIPE:sub(stop + 1)
end

write(scratch .. "/wrong.recipe", (replaced("batch", "bach"):gsub("%[accuracy", "[acuracy")))
write(scratch .. "/dos.recipe", (replaced("batch", "bach"):gsub("\n", "\r\n")))
write(scratch .. "/plain.recipe", (RECIPE:gsub("    task", "  task")))

local function session()
  local nvim = editor()
  nvim.lua("vim.cmd('edit wrong.recipe')")
  expect("findings underline their words", findings(nvim), are("E0204 bach", "E0208 acuracy"))

  nvim.keys(":%s/bach/batch/<CR>:%s/acuracy/accuracy/<CR>")
  expect("a corrected text has no findings", findings(nvim), are())
  report(text(nvim) == RECIPE, "the text is the correct one", text(nvim))

  -- Keys as typed: what stands in the line once the editor's own completion has an answer.
  local function complete(what, keys, wanted)
    nvim.keys("<Esc>" .. keys .. "<C-x><C-o>")
    expect(what, line(nvim), function(seen)
      return seen:find(wanted, 1, true) ~= nil
    end)
    nvim.keys("<Esc>u")
  end
  complete("completion of a step", "9Gounfr", "unfreeze(")
  complete("completion of a key behind wide characters", "4G0f,i, samp", [["bilder/🐱é", sampler: , batch: 32 },]])
  complete("completion of a key in its section", "4G0f}hi, sampl", [[é", batch: 32, sampler:  }]])
  complete("completion of a network", "6G0f:C: resnet5", "    model: resnet50")

  local function hover(what, place, wanted)
    nvim.keys("<Esc>" .. place)
    nvim.lua("vim.lsp.buf.hover()")
    local shown = [[
      for _, window in ipairs(vim.api.nvim_list_wins()) do
        if vim.api.nvim_win_get_config(window).relative ~= "" then
          return table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, true), "\n")
        end
      end
      return ""
    ]]
    expect(what, function()
      return nvim.lua(shown)
    end, function(seen)
      return seen:find(wanted, 1, true) ~= nil
    end)
    nvim.keys("hl")
  end
  hover("hover of a step", "9G0ff", "fit(lrs, cycles")
  hover("hover of a key behind wide characters", "4G0fbfbl", "batch")

  nvim.lua("vim.cmd('edit! plain.recipe')")
  local FORMAT = [[
    if vim.lsp.buf.format then vim.lsp.buf.format({ timeout_ms = 5000 }) else vim.lsp.buf.formatting_sync(nil, 5000) end
  ]]
  local ready = [[
    local clients = vim.lsp.get_clients and vim.lsp.get_clients({ bufnr = 0 }) or vim.lsp.buf_get_clients(0)
    return #vim.tbl_values(clients)
  ]]
  until_good(function()
    return nvim.lua(ready)
  end, function(count)
    return count > 0
  end)
  nvim.lua(FORMAT)
  report(text(nvim) == RECIPE, "formatting is that of `fastai fmt`", text(nvim))

  -- The summary of the data may change beside an open recipe: it is read again when the recipe is saved.
  write(scratch .. "/Cats.prepared", "this is none\n")
  nvim.keys(":write<CR>")
  expect("a save reads the summary of the data", findings(nvim), are("E0701 data"))
  os.remove(scratch .. "/Cats.prepared")
  nvim.keys(":write<CR>")
  expect("a save without a summary", findings(nvim), are())

  nvim.lua("vim.cmd('edit! dos.recipe')")
  expect("findings in lines that end in CR LF", findings(nvim), are("E0204 bach"))
  nvim.keys(":%s/bach/batch/<CR>:%s/    task/  task/<CR>")
  expect("corrected lines that end in CR LF", findings(nvim), are())
  nvim.lua(FORMAT)
  nvim.keys(":write<CR>")
  expect("formatting keeps CR LF", function()
    return read(scratch .. "/dos.recipe")
  end, is((RECIPE:gsub("\n", "\r\n"))))

  local function ended()
    return vim.trim(read(scratch .. "/ended"))
  end
  report(ended() == "", "the server still serves", ended())
  pcall(nvim.keys, ":qa!<CR>")
  expect("the server ends with the editor", ended, is("0"))

  local killed = editor()
  killed.lua("vim.cmd('edit wrong.recipe')")
  until_good(findings(killed), function(seen)
    return #seen > 0
  end)
  vim.loop.kill(vim.fn.jobpid(killed.job), "sigkill")
  expect("the server ends when the editor is killed", ended, is("1"))
end

local finished, why = xpcall(session, debug.traceback)
if not finished then
  report(false, "the session", why)
end
vim.fn.delete(scratch, "rf")
io.stdout:write(failures == 0 and "all is well\n" or failures .. " failed\n")
vim.cmd(failures == 0 and "qall!" or "cquit")
