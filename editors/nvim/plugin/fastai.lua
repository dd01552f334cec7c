-- Recipes of fastai in Neovim 0.7 and later: starts `fastai lsp` for every `.recipe` file.
vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, {
  pattern = "*.recipe",
  callback = function(event)
    vim.bo[event.buf].filetype = "recipe"
  end,
})

vim.api.nvim_create_autocmd("FileType", {
  pattern = "recipe",
  callback = function(event)
    vim.bo[event.buf].commentstring = "// %s"
    vim.bo[event.buf].omnifunc = "v:lua.vim.lsp.omnifunc"
    local config = { name = "fastai", cmd = { "fastai", "lsp" }, root_dir = vim.fn.getcwd() }
    if vim.lsp.start then
      vim.lsp.start(config)
    else
      vim.lsp.buf_attach_client(event.buf, vim.lsp.start_client(config))
    end
  end,
})
