//! The values that a recipe has for what it leaves out: the defaults of the registry, read as the language reads them.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::construct::{Construct, Key, Section, Type};
use crate::draft::Value;
use crate::from_value::FromValue;
use crate::syntax::parse_value;

impl Key {
    /// The value of a key that a recipe leaves out.
    pub fn default_value(&self) -> Option<&'static Value> {
        self.default.map(value)
    }
}

/// A default's text as the value that it stands for. Each text is read once and kept; the registry has few.
fn value(text: &'static str) -> &'static Value {
    static READ: LazyLock<Mutex<HashMap<&str, &Value>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let parsed = || parse_value(text).expect("the registry's defaults are values of the language");
    read.entry(text).or_insert_with(|| Box::leak(Box::new(parsed())))
}

impl Construct {
    /// The value of a key that a recipe leaves out.
    ///
    /// # Panics
    /// If the registry has no such default.
    pub(crate) fn default<T: FromValue>(&self, name: &str) -> T {
        let found = self.key(name).and_then(|(_, key)| T::from_value(key.default_value()?, key));
        found.expect("the registry has a default of this type")
    }
}

impl Section {
    /// What a recipe has without the section.
    ///
    /// # Panics
    /// If the registry has no such default.
    pub(crate) fn default<T: FromValue>(&self) -> T {
        let key = Key {
            name: self.name,
            doc: self.doc,
            ty: Type::Word,
            range: self.range,
            words: self.words,
            default: self.default,
            example: None,
            required: self.required,
        };
        let found = key.default_value().and_then(|value| T::from_value(value, &key));
        found.expect("the registry has a default of this type")
    }
}
