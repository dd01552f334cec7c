//! The kinds of values.

use crate::word;

/// Which kind of value a key or argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `"text"`
    Text,
    /// `"text"`, or a list of them.
    Texts,
    /// A whole number.
    Count,
    /// A number.
    Number,
    /// `on` or `off`.
    Switch,
    /// A number or `[min, max]`.
    Zoom,
    /// A list of [`AUGMENTATIONS`](crate::schema::AUGMENTATIONS).
    Augment,
    /// One of the words of an enum, [`Key::words`](super::Key::words).
    Word,
    /// A csv column: name or position.
    Column,
    /// A list of csv columns.
    Columns,
    /// `all` or [`SAMPLE`](crate::schema::SAMPLE).
    Extent,
    /// A split: `all`, `none` or one of [`SPLITS`](crate::schema::SPLITS).
    Split,
    /// A number, or a list of them.
    Numbers,
    /// A list of whole numbers.
    Counts,
    /// A learning rate.
    Rate,
    /// A learning rate, or one a layer group.
    Rates,
    /// `imagenet`, `inception`, `none` or [`NORMALIZE`](crate::schema::NORMALIZE).
    Stats,
    /// `pretrained`, `none` or a path.
    Weights,
    /// A number, `search` or `search_each`.
    Threshold,
}

impl Type {
    /// The words that every key of this kind takes.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Type::Switch => word::SWITCH,
            Type::Weights => &[word::pretrained.0, word::none.0],
            Type::Stats => &[word::imagenet.0, word::inception.0, word::none.0],
            Type::Threshold => &[word::search.0, word::search_each.0],
            Type::Split => &[word::all.0, word::none.0],
            Type::Extent => &[word::all.0],
            _ => &[],
        }
    }

    /// "expected ..".
    pub fn expected(self) -> &'static str {
        match self {
            Type::Text => "a string in double quotes",
            Type::Texts => "a string in double quotes, or a list of them",
            Type::Count => "a whole number",
            Type::Number => "a number",
            Type::Switch => "`on` or `off`",
            Type::Zoom => "a number or `[min, max]`",
            Type::Augment => "a list, `[rotate(10), flip]`",
            Type::Word => "a word",
            Type::Column => "a column's name in double quotes, or its position",
            Type::Columns => "a list of columns, `[\"cat\", \"dog\"]`",
            Type::Extent => "`all` or `sample(10000)`",
            Type::Split => {
                "a split such as `random(0.2)`, `stratified(0.2)`, `folds(5)` or `folder(\"..\")`, or `all` (or `none`) to train on everything"
            }
            Type::Numbers => "a number, or a list of numbers",
            Type::Counts => "a list of whole numbers",
            Type::Rate => "a learning rate",
            Type::Rates => "a learning rate, or a list with one per layer group",
            Type::Stats => "`imagenet`, `inception`, `none`, or `normalize(mean = [..], std = [..])`",
            Type::Weights => "`pretrained`, `none`, or a path in double quotes",
            Type::Threshold => "a number, `search` or `search_each`",
        }
    }
}
