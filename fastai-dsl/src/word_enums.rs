//! Enums whose variants are words of the language.

/// Declares enums whose variants stand for one word each: the variants, their words, the parser, the listing, and, in the
/// module named first, the words as values of the typed builder.
///
/// A word in double quotes has no value of the builder, because another enum or [`crate::words`] declares it.
macro_rules! word_enums {
    (values in $values:ident; $($enums:tt)+) => {
        $crate::word_enums::word_enums!($($enums)+);

        /// The words as values of the typed builder.
        #[allow(non_upper_case_globals)] // they are spelled as in a recipe
        pub mod $values {
            use crate::word::Word;
            $crate::word_enums::word_enums!(@values $($enums)+);
        }
    };
    (@values $(
        $(#[$meta:meta])*
        $name:ident { $( $(#[doc = $about:literal])+ $(#[$attribute:ident])? $variant:ident = $($word:ident)? $($plain:literal)?, )+ }
    )+) => {
        $($( $crate::word_enums::word_enums!(@value [$(#[doc = $about])+] $($word)? $($plain)?); )+)+
    };
    (@value [$($about:tt)*] $word:ident) => {
        $($about)*
        pub const $word: Word = Word(stringify!($word));
    };
    (@value [$($about:tt)*] $plain:literal) => {};
    ($(
        $(#[$meta:meta])*
        $name:ident { $( $(#[doc = $about:literal])+ $(#[$attribute:ident])? $variant:ident = $($word:ident)? $($plain:literal)?, )+ }
    )+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $name { $( $(#[doc = $about])+ $(#[$attribute])? $variant, )+ }

            impl $name {
                /// All variants, in the order of the words in messages.
                pub const ALL: &'static [Self] = &[$(Self::$variant),+];
                /// The words of [`Self::ALL`].
                pub const WORDS: &'static [&'static str] = &[$(concat!($(stringify!($word))? $($plain)?)),+];

                /// The meanings of [`Self::WORDS`].
                pub const DOCS: &'static [&'static str] = &[$(concat!($($about),+)),+];

                /// The word in a recipe.
                pub const fn word(self) -> &'static str {
                    Self::WORDS[self as usize]
                }

                /// Returns the variant of `word`.
                pub fn parse(word: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|variant| variant.word() == word)
                }
            }

            impl $crate::from_value::FromValue for $name {
                fn from_value(value: &$crate::draft::Value, _key: &$crate::construct::Key) -> Option<Self> {
                    match &value.kind {
                        $crate::draft::ValueKind::Word(word) => Self::parse(word),
                        _ => None,
                    }
                }
            }

            impl $crate::written::Written for $name {
                fn written(&self) -> String {
                    self.word().to_string()
                }
            }

            /// Serialises the variant as its word.
            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.word())
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let word = <String as serde::Deserialize>::deserialize(deserializer)?;
                    Self::parse(&word).ok_or_else(|| serde::de::Error::unknown_variant(&word, Self::WORDS))
                }
            }
        )+
    };
}
pub(crate) use word_enums;
