//! The summary that `fastai prepare` writes of a recipe's data set: a small text, committed beside the recipe, against which
//! the macro and `fastai check` verify the recipe without reading the data.
//!
//! This crate reads the text; the engine reads the data set. The text has one fact per line, so that a change of the data is a
//! readable difference:
//!
//! ```text
//! # Written by `fastai prepare`; commit it.
//! format 1
//! source "csv" "data/dogbreed" "labels.csv" "train"
//! split "random(0.2, seed = 42, fold = 0)"
//! labels "single_label" "breed"
//! header "id" "breed"
//! columns text text
//! images 8178 2044 0
//! tags 1
//! suffix ".jpg" 10222
//! size 500x375 2781
//! digest "labels.csv" "8b1a9953"
//! class "affenpinscher" 64 16
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::plan::Facts;
use crate::recipe::{Column, Data, Recipe, Source, TaskKind};

mod verify;

pub use verify::verify;

/// The version of the text's layout; a summary of another version has to be written anew.
pub const FORMAT: u32 = 1;
/// The largest summary, in bytes.
pub const LARGEST: usize = 4 << 20;

/// The number of image sizes that a summary lists: web photos all have different sizes, and people read summaries.
pub const LISTED_SIZES: usize = 100;
/// The width and height under which the images of all other sizes are counted, and those whose size is unknown.
pub const OTHER_SIZES: (u32, u32) = (0, 0);

/// The kind of all cells of a csv column; empty cells do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// 0 and 1, or true and false.
    Flag,
    /// Finite numbers.
    Number,
    /// Anything else.
    Text,
}

impl Cells {
    const ALL: [Cells; 3] = [Cells::Flag, Cells::Number, Cells::Text];

    /// The word in a summary.
    fn word(self) -> &'static str {
        match self {
            Cells::Flag => "flag",
            Cells::Number => "number",
            Cells::Text => "text",
        }
    }
}

/// The content of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSummary {
    /// Kind, root and paths of the source, as in the recipe.
    pub source: Vec<String>,
    /// The split of the counts, in canonical text.
    pub split: String,
    /// How the labels were read, which decides on the classes and their counts.
    pub labels: Vec<String>,
    /// The csv's first row, if it is a header.
    pub header: Option<Vec<String>>,
    /// The kind of cells in each column of the csv.
    pub columns: Vec<Cells>,
    /// Number of images by suffix, with its dot.
    pub suffixes: BTreeMap<String, u64>,
    /// Number of images by width and height, pixels; the rest under 0 x 0.
    pub sizes: BTreeMap<(u32, u32), u64>,
    /// Largest number of labels of one image.
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

impl DataSummary {
    /// Kind, root and paths of a recipe's source.
    pub fn source_of(data: &Data) -> Vec<String> {
        let (kind, paths): (&str, Vec<&String>) = match &data.source {
            Source::Folders { train } => ("folders", vec![train]),
            Source::Csv { labels, images, .. } => ("csv", vec![labels, images]),
            Source::Given => ("given", Vec::new()),
        };
        [kind].into_iter().map(str::to_string).chain(data.root.iter().chain(paths).cloned()).collect()
    }

    /// How a recipe reads the labels: its task, the label's column and the separator of tags.
    pub fn labels_of(recipe: &Recipe) -> Vec<String> {
        let mut words = vec![recipe.task().word().to_string()];
        if let Source::Csv { label, columns, separator, .. } = &recipe.data().source {
            if !columns.is_empty() {
                words.extend(columns.iter().map(plain));
                return words;
            }
            words.push(plain(label));
            if recipe.task() == TaskKind::MultiLabel {
                words.push(separator.clone());
            }
        }
        words
    }

    /// Whether the summary is of the recipe's data, and of its labels if it says which it counted.
    pub fn is_of(&self, recipe: &Recipe) -> bool {
        let same_labels = self.labels.is_empty() || self.labels == DataSummary::labels_of(recipe);
        same_labels && self.source == DataSummary::source_of(recipe.data())
    }

    /// Whether the images were counted by the recipe's split.
    pub fn has_split_of(&self, recipe: &Recipe) -> bool {
        recipe.data().valid.to_string() == self.split
    }

    /// Counts for a plan: exact if the recipe's split is that of the summary.
    pub fn facts(&self, recipe: &Recipe) -> Facts {
        let counted = self.has_split_of(recipe);
        Facts {
            train: counted.then_some(self.train),
            valid: counted.then_some(self.valid),
            test: Some(self.test),
            classes: Some(if recipe.task() == TaskKind::Regression { 1 } else { self.classes.len() as u64 }),
        }
    }

    /// Reads a summary's text.
    ///
    /// # Errors
    /// The invalid line and the reason.
    pub fn parse(text: &str) -> Result<DataSummary, String> {
        if text.len() > LARGEST {
            return Err("it is larger than 4 MiB".to_string());
        }
        let mut summary = DataSummary::default();
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
            ("labels", [_, ..]) => self.labels = words.to_vec(),
            ("header", _) => self.header = Some(words.to_vec()),
            ("columns", _) => {
                let cells = |word: &String| Cells::ALL.into_iter().find(|cells| cells.word() == word);
                self.columns = words.iter().map(cells).collect::<Option<_>>()?;
            }
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

    /// The differences from another summary, one line each. Sizes that only one of them lists while the other counts them among
    /// the rest, under 0 x 0, are counted there in both, since which sizes are listed depends on all the others.
    pub fn differences(&self, now: &DataSummary) -> Vec<String> {
        let [before, after] = self.listing_same_sizes(now).map(|summary| summary.to_string());
        let missing = |a: &str, b: &str, sign: char| -> Vec<String> {
            let there: std::collections::HashSet<&str> = b.lines().collect();
            a.lines().filter(|line| !there.contains(line)).map(|line| format!("{sign} {line}")).collect()
        };
        let mut lines = missing(&before, &after, '-');
        lines.extend(missing(&after, &before, '+'));
        lines
    }

    /// This summary and `now`, with every size among the rest that one of them counts there.
    fn listing_same_sizes(&self, now: &DataSummary) -> [DataSummary; 2] {
        let counted_like = |summary: &DataSummary, other: &DataSummary| {
            let mut sizes: BTreeMap<(u32, u32), u64> = BTreeMap::new();
            for (size, n) in &summary.sizes {
                let is_other = other.has_more_sizes() && !other.sizes.contains_key(size);
                *sizes.entry(if is_other { OTHER_SIZES } else { *size }).or_default() += n;
            }
            DataSummary { sizes, ..summary.clone() }
        };
        [counted_like(self, now), counted_like(now, self)]
    }

    /// Whether the data may have sizes that are not listed.
    fn has_more_sizes(&self) -> bool {
        self.sizes.len() >= LISTED_SIZES && self.sizes.contains_key(&OTHER_SIZES)
    }
}

/// The pairs of class names that differ only in how they are written, in the order of the second name: in case, white
/// space, hyphens, underscores or invisible characters, or as numbers do: `1`, `01` and `1.0`.
pub fn alike<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut first: std::collections::HashMap<String, &str> = std::collections::HashMap::new();
    let mut pairs = Vec::new();
    for name in names {
        let plain = match name.trim().parse::<f64>() {
            Ok(number) if name.trim().starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                format!("#{}", number + 0.0)
            }
            _ => {
                let mut plain = String::with_capacity(name.len());
                let mut letters = name.chars().filter(|c| !c.is_whitespace() && !is_invisible(*c)).peekable();
                while let Some(c) = letters.next() {
                    // `1-2` is not `12`.
                    let between = plain.ends_with(|c: char| c.is_ascii_digit())
                        && letters.peek().is_some_and(char::is_ascii_digit);
                    if !matches!(c, '_' | '-') || between {
                        plain.extend(c.to_lowercase());
                    }
                }
                plain
            }
        };
        match first.entry(plain) {
            std::collections::hash_map::Entry::Occupied(before) => pairs.push((*before.get(), *name)),
            std::collections::hash_map::Entry::Vacant(free) => drop(free.insert(name)),
        }
    }
    pairs
}

/// Whether a character has no width and no meaning within a name: byte order marks and zero-width spaces.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

/// A column's name or position, without quotes.
fn plain(column: &Column) -> String {
    match column {
        Column::Name(name) => name.clone(),
        Column::Position(position) => position.to_string(),
    }
}

/// The file of a recipe's summary, beside the recipe.
pub fn file_name(recipe: &str) -> String {
    format!("{recipe}.prepared")
}

impl fmt::Display for DataSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |words: &[String]| words.iter().map(|w| format!(" {w:?}")).collect::<String>();
        writeln!(f, "# Written by `fastai prepare`; commit it.")?;
        writeln!(f, "format {FORMAT}")?;
        writeln!(f, "source{}", quoted(&self.source))?;
        writeln!(f, "split {:?}", self.split)?;
        if !self.labels.is_empty() {
            writeln!(f, "labels{}", quoted(&self.labels))?;
        }
        if let Some(header) = &self.header {
            writeln!(f, "header{}", quoted(header))?;
        }
        if !self.columns.is_empty() {
            let cells: Vec<&str> = self.columns.iter().map(|cells| cells.word()).collect();
            writeln!(f, "columns {}", cells.join(" "))?;
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
