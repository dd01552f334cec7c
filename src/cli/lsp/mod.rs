//! `fastai lsp`: recipes in editors, over the language server protocol. Everything it says comes from the registry and the
//! checks of `fastai check`.

mod complete;
mod place;
mod transport;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use fastai_dsl::fmt::format;
use fastai_dsl::source::{LARGEST, RecipeText};
use fastai_dsl::{Severity, Site, explain};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::source;

#[derive(clap::Args)]
pub struct LspArgs {}

/// Errors of the protocol.
const METHOD_NOT_FOUND: i32 = -32_601;
const PARSE_ERROR: i32 = -32_700;
const NOT_INITIALIZED: i32 = -32_002;
const INVALID_REQUEST: i32 = -32_600;

pub fn run(_: &LspArgs) -> Result<(), Failure> {
    let served = Server::default().serve(&mut io::stdin().lock(), &mut io::stdout().lock());
    match served {
        Ok(true) => Ok(()),
        // The editor went without a word, or without a `shutdown` before its `exit`.
        Ok(false) => Err(Failure::Reported(Exit::Failed)),
        Err(error) => Err(Failure::Failed(format!("the connection to the editor: {error}"))),
    }
}

/// The state of a session.
#[derive(Default)]
struct Server {
    /// The open files, by address.
    texts: HashMap<String, String>,
    initialized: bool,
    shut_down: bool,
}

impl Server {
    /// Answers until the editor ends the session; returns whether it asked to shut down first.
    fn serve(mut self, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<bool> {
        // An editor that ends may close its pipes before it has heard all answers; what it said before, such as `shutdown`,
        // still counts.
        let mut say = |message: &Value| match transport::write(output, message) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            said => said,
        };
        while let Some(message) = transport::read(input)? {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    say(&failed(&Value::Null, PARSE_ERROR, &error.to_string()))?;
                    continue;
                }
            };
            let method = message["method"].as_str().unwrap_or_default();
            let parameters = &message["params"];
            match message.get("id") {
                // An answer to a request; this server makes none.
                Some(_) if method.is_empty() => {}
                Some(id) => {
                    let answer = match self.request(method, parameters) {
                        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                        Err((code, why)) => failed(id, code, &why),
                    };
                    say(&answer)?;
                }
                None if method == "exit" => return Ok(self.shut_down),
                None => {
                    if let Some(notice) = self.notice(method, parameters) {
                        say(&notice)?;
                    }
                }
            }
        }
        Ok(self.shut_down)
    }

    fn request(&mut self, method: &str, parameters: &Value) -> Result<Value, (i32, String)> {
        if self.shut_down {
            return Err((INVALID_REQUEST, "the session is shut down".to_string()));
        }
        if !self.initialized && method != "initialize" {
            return Err((NOT_INITIALIZED, "`initialize` comes first".to_string()));
        }
        match method {
            "initialize" => {
                self.initialized = true;
                Ok(json!({
                    "capabilities": {
                        "positionEncoding": "utf-16",
                        // The whole text at each change: recipes are small.
                        "textDocumentSync": { "openClose": true, "change": 1, "save": true },
                        "completionProvider": { "triggerCharacters": [":", "=", "(", "{", "[", ",", " "] },
                        "hoverProvider": true,
                        "documentFormattingProvider": true,
                    },
                    "serverInfo": { "name": "fastai", "version": env!("CARGO_PKG_VERSION") },
                }))
            }
            "shutdown" => {
                self.shut_down = true;
                Ok(Value::Null)
            }
            "textDocument/completion" => Ok(self.at(parameters, |text, at| {
                let start = place::word(text, at).start;
                Value::Array(complete::items(&text[..start], text))
            })),
            "textDocument/hover" => Ok(self.at(parameters, |text, at| {
                let word = place::word(text, at);
                match explain::page(&text[word.clone()]) {
                    Ok(page) => json!({
                        "contents": { "kind": "plaintext", "value": page },
                        "range": place::range(text, word),
                    }),
                    Err(_) => Value::Null,
                }
            })),
            "textDocument/formatting" => {
                let Some((uri, text)) = self.text(parameters) else { return Ok(Value::Null) };
                let (name, bytes) = (uri.to_string(), text.clone().into_bytes());
                // A text that does not parse stays as it is; its errors are shown anyway.
                let new = apart(move || format(&name, &bytes).ok()).flatten();
                Ok(match new {
                    Some(new) if new != *text => {
                        json!([{ "range": place::range(text, 0..text.len()), "newText": new }])
                    }
                    _ => json!([]),
                })
            }
            other => Err((METHOD_NOT_FOUND, format!("`{other}` is not served"))),
        }
    }

    fn text(&self, parameters: &Value) -> Option<(&str, &String)> {
        let uri = parameters["textDocument"]["uri"].as_str()?;
        self.texts.get_key_value(uri).map(|(uri, text)| (uri.as_str(), text))
    }

    /// Calls `answer` with the text and the byte that a request is about; null if there is no such place.
    fn at(&self, parameters: &Value, answer: impl FnOnce(&str, usize) -> Value) -> Value {
        let Some((_, text)) = self.text(parameters) else { return Value::Null };
        place::byte(text, &parameters["position"]).map_or(Value::Null, |at| answer(text, at))
    }

    fn notice(&mut self, method: &str, parameters: &Value) -> Option<Value> {
        let document = &parameters["textDocument"];
        let uri = document["uri"].as_str()?.to_string();
        match method {
            "textDocument/didOpen" => {
                self.texts.insert(uri.clone(), document["text"].as_str()?.to_string());
            }
            "textDocument/didChange" => {
                let text = parameters["contentChanges"].as_array()?.last()?["text"].as_str()?.to_string();
                *self.texts.get_mut(&uri)? = text;
            }
            // The summary of the data may be another now.
            "textDocument/didSave" => {}
            "textDocument/didClose" => {
                self.texts.remove(&uri);
                return Some(published(&uri, Vec::new()));
            }
            _ => return None,
        }
        let text = self.texts.get(&uri)?.clone();
        let name = uri.clone();
        let findings = apart(move || findings(&name, &text)).unwrap_or_default();
        Some(published(&uri, findings))
    }
}

/// Calls `work` on a thread of its own: the lexer keeps every text that its thread has seen, and a session is long.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    std::thread::spawn(work).join().ok()
}

fn failed(id: &Value, code: i32, why: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": why } })
}

fn published(uri: &str, findings: Vec<Value>) -> Value {
    let parameters = json!({ "uri": uri, "diagnostics": findings });
    json!({ "jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": parameters })
}

/// What is to be said about a text, also against the summary of its data, if one is beside the file.
fn findings(uri: &str, text: &str) -> Vec<Value> {
    if text.len() > LARGEST {
        let why = format!("larger than {} KiB: no recipe is", LARGEST >> 10);
        return vec![json!({ "range": place::range(text, 0..0), "severity": 1, "source": "fastai", "message": why })];
    }
    let mut read = RecipeText::new(uri, text, &[]);
    let summary = path(uri).and_then(|path| source::summary_of(&path, &read)).filter(|path| path.is_file());
    if let Some(Ok(summary)) = summary.map(|path| source::read_summary(&path)) {
        read = read.verify(&summary);
    }
    // A byte order mark is no part of what was read.
    let skipped = text.len() - read.text.len();
    let at = |site: Site| {
        let bytes = read.place(site);
        place::range(text, bytes.start + skipped..bytes.end + skipped)
    };
    let finding = |found: &fastai_dsl::Diagnostic| {
        let mut message = found.message.clone();
        for (what, more) in [("help", &found.help), ("note", &found.note)] {
            if let Some(more) = more {
                message += &format!("\n{what}: {more}");
            }
        }
        let also = found
            .also
            .as_ref()
            .map(|(site, label)| json!([{ "location": { "uri": uri, "range": at(*site) }, "message": label }]));
        json!({
            "range": at(found.site),
            "severity": match found.severity {
                Severity::Error => 1,
                Severity::Warning => 2,
            },
            "code": found.code.id,
            "source": "fastai",
            "message": message,
            "relatedInformation": also.unwrap_or_else(|| json!([])),
        })
    };
    read.diagnostics().iter().map(finding).collect()
}

/// The path of a `file:` address.
fn path(uri: &str) -> Option<PathBuf> {
    let encoded = uri.strip_prefix("file://")?.as_bytes();
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while at < encoded.len() {
        let code = encoded.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (encoded[at], code.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 3;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    // `file:///C:/x` is `C:/x`.
    let path = if cfg!(windows) { path.trim_start_matches('/').to_string() } else { path };
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends messages and returns the answers; the last value is how the session ended.
    fn session(messages: &[Value]) -> (Vec<Value>, bool) {
        let (mut input, mut output) = (Vec::new(), Vec::new());
        messages.iter().for_each(|message| transport::write(&mut input, message).unwrap());
        let ended = Server::default().serve(&mut &input[..], &mut output).unwrap();
        let mut answers = Vec::new();
        let mut rest = &output[..];
        while let Some(answer) = transport::read(&mut rest).unwrap() {
            answers.push(answer.unwrap());
        }
        (answers, ended)
    }

    fn ask(id: u32, method: &str, parameters: Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters })
    }

    fn tell(method: &str, parameters: Value) -> Value {
        json!({ "jsonrpc": "2.0", "method": method, "params": parameters })
    }

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.recipe");

    #[test]
    fn a_session_has_findings_pages_and_completions() {
        let uri = "file:///tmp/a%20b.recipe";
        let wrong = QUICKSTART.replace("top_down", "topdown");
        let at = |needle: &str| place::position(QUICKSTART, QUICKSTART.find(needle).unwrap() + 1);
        let document = json!({ "uri": uri });
        let place_of = |needle: &str| json!({ "textDocument": document, "position": at(needle) });
        let (answers, ended) = session(&[
            ask(1, "textDocument/hover", place_of("fit(")),
            ask(2, "initialize", json!({})),
            tell("initialized", json!({})),
            tell(
                "textDocument/didOpen",
                json!({ "textDocument": { "uri": uri, "languageId": "recipe", "version": 1, "text": wrong } }),
            ),
            tell(
                "textDocument/didChange",
                json!({ "textDocument": document, "contentChanges": [{ "text": QUICKSTART }] }),
            ),
            ask(3, "textDocument/hover", place_of("fit(")),
            ask(4, "textDocument/completion", place_of("fit(")),
            ask(5, "textDocument/formatting", json!({ "textDocument": document, "options": {} })),
            ask(6, "textDocument/rename", json!({})),
            ask(7, "textDocument/hover", json!({ "textDocument": { "uri": "file:///none" }, "position": {} })),
            tell("textDocument/didClose", json!({ "textDocument": document })),
            ask(8, "shutdown", Value::Null),
            ask(9, "textDocument/hover", place_of("fit(")),
            tell("exit", Value::Null),
        ]);
        assert!(ended);
        assert_eq!(answers[0]["error"]["code"], NOT_INITIALIZED);
        assert_eq!(answers[1]["result"]["capabilities"]["hoverProvider"], true);
        assert_eq!(
            answers[1]["result"]["capabilities"]["textDocumentSync"]["save"], true,
            "the data's summary may change"
        );
        let finding = &answers[2]["params"]["diagnostics"][0];
        assert_eq!((&finding["code"], &finding["severity"]), (&"E0206".into(), &1.into()));
        assert!(finding["message"].as_str().unwrap().contains("help: "), "{finding}");
        assert_eq!(finding["range"]["start"], json!({ "line": 14, "character": 16 }));
        assert_eq!(finding["range"]["end"], json!({ "line": 14, "character": 23 }));
        assert_eq!(answers[3]["params"]["diagnostics"], json!([]));
        assert!(answers[4]["result"]["contents"]["value"].as_str().unwrap().starts_with("fit(lrs, cycles"));
        let steps = answers[5]["result"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["insertText"] == "unfreeze("), "{steps:?}");
        assert_eq!(answers[6]["result"], json!([]), "the example is formatted");
        assert_eq!(answers[7]["error"]["code"], METHOD_NOT_FOUND);
        assert_eq!(answers[8]["result"], Value::Null);
        assert_eq!(answers[9]["params"]["diagnostics"], json!([]));
        assert_eq!(
            (&answers[10]["result"], answers[11]["error"]["code"].as_i64()),
            (&Value::Null, Some(INVALID_REQUEST.into()))
        );
        assert_eq!(answers.len(), 12);
    }

    #[test]
    fn formatting_replaces_the_whole_text() {
        let text = QUICKSTART.replace("    task", "  task");
        let document = json!({ "uri": "file:///x.recipe" });
        let (answers, ended) = session(&[
            ask(1, "initialize", json!({})),
            tell("textDocument/didOpen", json!({ "textDocument": { "uri": "file:///x.recipe", "text": text } })),
            ask(2, "textDocument/formatting", json!({ "textDocument": document })),
        ]);
        assert!(!ended, "the editor went without a word");
        assert_eq!(answers[2]["result"][0]["newText"], QUICKSTART);
        assert_eq!(answers[2]["result"][0]["range"]["start"], json!({ "line": 0, "character": 0 }));
    }

    #[test]
    fn an_editor_may_close_its_pipes_after_shutdown() {
        let (answers, ended) = session(&[ask(1, "initialize", json!({})), ask(2, "shutdown", Value::Null)]);
        assert!(ended);
        assert_eq!(answers.len(), 2);
        let mut input = Vec::new();
        let close = json!({ "textDocument": { "uri": "file:///x.recipe" } });
        for message in [tell("textDocument/didClose", close), ask(2, "shutdown", Value::Null)] {
            transport::write(&mut input, &message).unwrap();
        }
        let (reader, mut closed) = io::pipe().unwrap();
        drop(reader);
        let server = Server { initialized: true, ..Server::default() };
        assert!(server.serve(&mut &input[..], &mut closed).unwrap());
    }

    #[test]
    fn addresses_are_paths() {
        assert_eq!(path("file:///tmp/a%20b%C3%A9.recipe"), Some(PathBuf::from("/tmp/a bé.recipe")));
        assert_eq!(path("file:///tmp/100%"), Some(PathBuf::from("/tmp/100%")));
        assert_eq!(path("untitled:1"), None);
    }
}
