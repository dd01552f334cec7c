//! LANGUAGE.md's reference and the grammar for editors are made from the registry: a key without its line there does not pass.
//! `UPDATE=1 cargo test -p fastai-dsl --test language_page` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;

use fastai_dsl::TransformSet;
use fastai_dsl::arch::ARCHS;
use fastai_dsl::catalog::{ERRORS, LINTS};
use fastai_dsl::recipe::METRICS;
use fastai_dsl::schema::{Construct, SECTIONS, STEPS, constructs};
use serde_json::{Value, json};

const BEGIN: &str = "<!-- begin: made from the registry -->\n";
const END: &str = "<!-- end -->\n";

fn construct(out: &mut String, c: &Construct, what: &str) {
    writeln!(out, "\n#### `{}`{what}\n\n{}\n", c.name, c.doc.trim()).unwrap();
    if c.keys.is_empty() {
        return;
    }
    out.push_str("| key | takes | range | default | meaning |\n|---|---|---|---|---|\n");
    for k in c.keys {
        let takes = match k.words {
            [] => k.ty.expected().replace('|', "\\|"),
            words => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
        };
        let range = k.range.map_or(String::new(), |r| r.to_string());
        let default = match (k.default, k.required) {
            (Some(d), _) => format!("`{d}`"),
            (None, true) => "required".to_string(),
            (None, false) => String::new(),
        };
        writeln!(out, "| `{}` | {takes} | {range} | {default} | {} |", k.name, k.doc.trim()).unwrap();
    }
}

fn reference() -> String {
    let mut out =
        String::from("\n### Sections\n\n| section | range | default | meaning | example |\n|---|---|---|---|---|\n");
    for s in SECTIONS {
        let default = match s.default {
            Some(default) => format!("`{default}`"),
            None if s.required => "required".to_string(),
            None => String::new(),
        };
        let range = s.range.map_or(String::new(), |r| r.to_string());
        let example = s.example.replace('|', "\\|");
        writeln!(out, "| `{}` | {range} | {default} | {} | `{example}` |", s.name, s.doc).unwrap();
    }
    out.push_str("\n### Keys of sections\n");
    for c in constructs().filter(|c| !STEPS.iter().any(|s| s.name == c.name)) {
        construct(&mut out, c, "");
    }
    out.push_str("\n### Steps\n");
    for c in STEPS {
        construct(&mut out, c, &format!(": `{}`", c.signature()));
    }
    out.push_str("\n### Metrics\n\n| metric | measures | better | meaning |\n|---|---|---|---|\n");
    for (kind, doc) in METRICS {
        let tasks: Vec<String> = kind.tasks().iter().map(|task| format!("`{}`", task.word())).collect();
        let better = kind.direction().word();
        writeln!(out, "| `{}` | {} | {better} | {} |", kind.word(), tasks.join(", "), doc.trim()).unwrap();
    }
    out.push_str("\n### Architectures\n\n| name | groups | body parameters | head input | largest `cut` | smallest image | |\n|---|---|---|---|---|---|---|\n");
    for a in ARCHS.iter() {
        let names: Vec<String> = std::iter::once(&a.name).chain(a.aliases).map(|n| format!("`{n}`")).collect();
        let parameters: u64 = a.body().iter().map(|g| g.1).sum();
        writeln!(
            out,
            "| {} | {} | {parameters} | {} | {} | {} px | {} |",
            names.join(", "),
            a.groups(),
            a.head_input(),
            a.max_cut(),
            a.min_size,
            a.doc
        )
        .unwrap();
    }
    out.push_str("\n### Lints\n\n| lint | default | fires on |\n|---|---|---|\n");
    for l in LINTS {
        let level = format!("{:?}", l.lint.unwrap()).to_lowercase();
        writeln!(out, "| `{}` | {level} | {} |", l.id, l.title).unwrap();
    }
    out.push_str("\n### Errors\n\n| code | |\n|---|---|\n");
    for e in ERRORS {
        writeln!(out, "| `{}` | {} |", e.id, e.title).unwrap();
    }
    out.push('\n');
    out
}

#[test]
fn the_language_page_says_what_the_registry_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../LANGUAGE.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("the begin marker");
    let (body, tail) = rest.split_once(END).expect("the end marker");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{}{END}{tail}", reference())).unwrap();
        return;
    }
    assert!(body == reference(), "LANGUAGE.md is stale: UPDATE=1 cargo test -p fastai-dsl --test language_page");
}

/// A TextMate grammar: editors, web sites and diff viewers colour recipes by it.
fn grammar() -> Value {
    // Longer words first: the first alternative that fits is taken.
    let one_of = |names: BTreeSet<&str>| {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_by_key(|name| (std::cmp::Reverse(name.len()), *name));
        format!(r"\b(?:{})\b", names.join("|"))
    };
    let steps = one_of(STEPS.iter().map(|step| step.name).collect());
    let sections = one_of(SECTIONS.iter().map(|section| section.name).collect());
    let keys = one_of(constructs().flat_map(|c| c.keys).map(|key| key.name).collect());
    let of_constructs = constructs().map(|c| c.name).filter(|name| STEPS.iter().all(|step| step.name != *name));
    let of_keys = constructs().flat_map(|c| c.keys).flat_map(|key| key.legal_words()).copied();
    let of_archs = ARCHS.iter().flat_map(|arch| std::iter::once(arch.name).chain(arch.aliases.iter().copied()));
    let of_metrics = METRICS.iter().map(|(kind, _)| kind.word());
    let of_sections = SECTIONS.iter().flat_map(|section| section.words).chain(TransformSet::WORDS).copied();
    let words = one_of(of_constructs.chain(of_keys).chain(of_archs).chain(of_metrics).chain(of_sections).collect());
    let lints = one_of(LINTS.iter().map(|lint| lint.id).collect());
    let named = |name: &str, pattern: &str| json!({ "name": format!("{name}.recipe"), "match": pattern });
    json!({
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "fastai recipe",
        "scopeName": "source.recipe",
        "fileTypes": ["recipe"],
        "patterns": [
            named("comment.line.documentation", "//[/!].*$"),
            named("comment.line.double-slash", "//.*$"),
            { "include": "#comment" },
            {
                "name": "string.quoted.double.recipe",
                "begin": "\"",
                "end": "\"",
                "patterns": [named("constant.character.escape", r"\\.")],
            },
            named("keyword.control", r"\b(?:let|for|in|pub|allow|warn|deny)\b"),
            {
                "match": format!("({sections})\\s*(?=:)"),
                "captures": { "1": { "name": "keyword.other.section.recipe" } },
            },
            {
                "match": format!("({keys})\\s*(?=[:=])"),
                "captures": { "1": { "name": "variable.parameter.recipe" } },
            },
            { "match": format!("({steps})\\s*(?=\\()"), "captures": { "1": { "name": "entity.name.function.recipe" } } },
            named("constant.numeric", r"\b\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?\b"),
            named("constant.language", &words),
            named("constant.other.lint", &lints),
            named("entity.name.type", r"\b[A-Z][A-Za-z0-9]*\b"),
            named("keyword.operator", r"\.\.=?|[-+*/=]"),
        ],
        // Block comments nest, as in Rust.
        "repository": { "comment": {
            "name": "comment.block.recipe",
            "begin": r"/\*",
            "end": r"\*/",
            "patterns": [{ "include": "#comment" }],
        } },
    })
}

#[test]
fn the_grammar_for_editors_has_the_words_of_the_registry() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../editors/vscode/syntaxes/recipe.tmLanguage.json");
    let text = format!("{:#}\n", grammar());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == text, "{path} is stale: UPDATE=1 cargo test -p fastai-dsl --test language_page");
}
