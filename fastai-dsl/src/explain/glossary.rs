//! The pages about words: those of the language that are no construct, those of the original, and those of the field.

use crate::arch;
use crate::habits;
use crate::recipe::{
    Anneal, Average, Corrupt, Crop, Decode, DeviceWish, Duplicates, Erased, Fall, KappaWeights, METRICS, MetricKind,
    PadMode, PixelFormat, Precision, Sampler, Suggest, TaskKind, TransformSet,
};
use crate::schema::{Key, SECTIONS, constructs};
use crate::word;

/// Words of the field that the language, the runs and the lessons use, each with its meaning here.
const CONCEPTS: &[(&str, &str)] = &[
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

/// The pages about `topic` as a word.
pub(super) fn pages(topic: &str) -> Vec<String> {
    let mut pages = Vec::new();
    if let Some((kind, doc)) = METRICS.iter().find(|(kind, _)| kind.word() == topic) {
        let tasks: Vec<String> = kind.tasks().iter().map(|task| format!("`{}`", task.word())).collect();
        pages.push(format!("metric `{topic}`, for {}\n\n{}\n\n    metrics: [{topic}]\n", tasks.join(", "), doc.trim()));
    }
    pages.extend(word(topic));
    pages.extend(original(topic));
    let concept = CONCEPTS.iter().find(|(name, _)| *name == topic.to_lowercase());
    pages.extend(concept.map(|(name, text)| format!("{name}\n\n{text}\n")));
    pages
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

/// The page of a name of the original.
fn original(topic: &str) -> Option<String> {
    let here = match (arch::find(topic), habits::renamed_to(topic)) {
        (Some(facts), _) if facts.name != topic => format!("`{}`", facts.name),
        (_, Some(ours)) => format!("`{ours}`"),
        _ if habits::python(topic).is_some_and(|ours| ours != topic) => {
            format!("`{}`", habits::python(topic).unwrap_or_default())
        }
        _ => habits::instead(topic).or_else(|| habits::shows(topic))?.to_string(),
    };
    let here = here.split("; remove").next().unwrap_or_default();
    Some(format!("`{topic}` is no word of the language. Instead: {here}\n"))
}

/// All words that have a page here.
pub(super) fn topics() -> impl Iterator<Item = &'static str> {
    let of_keys = constructs().flat_map(|c| c.keys).flat_map(|key| key.legal_words());
    let of_sections = SECTIONS.iter().flat_map(|section| section.words);
    let enums = ENUMS.iter().flat_map(|(words, _)| *words);
    let concepts = CONCEPTS.iter().map(|(name, _)| name);
    let aliases = arch::ARCHS.iter().flat_map(|facts| facts.aliases);
    let plain = of_keys.chain(of_sections).chain(enums).chain(MetricKind::WORDS).chain(concepts).chain(aliases);
    plain.copied().chain(word::DOCS.iter().map(|(word, _)| *word)).chain(habits::names())
}

/// The texts of helps and pages that propose code, with the names that they are about.
pub fn advice() -> impl Iterator<Item = (&'static str, &'static str)> {
    habits::advice().chain(CONCEPTS.iter().copied())
}
