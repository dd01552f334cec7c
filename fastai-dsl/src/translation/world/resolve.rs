//! The values of expressions, as far as they are literal.

use std::fmt::Write;

use super::{NamedValue, World};
use crate::python::Expr;

impl World {
    /// The expression with the values of names in place of the names, computed as far as it is literal.
    pub(in crate::translation) fn resolve(&self, value: &Expr) -> Expr {
        self.resolved(value, 0)
    }

    fn resolved(&self, value: &Expr, depth: usize) -> Expr {
        if depth > 32 {
            return value.clone();
        }
        let inner = |e: &Expr| self.resolved(e, depth + 1);
        match value {
            Expr::Name(name) => match self.names.get(name) {
                Some(NamedValue::Value(known)) if known != value => inner(known),
                _ => value.clone(),
            },
            Expr::Text { text, interpolated: true } => {
                Expr::Text { text: self.interpolate(text, depth), interpolated: false }
            }
            Expr::List(items) => Expr::List(items.iter().map(inner).collect()),
            Expr::Negate(negated) => Expr::Negate(Box::new(inner(negated))),
            Expr::Binary(op, left, right) => match (op, inner(left), inner(right)) {
                ('+', Expr::Text { text: a, .. }, Expr::Text { text: b, .. }) => {
                    Expr::Text { text: a + &b, interpolated: false }
                }
                ('/', Expr::Text { text: a, .. }, Expr::Text { text: b, .. }) => {
                    Expr::Text { text: format!("{}/{b}", a.trim_end_matches('/')), interpolated: false }
                }
                (op, left, right) => match (left.number(), right.number()) {
                    (Some(a), Some(b)) => literal(match op {
                        '+' => a + b,
                        '-' => a - b,
                        '*' => a * b,
                        _ => a / b,
                    })
                    .unwrap_or_else(|| value.clone()),
                    _ => Expr::Binary(*op, Box::new(left), Box::new(right)),
                },
            },
            Expr::Call(..) => match value.call() {
                Some((_, "array" | "asarray" | "list" | "tuple", [only])) => inner(&only.value),
                Some((None, "int", [only])) => {
                    inner(&only.value).number().and_then(|x| literal(x.trunc())).unwrap_or_else(|| value.clone())
                }
                Some((None, "str" | "Path", [only])) => inner(&only.value),
                Some((Some(_), "join", parts)) => {
                    let texts: Option<Vec<String>> = parts.iter().map(|p| text(inner(&p.value))).collect();
                    texts.map_or_else(|| value.clone(), |texts| Expr::Text { text: join(&texts), interpolated: false })
                }
                _ => value.clone(),
            },
            _ => value.clone(),
        }
    }

    /// The text of an f-string.
    fn interpolate(&self, template: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                out.push('{');
                rest = after;
                continue;
            };
            match self.resolved(&Expr::Name(name.to_string()), depth + 1) {
                Expr::Text { text, .. } | Expr::Number(text) => out.push_str(&text),
                _ => {
                    let _ = write!(out, "{{{name}}}");
                }
            }
            rest = tail;
        }
        out + rest
    }

    /// Whether a comparison holds.
    pub(super) fn holds(&self, condition: &(Expr, &'static str, Expr)) -> Option<bool> {
        let (a, b) = (self.resolve(&condition.0).number()?, self.resolve(&condition.2).number()?);
        Some(match condition.1 {
            "<" => a < b,
            ">" => a > b,
            "<=" => a <= b,
            ">=" => a >= b,
            "==" => a == b,
            _ => a != b,
        })
    }
}

/// A finite number as an expression.
pub(in crate::translation) fn literal(x: f64) -> Option<Expr> {
    x.is_finite().then(|| Expr::Number(crate::draft::number(x)))
}

pub(in crate::translation) fn text(value: Expr) -> Option<String> {
    match value {
        Expr::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn join(parts: &[String]) -> String {
    parts.iter().map(|p| p.trim_end_matches('/')).collect::<Vec<_>>().join("/")
}
