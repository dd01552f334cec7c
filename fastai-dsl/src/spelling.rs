//! Words as they are written elsewhere: in capitals, which look like a constant of Rust, and with hyphens, which look like a
//! subtraction. Read as words, they get the answer of every other word that is misspelt.

use crate::construct::{Key, Type};
use crate::draft::{Arg, Draft, Name, Op, Stmt, Value, ValueKind, number};
use crate::schema::{SECTIONS, chosen, constructs, key_of};
use crate::suggest::is_same;

/// What a name in capitals is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capitals {
    /// A constant, in Rust source.
    Constant,
    /// A word, in a file.
    Word,
}

/// Turns what can only be meant as a word into one, wherever a recipe takes words.
pub(crate) fn read_words(draft: &mut Draft, capitals: Capitals) {
    for section in &mut draft.sections {
        let name = section.key.text.as_str();
        if let Some(place) = WordPlace::of_section(name) {
            place.read(&mut section.value, capitals);
        }
        if let ValueKind::Block(word, entries) = &mut section.value.kind
            && let Some(construct) = chosen(name, &word.text)
        {
            for entry in entries {
                if let Some(key) = key_of(construct, &entry.key.text) {
                    WordPlace::of_key(key).read(&mut entry.value, capitals);
                }
            }
        }
        read_calls(&mut section.value, capitals);
    }
    if let Some(train) = &mut draft.train {
        read_statements(&mut train.body, capitals);
    }
}

/// Whether only words stand at the head of that section.
pub(crate) fn is_of_words(section: &str) -> bool {
    matches!(WordPlace::of_section(section), Some(WordPlace::Words))
}

/// Whether the values of a kind are words, calls and strings: nothing that is computed, and no constants.
pub(crate) fn are_words(ty: Type) -> bool {
    matches!(ty, Type::Word | Type::Switch | Type::Augment | Type::Split | Type::Stats | Type::Extent)
}

fn read_statements(body: &mut [Stmt], capitals: Capitals) {
    for statement in body {
        match statement {
            Stmt::Let { value, .. } => {
                if let Some(call @ ValueKind::Call(..)) = joined(value) {
                    value.kind = call;
                }
                read_calls(value, capitals);
            }
            Stmt::For { body, .. } => read_statements(body, capitals),
            Stmt::Step(call) => read_arguments(&call.word, &mut call.args, capitals),
        }
    }
}

fn read_calls(value: &mut Value, capitals: Capitals) {
    value.for_each(&mut |value| {
        if let ValueKind::Call(word, args) = &mut value.kind {
            read_arguments(word, args, capitals);
        }
    });
}

fn read_arguments(word: &Name, args: &mut [Arg], capitals: Capitals) {
    let Some(construct) = constructs().find(|construct| construct.name == word.text) else { return };
    for (at, arg) in args.iter_mut().enumerate() {
        let key = match &arg.name {
            Some(name) => construct.key(&name.text).map(|(_, key)| key),
            None => construct.keys.get(at),
        };
        if let Some(key) = key {
            WordPlace::of_key(key).read(&mut arg.value, capitals);
        }
    }
}

/// What may stand at a place.
#[derive(Clone, Copy)]
enum WordPlace {
    /// Words, alone, in a list or before their keys and arguments.
    Words,
    /// These words, but also what is computed, or constants.
    Among(&'static [&'static str]),
}

impl WordPlace {
    fn of_section(name: &str) -> Option<Self> {
        let section = SECTIONS.iter().find(|section| section.name == name)?;
        Some(if section.range.is_some() { WordPlace::Among(section.words) } else { WordPlace::Words })
    }

    fn of_key(key: &Key) -> Self {
        if are_words(key.ty) { WordPlace::Words } else { WordPlace::Among(key.legal_words()) }
    }

    fn read(self, value: &mut Value, capitals: Capitals) {
        if let ValueKind::List(items) = &mut value.kind {
            items.iter_mut().for_each(|item| self.read(item, capitals));
            return;
        }
        let meant = match &value.kind {
            ValueKind::Const(name) if capitals == Capitals::Word && !name.contains("::") => {
                Some(ValueKind::Word(name.clone()))
            }
            _ => joined(value),
        };
        if let Some(meant) = meant.filter(|meant| self.takes(meant)) {
            value.kind = meant;
        }
    }

    fn takes(self, kind: &ValueKind) -> bool {
        match self {
            WordPlace::Words => true,
            WordPlace::Among(words) => {
                matches!(kind, ValueKind::Word(word) if words.iter().any(|legal| is_same(legal, word)))
            }
        }
    }
}

/// `utf-16`, `side-on { .. }` or `rand-augment(2, 9)` with its parts as one word; `None` for any other value.
pub(crate) fn joined(value: &Value) -> Option<ValueKind> {
    let ValueKind::Binary(Op::Sub, first, last) = &value.kind else { return None };
    let word = match &first.kind {
        ValueKind::Word(word) | ValueKind::Const(word) => word.clone(),
        _ => match joined(first)? {
            ValueKind::Word(word) => word,
            _ => return None,
        },
    };
    let name = |last: &Name| Name { text: format!("{word}-{}", last.text), site: first.site };
    match &last.kind {
        ValueKind::Word(last) | ValueKind::Const(last) => Some(ValueKind::Word(format!("{word}-{last}"))),
        ValueKind::Number(x) if *x >= 0.0 => Some(ValueKind::Word(format!("{word}-{}", number(*x)))),
        ValueKind::Call(last, args) => Some(ValueKind::Call(name(last), args.clone())),
        ValueKind::Block(last, entries) => Some(ValueKind::Block(name(last), entries.clone())),
        _ => None,
    }
}
