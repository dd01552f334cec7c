//! What must hold of any text, and recipes to damage. `tests/corpus.rs` of the language replays the corpus with this file.

use fastai_dsl::fmt::{FormatError, format};
use fastai_dsl::parse::parse_value;
use fastai_dsl::prepared::DataSummary;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{Facts, Plan};

/// Reads, renders, checks, prints, plans and formats: nothing panics, a recipe's text reads back to it, and formatting is
/// idempotent and changes no recipe.
pub fn check(bytes: &[u8]) {
    // The lexer remembers every text of the thread.
    proc_macro2::extra::invalidate_current_thread_spans();
    let source = RecipeText::from_bytes("fuzz.recipe", bytes, &[]);
    source.render(false);
    source.render_each();
    if let Ok(checked) = &source.result {
        let canonical = checked.recipe.to_string();
        let again = RecipeText::new("canonical.recipe", &canonical, &[]);
        match &again.result {
            Ok(again) => assert_eq!(again.recipe, checked.recipe, "{canonical}"),
            Err(_) => panic!("{}\n{canonical}", again.render(false)),
        }
        let facts = Facts { train: Some(1000), valid: Some(100), test: None, classes: Some(10) };
        let plan = Plan::new(&checked.recipe, &facts);
        assert_eq!(plan.stages.len(), checked.recipe.steps().len());
    }
    match format("fuzz.recipe", bytes) {
        Ok(once) => match format("fuzz.recipe", once.as_bytes()) {
            Ok(twice) => assert_eq!(twice, once, "formatting is not idempotent"),
            Err(_) => panic!("formatted text does not format:\n{once}"),
        },
        Err(FormatError::Broken(source)) => assert!(source.diagnostics().has_errors()),
        Err(FormatError::Differs) => panic!("formatting changes the recipe"),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        parse_value(text);
    }
}

/// Holds recipes to a summary, in any bytes: nothing panics, and a summary that is read prints as it was read.
pub fn verify(bytes: &[u8]) {
    proc_macro2::extra::invalidate_current_thread_spans();
    let text = String::from_utf8_lossy(bytes);
    for recipe in RECIPES {
        RecipeText::new("fuzz.recipe", recipe, &[]).verify(&text).render(false);
    }
    if let Ok(summary) = DataSummary::parse(&text) {
        assert_eq!(DataSummary::parse(&summary.to_string()), Ok(summary));
    }
}

const RECIPES: &[&str] = &[
    "#[allow(long_run)] A { task: single_label, data: folders { root: \"d\", valid: random(0.25, fold = 3) }, \
     transforms: side_on { size: 64, max_zoom: [1.0, 1.2] }, model: squeezenet1_1 { weights: none, hidden: [] }, \
     metrics: [accuracy, log_loss], class_weights: [1, 2.5], keep_best: accuracy, train: { let lr = lr_find(or = 1e-3); \
     for size in [40, 50] { resize(size); fit([lr / 9, lr / 3, lr], 1, cycle_len = 1, cycle_mult = 2, wds = 1e-4); \
     save(\"a{size}\"); } load(\"a40\"); tta(n_aug = 2); }, }",
    "/// Doc.\nB { task: multi_label, data: csv { root: \"d\", labels: \"l.csv\", images: \"i\", suffix: \".jpg\", id: \"name\", \
     label: 1, separator: \" \", header: on, test: \"t\", valid: indices(\"v.txt\"), batch: 32, workers: 2 }, \
     transforms: top_down { size: 128, crop: random, pad: 4 }, model: squeezenet1_1 { dropout: [0.25, 0.5] }, \
     metrics: [f2(threshold = search)], seed: 1, device: cpu, report: off, clip: 1.0, train: { precompute(on); // cached\n \
     let lr = 1e-2; let lrs = [lr / 9, lr / 3, lr]; fit(lr, 2); precompute(off); freeze_to(-2); bn_freeze(on); \
     fit(lrs, 3, anneal = linear, cycle_len = 2); head(dropout = 0.5, hidden = [64]); freeze(); unfreeze(); /* end */ } }",
];

const TOKENS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ":",
    "=",
    "::",
    "#",
    "-",
    "+",
    "*",
    "/",
    ".",
    "%",
    "!",
    "'a'",
    "'",
    "0",
    "1",
    "2.5",
    "-1",
    "1e300",
    "1e999",
    "0x1f",
    "18446744073709551616",
    "1u8",
    "1e-2",
    "\"\"",
    "\"a{lr}\"",
    "\"{\"",
    "\"..\"",
    "r\"x\"",
    "b\"x\"",
    "true",
    "let",
    "for",
    "in",
    "pub",
    "fit",
    "lr",
    "lr_find",
    "precompute",
    "on",
    "off",
    "unfreeze",
    "freeze",
    "resize",
    "size",
    "tta",
    "save",
    "load",
    "average",
    "head",
    "none",
    "random",
    "column",
    "csv",
    "folders",
    "task",
    "train",
    "metrics",
    "accuracy",
    "f2",
    "search",
    "regression",
    "BATCH",
    "config::BATCH",
    "#[allow(no_effect)]",
    "#[deny(unused_let)]",
    "/// doc\n",
    "// comment\n",
    "/* block */",
    "\n\n",
    "\u{feff}",
    "\u{202e}",
    "é",
];

/// A recipe with its words replaced, dropped, doubled and swapped as `data` says, three bytes an edit.
pub fn mutate(data: &[u8]) -> String {
    let Some((first, edits)) = data.split_first() else { return String::new() };
    let text = RECIPES[usize::from(*first) % RECIPES.len()];
    let mut words: Vec<&str> = split(text);
    for edit in edits.chunks_exact(3) {
        if words.is_empty() {
            break;
        }
        let at = (usize::from(edit[0]) * 256 + usize::from(edit[1])) % words.len();
        let operation = edit[2];
        match operation {
            0..32 => drop(words.remove(at)),
            32..64 => words.insert(at, words[at]),
            64..96 => {
                let other = usize::from(operation) % words.len().min(32);
                words.swap(at, other);
            }
            96..160 => words.insert(at, TOKENS[usize::from(operation) % TOKENS.len()]),
            _ => words[at] = TOKENS[usize::from(operation) % TOKENS.len()],
        }
        if words.len() > 2000 {
            break;
        }
    }
    words.join(" ")
}

/// Words, texts, comments and marks.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let until = |end: Option<usize>| end.unwrap_or(rest.len());
        let len = match first {
            '"' => until(rest[1..].find('"').map(|i| i + 2)),
            '/' if rest.starts_with("//") => until(rest.find('\n').map(|i| i + 1)),
            '/' if rest.starts_with("/*") => until(rest.find("*/").map(|i| i + 2)),
            c if c.is_alphanumeric() => until(rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')),
            c => c.len_utf8(),
        };
        words.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    words
}
