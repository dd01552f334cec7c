//! `fastai lsp`: recipes in editors, over the language server protocol. Everything it says comes from the registry and the
//! checks of `fastai check`.

mod complete;
mod findings;
mod place;
mod transport;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use fastai_dsl::explain;
use fastai_dsl::fmt::format;
use fastai_dsl::source::LARGEST;
use serde_json::{Value, json};

use self::findings::findings;
use super::failure::{Exit, Failure};

/// Errors of the protocol.
const METHOD_NOT_FOUND: i32 = -32_601;
const PARSE_ERROR: i32 = -32_700;
const NOT_INITIALIZED: i32 = -32_002;
const INVALID_REQUEST: i32 = -32_600;

pub fn run() -> Result<(), Failure> {
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
                Err(why) => {
                    say(&failed(&Value::Null, PARSE_ERROR, &why))?;
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
                None if !self.initialized || self.shut_down => {}
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
            "initialize" if self.initialized => Err((INVALID_REQUEST, "`initialize` comes once".to_string())),
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
            "textDocument/hover" => Ok(self.at(parameters, hover)),
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

    /// The text that a request is about, with its address; none if it is larger than any recipe.
    fn text(&self, parameters: &Value) -> Option<(&str, &String)> {
        let uri = parameters["textDocument"]["uri"].as_str()?;
        let (uri, text) = self.texts.get_key_value(uri)?;
        (text.len() <= LARGEST).then_some((uri.as_str(), text))
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

/// The page about the word at a byte, in the sense that it has there; null if there is none.
fn hover(text: &str, at: usize) -> Value {
    let range = place::word(text, at);
    let word = &text[range.clone()];
    let key = complete::construct_of_key(text, &range).and_then(|construct| explain::key_page(construct, word));
    let page = key.or_else(|| bound(text, word)).or_else(|| explain::page(word).ok());
    page.map_or(
        Value::Null,
        |page| json!({ "contents": { "kind": "plaintext", "value": page }, "range": place::range(text, range) }),
    )
}

/// What a recipe's text binds a name to: its `let`, or the head of its `for`.
fn bound(text: &str, name: &str) -> Option<String> {
    let binds = |begins: &str, is: &str, ends: char| {
        let found = text.match_indices(begins).map(|(at, _)| &text[at..]).find(|rest| {
            let behind = rest[begins.len()..].trim_start().strip_prefix(name);
            behind.is_some_and(|behind| behind.trim_start().starts_with(is))
        })?;
        found.split(ends).next().map(|bound| bound.trim_end().to_string())
    };
    binds("let ", "=", ';').or_else(|| binds("for ", "in ", '{'))
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
    fn a_bound_name_is_shown_with_its_value() {
        let text = "train: { let lr  = lr_find(or = 1e-2); for size in [64, 128] { resize(size); fit(lr, 1); } }";
        assert_eq!(bound(text, "lr").as_deref(), Some("let lr  = lr_find(or = 1e-2)"));
        assert_eq!(bound(text, "size").as_deref(), Some("for size in [64, 128]"));
        assert_eq!((bound(text, "l"), bound(text, "fit")), (None, None));
    }

    #[test]
    fn a_word_is_shown_in_the_sense_that_it_has_there() {
        let text = "Cats { seed: 7, data: csv { root: \"d\", batch: 4, valid: random(0.2, seed = 1) },
            transforms: side_on { size: 64 }, model: resnet34 { cut: 1 },
            train: { for size in [32, 64] { resize(size); } let lr = lr_find(or = 0.1); fit(lr, 1, cycle_len = 1); } }";
        for (place, begins) in [
            ("seed: 7", "section `seed`"),
            ("data:", "section `data`"),
            ("csv {", "csv { root, "),
            ("root:", "in csv { root, "),
            ("batch:", "in csv { root, "),
            ("seed = 1", "in random("),
            ("size: 64", "in transforms { "),
            ("cut: 1", "in model { "),
            ("size in", "for size in [32, 64]"),
            ("size);", "for size in [32, 64]"),
            ("lr = lr_find", "let lr = lr_find(or = 0.1)"),
            ("or = 0.1", "in lr_find("),
            ("fit(lr", "fit(lrs, "),
            ("cycle_len", "in fit("),
        ] {
            let shown = hover(text, text.find(place).unwrap());
            let page = shown["contents"]["value"].as_str().unwrap();
            assert!(page.starts_with(begins), "{place}: {page}");
            let senses = page.lines().filter(|line| line.starts_with("in ")).count();
            assert!(senses == 1 || !begins.starts_with("in "), "{place}: {page}");
        }
        assert_eq!(hover(text, text.find("Cats").unwrap()), Value::Null);
    }

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
    fn what_comes_before_initialize_or_a_second_time_is_not_obeyed() {
        let open = tell("textDocument/didOpen", json!({ "textDocument": { "uri": "file:///x", "text": "Cats {" } }));
        let (answers, _) = session(&[
            open.clone(),
            ask(1, "initialize", json!({})),
            ask(2, "initialize", json!({})),
            ask(3, "shutdown", Value::Null),
            open,
        ]);
        let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_i64()).collect();
        assert_eq!(codes, [None, Some(i64::from(INVALID_REQUEST)), None], "{answers:?}");
    }

    #[test]
    fn a_text_larger_than_any_recipe_is_said_to_be_and_answered_with_nothing() {
        let text = "Cats { ".to_string() + &"/* task: single_label */ ".repeat(20_000);
        let document = json!({ "uri": "file:///x.recipe" });
        let end = json!({ "textDocument": document, "position": { "line": 0, "character": text.len() } });
        let (answers, _) = session(&[
            ask(1, "initialize", json!({})),
            tell("textDocument/didOpen", json!({ "textDocument": { "uri": "file:///x.recipe", "text": text } })),
            ask(2, "textDocument/completion", end.clone()),
            ask(3, "textDocument/hover", end.clone()),
            ask(4, "textDocument/formatting", end),
        ]);
        let said = answers[1]["params"]["diagnostics"][0]["message"].as_str().unwrap();
        assert!(said.contains("256 KiB"), "{said}");
        assert!(answers[2..].iter().all(|answer| answer["result"].is_null()), "{:?}", &answers[2..]);
    }

    #[test]
    fn a_session_outlives_a_message_that_is_too_large() {
        let mut input = Vec::new();
        let initialize = ask(1, "initialize", json!({}));
        transport::write(&mut input, &initialize).unwrap();
        let large = 17 << 20;
        write!(input, "Content-Length: {large}\r\n\r\n").unwrap();
        input.resize(input.len() + large, b' ');
        transport::write(&mut input, &ask(2, "shutdown", Value::Null)).unwrap();
        let mut output = Vec::new();
        assert!(Server::default().serve(&mut &input[..], &mut output).unwrap());
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains("a message of more than 16 MiB") && output.contains("\"id\":2"), "{output}");
    }
}
