//! What `fastai prepare` knows about a recipe's data set: a small text that is committed beside the recipe, so that the macro
//! and `fastai check` can hold the recipe to the data without reading it.
//!
//! Text in, findings out: who reads the data set is not this crate's business. The text is one fact a line, so that a change
//! of the data is a readable difference:
//!
//! ```text
//! # Written by `fastai prepare`; commit it.
//! format 1
//! source "csv" "data/dogbreed" "labels.csv" "train"
//! split "random(0.2, seed = 42, fold = 0)"
//! header "id" "breed"
//! suffix ".jpg" 10222
//! size 500x375 2781
//! images 8178 2044 0
//! tags 1
//! digest "labels.csv" "8b1a9953"
//! class "affenpinscher" 64 16
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::catalog::Code;
use crate::check::Checked;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, ValueKind};
use crate::plan::Facts;
use crate::recipe::{ClassWeights, Column, Data, Recipe, Source, TaskKind, Valid};
use crate::suggest::did_you_mean;

/// The layout of the text; a summary of another is made anew.
pub const FORMAT: u32 = 1;
/// Larger texts are no summaries.
const LARGEST: usize = 4 << 20;

/// What a data set holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Kind, root and paths of the source, as the recipe gives them.
    pub source: Vec<String>,
    /// The split that the counts were taken with, as a recipe's canonical text has it.
    pub split: String,
    /// The csv's first row, if it is a header.
    pub header: Option<Vec<String>>,
    /// How many images have which ending, with its dot.
    pub suffixes: BTreeMap<String, u64>,
    /// How many images have which width and height, pixels; the rest under 0 x 0.
    pub sizes: BTreeMap<(u32, u32), u64>,
    /// Most labels of one image.
    pub tags: u64,
    /// Test images.
    pub test: u64,
    /// Training images; an image with two tags counts once.
    pub train: u64,
    /// Validation images.
    pub valid: u64,
    /// Digests of what was read, by name.
    pub digests: BTreeMap<String, String>,
    /// Training and validation images of each class, by name.
    pub classes: BTreeMap<String, (u64, u64)>,
}

macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal, $explain:literal;)*) => {
        $( #[doc = $title] pub const $name: Code = Code { id: $id, title: $title, explain: $explain, lint: None }; )*
        /// What a summary finds wrong.
        pub const CODES: &[&Code] = &[$(&$name),*];
    };
}
codes! {
    UNREADABLE = "E0701", "a summary that cannot be read",
        "The summary beside the recipe is of another format or was edited. Write it anew: `fastai prepare FILE`.\n";
    STALE = "E0702", "a summary of other data",
        "The summary beside the recipe was made when the recipe named other data. Write it anew: `fastai prepare FILE`.\n";
    NO_COLUMN = "E0703", "a column that the csv does not have",
        "The summary holds the csv's header: `id`, `label` and `valid: column(..)` name one of its columns, or count below \
         their number.\n";
    CLASS_WEIGHTS = "E0704", "class weights for another number of classes",
        "`class_weights: [..]` has one weight a class, in the order of the class names by bytes.\n";
    EMPTY_SPLIT = "E0705", "a split that leaves nothing",
        "Each class needs an image to train on, and the split must hold out at least one image.\n";
    NO_SUFFIX = "E0706", "a suffix that no image has",
        "`suffix` is appended to the id: the folder of images must hold files that end with it.\n";
    ONE_TAG = "E0707", "tags that are never separated",
        "With `task: multi_label` the cell of an image holds tags with `separator` between them. If every cell is one tag and \
         the tags hold another separator, `separator` is most likely wrong.\n";
    FEW_CLASSES = "E0708", "too few classes",
        "A classifier tells at least two classes apart.\n";
}

impl Summary {
    /// Kind, root and paths of a recipe's source.
    pub fn source_of(data: &Data) -> Vec<String> {
        let parts: Vec<&str> = match &data.source {
            Source::Folders { train } => vec!["folders", &data.root, train],
            Source::Csv { labels, images, .. } => vec!["csv", &data.root, labels, images],
        };
        parts.into_iter().map(str::to_string).collect()
    }

    /// Counts for a plan: exact if the recipe's split is the one that was counted.
    pub fn facts(&self, recipe: &Recipe) -> Facts {
        let counted = recipe.data().valid.to_string() == self.split;
        Facts {
            train: counted.then_some(self.train),
            valid: counted.then_some(self.valid),
            test: Some(self.test),
            classes: Some(self.classes.len() as u64),
        }
    }

    /// Reads a summary's text.
    ///
    /// # Errors
    /// The line that is wrong, and why.
    pub fn parse(text: &str) -> Result<Summary, String> {
        if text.len() > LARGEST {
            return Err("it is larger than 4 MiB".to_string());
        }
        let mut summary = Summary::default();
        let mut format = None;
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let wrong = || {
                format!("line {} is not one of format {FORMAT}: {}", i + 1, line.chars().take(60).collect::<String>())
            };
            if key == "format" {
                format = rest.parse::<u32>().ok();
                continue;
            }
            if format != Some(FORMAT) {
                return Err(format!("it is not of format {FORMAT}"));
            }
            let words = words(rest).ok_or_else(wrong)?;
            summary.line(key, &words).ok_or_else(wrong)?;
        }
        if format.is_none() || summary.source.is_empty() {
            return Err("it is empty".to_string());
        }
        Ok(summary)
    }

    fn line(&mut self, key: &str, words: &[String]) -> Option<()> {
        let count = |i: usize| words.get(i)?.parse::<u64>().ok();
        match (key, words) {
            ("source", [_, ..]) => self.source = words.to_vec(),
            ("split", [split]) => self.split = split.clone(),
            ("header", _) => self.header = Some(words.to_vec()),
            ("suffix", [suffix, _]) => drop(self.suffixes.insert(suffix.clone(), count(1)?)),
            ("size", [size, _]) => {
                let (width, height) = size.split_once('x')?;
                self.sizes.insert((width.parse().ok()?, height.parse().ok()?), count(1)?);
            }
            ("images", [_, _, _]) => (self.train, self.valid, self.test) = (count(0)?, count(1)?, count(2)?),
            ("tags", [_]) => self.tags = count(0)?,
            ("digest", [name, digest]) => drop(self.digests.insert(name.clone(), digest.clone())),
            ("class", [name, _, _]) => drop(self.classes.insert(name.clone(), (count(1)?, count(2)?))),
            _ => return None,
        }
        Some(())
    }

    /// What differs from another summary, one line each; empty if nothing does.
    pub fn differences(&self, now: &Summary) -> Vec<String> {
        let (before, after) = (self.to_string(), now.to_string());
        let missing = |a: &str, b: &str, sign: char| -> Vec<String> {
            let there: std::collections::HashSet<&str> = b.lines().collect();
            a.lines().filter(|line| !there.contains(line)).map(|line| format!("{sign} {line}")).collect()
        };
        let mut lines = missing(&before, &after, '-');
        lines.extend(missing(&after, &before, '+'));
        lines
    }

    /// Holds a recipe to its data.
    pub fn verify(&self, recipe: &Recipe, draft: &Draft) -> Diagnostics {
        let mut out = Diagnostics::default();
        let data = recipe.data();
        let at = |key: &str| site(draft, "data", Some(key));
        if Summary::source_of(data) != self.source {
            let message = format!("the summary is of {}, the recipe names other data", self.source.join(" "));
            out.push(
                Diagnostic::error(&STALE, site(draft, "data", None), message)
                    .help("write it anew: `fastai prepare FILE`"),
            );
            return out;
        }
        if let Source::Csv { id, label, suffix, .. } = &data.source {
            self.column("id", id, at("id"), &mut out);
            self.column("label", label, at("label"), &mut out);
            self.suffix(suffix, at("suffix"), &mut out);
        }
        if let Valid::Column(name) = &data.valid {
            self.column("valid", &Column::Name(name.clone()), at("valid"), &mut out);
        }
        if let Some(ClassWeights::Given(weights)) = &recipe.options.class_weights
            && weights.len() != self.classes.len()
        {
            let message = format!("{} class weights for {} classes", weights.len(), self.classes.len());
            let names: Vec<&str> = self.classes.keys().map(String::as_str).take(10).collect();
            out.push(Diagnostic::error(&CLASS_WEIGHTS, site(draft, "class_weights", None), message).help(format!(
                "one a class, in the order {}{}",
                names.join(", "),
                if self.classes.len() > 10 { ", .." } else { "" }
            )));
        }
        self.split(&data.valid, at("valid"), &mut out);
        self.tags(recipe, at("separator"), &mut out);
        if recipe.task() == TaskKind::SingleLabel && self.classes.len() < 2 {
            let names: Vec<&str> = self.classes.keys().map(String::as_str).collect();
            let message = format!("the data has {} class: {}", self.classes.len(), names.join(""));
            out.push(
                Diagnostic::error(&FEW_CLASSES, site(draft, "data", None), message)
                    .help("check `label` or the folders"),
            );
        }
        out
    }

    fn column(&self, key: &str, column: &Column, site: Site, out: &mut Diagnostics) {
        let Some(header) = &self.header else { return };
        match column {
            Column::Name(name) if !header.contains(name) => {
                let help = did_you_mean(name, header.iter().map(String::as_str));
                out.push(Diagnostic::error(&NO_COLUMN, site, format!("the csv has no column `{name}`")).help(help));
            }
            Column::Position(i) if *i as usize >= header.len() => {
                let message = format!("`{key}` is column {i}, the csv has {}", header.len());
                let help = format!("columns count from 0: {}", header.join(", "));
                out.push(Diagnostic::error(&NO_COLUMN, site, message).help(help));
            }
            _ => {}
        }
    }

    fn suffix(&self, suffix: &str, site: Site, out: &mut Diagnostics) {
        if suffix.is_empty() || self.suffixes.is_empty() || self.suffixes.keys().any(|s| s.ends_with(suffix)) {
            return;
        }
        let most = self.suffixes.iter().max_by_key(|(_, n)| **n).map_or("", |(s, _)| s);
        out.push(
            Diagnostic::error(&NO_SUFFIX, site, format!("no image ends with {suffix:?}"))
                .help(format!("`suffix: {most:?}`")),
        );
    }

    fn split(&self, valid: &Valid, site: Site, out: &mut Diagnostics) {
        let all = self.train + self.valid;
        if let Valid::Random { share, .. } = valid {
            let held_out = (share * all as f64) as u64;
            if held_out == 0 || held_out >= all {
                let left = if held_out == 0 { "holds out none" } else { "holds out all" };
                let message = format!("`{valid}` {left} of {all} images");
                let help = format!("a share above {:.4} holds out at least one", 1.0 / all.max(1) as f64);
                out.push(Diagnostic::error(&EMPTY_SPLIT, site, message).help(help));
                return;
            }
        }
        if valid.to_string() != self.split {
            return;
        }
        let untrained: Vec<String> =
            self.classes.iter().filter(|(_, n)| n.0 == 0).map(|(name, n)| format!("{name} (of {})", n.1)).collect();
        if !untrained.is_empty() {
            let shown = untrained[..untrained.len().min(5)].join(", ");
            let message =
                format!("{} of {} classes have no image to train on: {shown}", untrained.len(), self.classes.len());
            out.push(
                Diagnostic::error(&EMPTY_SPLIT, site, message)
                    .help("another seed or share of `random`, or more images"),
            );
        }
    }

    fn tags(&self, recipe: &Recipe, site: Site, out: &mut Diagnostics) {
        let Source::Csv { separator, .. } = &recipe.data().source else { return };
        if recipe.task() != TaskKind::MultiLabel || self.tags > 1 {
            return;
        }
        let other = [" ", ";", ",", "|"].into_iter().filter(|s| s != separator);
        if let Some(other) = other.into_iter().find(|s| self.classes.keys().any(|name| name.trim().contains(s))) {
            let message = format!("no image has more than one tag with the separator {separator:?}");
            out.push(Diagnostic::error(&ONE_TAG, site, message).help(format!("`separator: {other:?}`")));
        }
    }
}

/// Holds a checked recipe to the summary's text.
///
/// # Errors
/// What does not fit, with the recipe's warnings.
pub fn verify(checked: Checked, draft: &Draft, summary: &str) -> Result<Checked, Diagnostics> {
    let mut found = match Summary::parse(summary) {
        Ok(summary) => summary.verify(&checked.recipe, draft),
        Err(why) => {
            let mut out = Diagnostics::default();
            let message = format!("the summary of the data cannot be read: {why}");
            out.push(
                Diagnostic::error(&UNREADABLE, site(draft, "data", None), message)
                    .help("write it anew: `fastai prepare FILE`"),
            );
            out
        }
    };
    if found.has_errors() {
        found.extend(checked.warnings);
        return Err(found);
    }
    Ok(checked)
}

/// The file of a recipe's summary, beside the recipe.
pub fn file_name(recipe: &str) -> String {
    format!("{recipe}.prepared")
}

/// Where a key of a section stands: its value, else the section, else the recipe's name.
fn site(draft: &Draft, section: &str, key: Option<&str>) -> Site {
    let Some(entry) = draft.sections.iter().find(|e| e.key.text == section) else { return draft.name.site };
    if let (Some(key), ValueKind::Block(_, entries)) = (key, &entry.value.kind)
        && let Some(found) = entries.iter().find(|e| e.key.text == key)
    {
        return found.value.site;
    }
    entry.key.site
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |words: &[String]| words.iter().map(|w| format!(" {w:?}")).collect::<String>();
        writeln!(f, "# Written by `fastai prepare`; commit it.")?;
        writeln!(f, "format {FORMAT}")?;
        writeln!(f, "source{}", quoted(&self.source))?;
        writeln!(f, "split {:?}", self.split)?;
        if let Some(header) = &self.header {
            writeln!(f, "header{}", quoted(header))?;
        }
        writeln!(f, "images {} {} {}", self.train, self.valid, self.test)?;
        writeln!(f, "tags {}", self.tags)?;
        for (suffix, n) in &self.suffixes {
            writeln!(f, "suffix {suffix:?} {n}")?;
        }
        for ((width, height), n) in &self.sizes {
            writeln!(f, "size {width}x{height} {n}")?;
        }
        for (name, digest) in &self.digests {
            writeln!(f, "digest {name:?} {digest:?}")?;
        }
        for (name, (train, valid)) in &self.classes {
            writeln!(f, "class {name:?} {train} {valid}")?;
        }
        Ok(())
    }
}

/// The words of a line: bare ones, and texts in quotes as `{:?}` writes them.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if_eq(&' ').is_some() {}
        let Some(first) = chars.peek() else { return Some(words) };
        let mut word = String::new();
        if *first != '"' {
            while let Some(c) = chars.next_if(|c| *c != ' ') {
                word.push(c);
            }
            words.push(word);
            continue;
        }
        chars.next();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => word.push(match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '0' => '\0',
                    'u' => {
                        chars.next_if_eq(&'{')?;
                        let mut code = String::new();
                        while let Some(c) = chars.next_if(char::is_ascii_hexdigit) {
                            code.push(c);
                        }
                        chars.next_if_eq(&'}')?;
                        char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
                    }
                    other => other,
                }),
                c => word.push(c),
            }
        }
        words.push(word);
    }
}
