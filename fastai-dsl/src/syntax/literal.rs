//! Literals: numbers and strings, and suggestions for Rust literals that the language lacks.

use proc_macro2::{Literal, Span};

use super::Parser;
use crate::catalog as c;
use crate::draft::{Value, ValueKind};

/// The longest string literal, bytes between its quotes; a path is shorter.
const MAX_STRING: usize = 4096;
/// The longest other literal, characters. The shortest text of a number has at most 24.
const MAX_DIGITS: usize = 128;

impl Parser<'_, '_> {
    /// Parses the next literal, if there is one.
    pub(crate) fn literal(&mut self) -> Option<Value> {
        let (literal, rest) = self.cursor.literal()?;
        let first = literal.span();
        self.last = first;
        self.cursor = rest;
        let mut kind = self.read(literal, first);
        // `20%`: the language has no such operator.
        if let (ValueKind::Number(x), true) = (&kind, self.peek_punct('%')) {
            let share = x / 100.0;
            self.report_here(&c::LITERAL, "there are no per cent signs", format!("write the share: `{share}`"));
            self.skip_one();
            kind = ValueKind::Broken;
        }
        let site = self.site(first);
        Some(Value { kind, site })
    }

    fn read(&mut self, literal: Literal, span: Span) -> ValueKind {
        let text = literal.to_string();
        let site = self.out.site(span, span);
        let mut refuse = |message: String, help: String| {
            self.out.diagnostics.error(&c::LITERAL, site, message, help);
            ValueKind::Broken
        };
        let quotes = text.find('"').zip(text.rfind('"')).filter(|_| text.ends_with(['"', '#']));
        let (what, length, unit, longest) = match quotes {
            Some((first, last)) => ("a string", last.saturating_sub(first + 1), "bytes", MAX_STRING),
            None => ("a literal", text.len(), "characters", MAX_DIGITS),
        };
        if length > longest {
            return refuse(format!("{what} of {length} {unit}"), format!("at most {longest}"));
        }
        let mut suffixed = |suffix: &str, digits: &str| {
            refuse(format!("`{text}` has the suffix `{suffix}`"), format!("numbers have no units or types: `{digits}`"))
        };
        match syn::Lit::new(literal) {
            syn::Lit::Str(s) if s.suffix().is_empty() => ValueKind::Text(s.value()),
            syn::Lit::Int(n) if n.suffix().is_empty() => match n.base10_digits().parse::<f64>() {
                Ok(x) => ValueKind::Number(x),
                Err(_) => refuse(format!("`{text}` is not a number"), "write it in decimal digits".to_string()),
            },
            syn::Lit::Float(n) if n.suffix().is_empty() => match n.base10_digits().parse::<f64>() {
                Ok(x) if x.is_finite() => ValueKind::Number(x),
                _ => refuse(format!("`{text}` is too large"), "the largest number is about 1.8e308".to_string()),
            },
            syn::Lit::Int(n) => suffixed(n.suffix(), n.base10_digits()),
            syn::Lit::Float(n) => suffixed(n.suffix(), n.base10_digits()),
            _ => refuse(
                format!("`{text}` is neither a number nor a string"),
                "strings are in double quotes: `\"..\"`".to_string(),
            ),
        }
    }
}
