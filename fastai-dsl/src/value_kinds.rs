//! The kinds of values.

use crate::word;

/// Gives `$each!` the kinds: what each is, its name, and what a message expects in its place.
macro_rules! types {
    ($each:ident) => { $each! {
        /// `"text"`
        Text: "a string in double quotes";
        /// `"text"`, or a list of them.
        Texts: "a string in double quotes, or a list of them";
        /// A whole number.
        Count: "a whole number";
        /// A number.
        Number: "a number";
        /// `on` or `off`.
        Switch: "`on` or `off`";
        /// A number or `[min, max]`.
        Zoom: "a number or `[min, max]`";
        /// A list of [`AUGMENTATIONS`](crate::schema::AUGMENTATIONS).
        Augment: "a list, `[rotate(10), flip]`";
        /// One of the words of an enum, [`Key::words`](crate::schema::Key::words).
        Word: "a word";
        /// A csv column: name or position.
        Column: "a column's name in double quotes, or its position";
        /// A list of csv columns.
        Columns: "a list of columns, `[\"cat\", \"dog\"]`";
        /// `all` or [`SAMPLE`](crate::schema::SAMPLE).
        Extent: "`all` or `sample(10000)`";
        /// A split: `all`, `none` or one of [`SPLITS`](crate::schema::SPLITS).
        Split: "a split such as `random(0.2)`, `stratified(0.2)`, `folds(5)` or `folder(\"..\")`, or `all` (or `none`) to train on everything";
        /// A number, or a list of them.
        Numbers: "a number, or a list of numbers";
        /// A list of numbers.
        NumberList: "a list of numbers";
        /// A list of whole numbers.
        Counts: "a list of whole numbers";
        /// A learning rate.
        Rate: "a learning rate";
        /// A learning rate, or one a layer group.
        Rates: "a learning rate, or a list with one per layer group";
        /// `imagenet`, `inception`, `none` or [`NORMALIZE`](crate::schema::NORMALIZE).
        Stats: "`imagenet`, `inception`, `none`, or `normalize(mean = [..], std = [..])`";
        /// `pretrained`, `none` or a path.
        Weights: "`pretrained`, `none`, or a path in double quotes";
        /// A number, `search` or `search_each`.
        Threshold: "a number, `search` or `search_each`";
    } };
}
pub(crate) use types;

macro_rules! declare {
    ($($(#[doc = $doc:literal])+ $name:ident: $expected:literal;)+) => {
        /// Which kind of value a key or argument takes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Type { $($(#[doc = $doc])+ $name,)+ }

        impl Type {
            /// "expected ..".
            pub fn expected(self) -> &'static str {
                match self { $(Type::$name => $expected,)+ }
            }
        }
    };
}
types! { declare }

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

    /// Whether a number may stand there that need not be whole. What must be a list is held to that by its own check, which
    /// knows how many numbers.
    pub(crate) fn takes_number(self) -> bool {
        use Type::{Number, NumberList, Numbers, Rate, Rates, Threshold, Zoom};
        matches!(self, Number | Numbers | NumberList | Rate | Rates | Threshold | Zoom)
    }

    /// Whether a list of numbers may stand there, however many.
    pub(crate) fn lists_numbers(self) -> bool {
        matches!(self, Type::Numbers | Type::NumberList | Type::Counts | Type::Rates)
    }
}
