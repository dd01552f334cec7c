//! The pages about words: those of the language that are no construct, those of the original, and those of the field.

use crate::arch::ARCHS;
use crate::habits;
use crate::recipe::{
    Anneal, Average, Corrupt, Crop, Decode, DeviceWish, Duplicates, Erased, Fall, KappaWeights, METRICS, MetricKind,
    PadMode, PixelFormat, Precision, Sampler, Suggest, TaskKind, TransformSet,
};
use crate::schema::{Key, SECTIONS, constructs};
use crate::word;

/// The words of statements and attributes, each with how it is written and what it means.
pub(super) const KEYWORDS: &[(&str, &str, &str)] = &[
    (
        "let",
        "let NAME = VALUE;",
        "Names a number, a string, a list or the rate that `lr_find` suggests, from here to the end of the block: `let lr = lr_find(or = 1e-2);`. `--set NAME=VALUE` replaces a `let` at the top level of `train`.",
    ),
    (
        "for",
        "for NAME in [VALUES] { STEPS }",
        "Repeats steps of `train`, once for each value of the list, which the name stands for: `for size in [64, 128] { .. }`.",
    ),
    ("pub", "pub NAME { .. }", "Makes the type public that `recipe!` declares; it has no effect in a recipe file."),
    ("allow", "#[allow(LINT)]", "Turns a lint off, for the step, the section or the recipe that follows."),
    ("warn", "#[warn(LINT)]", "Reports a lint as a warning, for the step, the section or the recipe that follows."),
    ("deny", "#[deny(LINT)]", "Reports a lint as an error, for the step, the section or the recipe that follows."),
];

/// Words of the field that the language, the runs and the lessons use, each with its meaning here.
pub(super) const CONCEPTS: &[(&str, &str)] = &[
    ("epoch", "One pass over all training images."),
    ("iteration", "One batch: forward, backward, and a step of the optimizer. An epoch has images / batch of them."),
    ("batchsize", "The number of images of an iteration: `batch: 64` in `data`."),
    (
        "cycle",
        "The epochs in which the learning rate falls from its full value to zero once: `fit(1e-2, 3, cycle_len = 1);` has three.",
    ),
    (
        "sgdr",
        "Warm restarts: the learning rate falls along a cosine and jumps back to its full value: `fit(1e-2, 3, cycle_len = 1, cycle_mult = 2);`",
    ),
    ("restart", "The jump of the learning rate back to its full value at the start of a cycle."),
    (
        "learning_rate",
        "The length of the optimizer's steps. `let lr = lr_find(or = 1e-2);` looks for one, and a list gives each layer group its own: `fit([lr / 9, lr / 3, lr], 3);`",
    ),
    ("layer_group", "Layers that share a learning rate: two of the body, early and late, and the head."),
    ("body", "The pretrained part of the network, up to its pooling."),
    (
        "activation",
        "What the body computes of an image. `precompute(on);` keeps those of every image, so that the head trains in seconds.",
    ),
    (
        "augmentation",
        "Random changes of training images that keep their label: flips, rotations, zoom, light. `transforms: side_on { size: 224, max_zoom: 1.1 }`",
    ),
    ("trn_loss", "The loss of the training batches, smoothed, with augmentation and dropout."),
    (
        "val_loss",
        "The mean loss of the held-out images after an epoch; `keep_best: val_loss` keeps the epoch in which it is lowest.",
    ),
    (
        "underfitting",
        "Training and validation loss are both high: the network has not learned enough. Train longer, at a better rate, or more layers: `unfreeze();`",
    ),
    (
        "overfitting",
        "The validation loss rises, by more than chance explains, while the training loss falls below it: the network knows its training images by heart. Augment more, drop out more, use larger images, or stop earlier.",
    ),
    ("diverged", "The loss left the range of any answer: the learning rate is too high."),
    ("learn", "The original's learner. Here the steps of `train` stand alone: `fit(1e-2, 3);`"),
    ("np", "Lists and numbers are written as they are: `fit([1e-4, 1e-3, 1e-2], 3);`"),
    ("logits", "The outputs of the network before they become probabilities."),
];

/// The words of an enum with their meanings.
type Words = (&'static [&'static str], &'static [&'static str]);

macro_rules! enums {
    ($($name:ident)+) => { &[$(($name::WORDS, $name::DOCS)),+] };
}
const ENUMS: &[Words] = enums! {
    TaskKind TransformSet Crop PadMode Decode PixelFormat Corrupt Duplicates Sampler DeviceWish
    Precision Anneal Suggest Erased Average Fall KappaWeights
};

/// The pages about `topic` as a word of the language.
pub(super) fn pages(topic: &str) -> Vec<String> {
    let mut pages = Vec::new();
    if let Some((kind, doc)) = METRICS.iter().find(|(kind, _)| kind.word() == topic) {
        let tasks: Vec<String> = kind.tasks().iter().map(|task| format!("`{}`", task.word())).collect();
        pages.push(format!("metric `{topic}`, for {}\n\n{}\n\n    metrics: [{topic}]\n", tasks.join(", "), doc.trim()));
    }
    let keyword = KEYWORDS.iter().find(|(name, ..)| *name == topic || *name == "for" && topic == "in");
    pages.extend(keyword.map(|(_, form, text)| format!("{form}\n\n{text}\n")));
    pages.extend(word(topic));
    pages
}

/// The pages about `topic` as a word of the field and as a name of the original.
pub(super) fn pages_beyond(topic: &str) -> Vec<String> {
    let concept = CONCEPTS.iter().find(|(name, _)| *name == topic.to_lowercase());
    concept.map(|(name, text)| format!("{name}\n\n{text}\n")).into_iter().chain(original(topic)).collect()
}

/// The page of a word that a key or a section takes.
fn word(topic: &str) -> Option<String> {
    let takes = |key: &Key| key.legal_words().contains(&topic);
    let keys = constructs().flat_map(|c| c.keys.iter().filter(|k| takes(k)).map(move |k| (c, k)));
    let of_keys = keys.map(|(c, key)| format!("  `{}` of `{}`: {}\n", key.name, c.name, key.doc.trim()));
    // Metrics have pages of their own.
    let sections = SECTIONS.iter().filter(|s| s.words.contains(&topic) && MetricKind::parse(topic).is_none());
    let of_sections = sections.map(|s| format!("  `{}`: {}\n", s.name, s.doc));
    let places: Vec<String> = of_keys.chain(of_sections).collect();
    let meanings = ENUMS.iter().flat_map(|(words, docs)| words.iter().zip(*docs));
    let own = word::DOCS.iter().map(|(word, doc)| (word, doc));
    let docs: Vec<&str> = meanings.chain(own).filter(|(word, _)| **word == topic).map(|(_, doc)| doc.trim()).collect();
    if places.is_empty() && docs.is_empty() {
        return None;
    }
    let meaning: String = docs.iter().map(|doc| format!("{doc}\n")).collect();
    let places = if places.is_empty() { String::new() } else { format!("\na value of\n{}", places.concat()) };
    Some(format!("`{topic}`\n\n{meaning}{places}"))
}

/// The page of a name of the original. A word of the language has one only if it means something else there.
fn original(topic: &str) -> Option<String> {
    if words().any(|word| word == topic) {
        return habits::formerly(topic).map(|meaning| format!("In fastai 0.7, `{topic}` is {meaning}.\n"));
    }
    let here = match habits::renamed_to(topic).or_else(|| habits::python(topic)) {
        Some(ours) => format!("`{ours}`"),
        None => habits::instead(topic).or_else(|| habits::shows(topic))?.to_string(),
    };
    let here = here.split("; remove").next().unwrap_or_default();
    Some(format!("`{topic}` is no word of the language. Instead: {here}\n"))
}

/// All words of the language.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    let of_sections = SECTIONS.iter().flat_map(|section| std::iter::once(section.name).chain(words_of(section.words)));
    let of_constructs = constructs().flat_map(|construct| {
        let keys = construct.keys.iter().flat_map(|key| std::iter::once(key.name).chain(words_of(key.legal_words())));
        std::iter::once(construct.name).chain(keys)
    });
    let archs = ARCHS.iter().flat_map(|facts| std::iter::once(facts.name).chain(words_of(facts.aliases)));
    let plain = of_sections.chain(of_constructs).chain(archs).chain(words_of(MetricKind::WORDS));
    let enums = ENUMS.iter().flat_map(|(words, _)| words_of(words));
    plain.chain(enums).chain(word::DOCS.iter().map(|(word, _)| *word)).chain(KEYWORDS.iter().map(|(word, ..)| *word))
}

fn words_of(words: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    words.iter().copied()
}

/// All words of the field and names of the original that have a page here.
pub(super) fn topics_beyond() -> impl Iterator<Item = &'static str> {
    CONCEPTS.iter().map(|(name, _)| *name).chain(habits::names())
}

/// The texts of helps and pages that propose code, with the names that they are about.
pub fn advice() -> impl Iterator<Item = (&'static str, &'static str)> {
    habits::advice().chain(CONCEPTS.iter().copied())
}
