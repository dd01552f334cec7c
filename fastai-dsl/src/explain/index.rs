//! The list of what `fastai explain` explains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::glossary::{CONCEPTS, KEYWORDS};
use crate::arch::ARCHS;
use crate::catalog::{ERRORS, LINTS};
use crate::recipe::{METRICS, MetricKind, TransformSet};
use crate::schema::{
    AUGMENTATIONS, CHECKS, Construct, IMAGES, LOSSES, OPTIMIZERS, SECTIONS, SOURCES, SPLITS, STEPS, constructs,
};
use crate::word;

/// The topics, one line each, without the names of the original.
pub fn index() -> String {
    let mut out = String::new();
    let mut list = |title: &str, rows: Vec<(&str, String)>| {
        let _ = writeln!(out, "{title}");
        for (name, text) in rows {
            let _ = writeln!(out, "  {name:<28} {text}");
        }
        out.push('\n');
    };
    let calls = |constructs: &[&Construct]| constructs.iter().map(|c| (c.name, line(c.doc))).collect::<Vec<_>>();
    list("sections", SECTIONS.iter().map(|s| (s.name, line(s.doc))).collect());
    list("steps", calls(STEPS));
    list("statements and attributes", KEYWORDS.iter().map(|(name, form, _)| (*name, (*form).to_string())).collect());
    list("sources of `data`", calls(SOURCES));
    let all = word::DOCS.iter().filter(|(name, _)| *name == word::all.0).map(|(name, doc)| (*name, line(doc)));
    list("splits of `valid`", calls(SPLITS).into_iter().chain(all).collect());
    let sets = TransformSet::WORDS.iter().zip(TransformSet::DOCS).map(|(name, doc)| (*name, line(doc)));
    list("sets of `transforms`", sets.collect());
    list("augmentations", calls(AUGMENTATIONS));
    list("losses", calls(LOSSES));
    list("optimizers", calls(OPTIMIZERS));
    list("metrics", METRICS.iter().map(|(kind, doc)| (kind.word(), line(doc))).collect());
    let others = CHECKS.iter().chain(IMAGES).filter(|c| !SECTIONS.iter().any(|s| s.name == c.name));
    list("calls that other keys take", others.map(|c| (c.name, line(c.doc))).collect());
    let archs = ARCHS.iter().flat_map(|facts| {
        let also = facts.aliases.iter().map(move |alias| (*alias, format!("`{}`", facts.name)));
        std::iter::once((facts.name, line(facts.doc))).chain(also)
    });
    list("architectures", archs.collect());
    list("keys and arguments", keys());
    list("words that keys and sections take", words());
    list("words of the field", CONCEPTS.iter().map(|(name, text)| (*name, line(text))).collect());
    list("lints", LINTS.iter().map(|c| (c.id, c.title.to_string())).collect());
    list("errors", ERRORS.iter().map(|c| (c.id, c.title.to_string())).collect());
    out.truncate(out.trim_end().len());
    out
}

/// The first sentence.
fn line(doc: &str) -> String {
    let doc = doc.trim();
    doc.find(". ").map_or(doc, |end| &doc[..=end]).to_string()
}

/// The keys, each with what has it.
fn keys() -> Vec<(&'static str, String)> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (construct, key) in constructs().flat_map(|c| c.keys.iter().map(move |key| (c, key))) {
        places.entry(key.name).or_default().push(construct.name);
    }
    places.into_iter().map(|(key, places)| (key, format!("of {}", places.join(", ")))).collect()
}

/// The words, each with what takes it. Metrics, by which `keep_best` chooses, have a list of their own.
fn words() -> Vec<(&'static str, String)> {
    let mut places: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let keys = constructs().flat_map(|c| c.keys).map(|key| (key.name, key.legal_words()));
    for (place, words) in keys.chain(SECTIONS.iter().map(|section| (section.name, section.words))) {
        for word in words.iter().filter(|word| MetricKind::parse(word).is_none()) {
            places.entry(word).or_default().insert(place);
        }
    }
    let row = |places: BTreeSet<&str>| format!("of {}", places.into_iter().collect::<Vec<_>>().join(", "));
    places.into_iter().map(|(word, places)| (word, row(places))).collect()
}
