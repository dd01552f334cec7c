// Starts `fastai lsp` for .recipe files.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const command = vscode.workspace.getConfiguration("fastai").get("path");
  const server = { command, args: ["lsp"] };
  client = new LanguageClient("fastai", "fastai recipes", server, { documentSelector: [{ language: "recipe" }] });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const setting = "The setting `fastai.path` names the program.";
    vscode.window.showErrorMessage(`\`${command} lsp\` does not start: ${error.message}. ${setting}`);
  }
}

async function stop() {
  const old = client;
  client = undefined;
  await old?.stop();
}

exports.activate = async (context) => {
  const changed = vscode.workspace.onDidChangeConfiguration(async (event) => {
    if (event.affectsConfiguration("fastai.path")) {
      await stop();
      await start();
    }
  });
  context.subscriptions.push(changed);
  await start();
};

exports.deactivate = stop;
