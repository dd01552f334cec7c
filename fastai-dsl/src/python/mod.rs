//! The part of Python that notebooks of fastai 0.7 are written in: assignments, calls with their arguments, literals, small
//! functions. Everything else is kept as text.
//!
//! Reading never fails and does not run anything.

mod lines;
mod parse;
mod tokens;

use std::fmt;

use crate::draft::commas;

/// A statement with its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    /// The statement as it was written, without comments, on one line.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StatementKind {
    /// `a = b = value`, `x, y = value`: the names of each target, which are none for an attribute or an element.
    Assign { targets: Vec<Assigned>, value: Expr },
    /// A call or another expression by itself.
    Expr(Expr),
    /// `return value`
    Return(Expr),
    /// `def name(a, b=1): ..`
    Def(Function),
    /// `for name in list: ..`
    For { name: String, list: Expr, body: Vec<Statement> },
    /// `import ..`, `from .. import ..`, `%magic`, `!command`: nothing that a recipe could contain.
    Import,
    /// Everything else.
    Other,
}

/// What an assignment assigns to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Assigned {
    Name(String),
    /// `x, y`
    Names(Vec<String>),
    /// `learn.precompute`
    Attribute(Expr, String),
    /// `x[0]`
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Names of the parameters, with their defaults.
    pub(crate) parameters: Vec<(String, Option<Expr>)>,
    pub(crate) body: Vec<Statement>,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// `lr`, `True`.
    Name(String),
    /// `1e-2`, as it was written.
    Number(String),
    /// `'train'`; an f-string with its `{name}`s.
    Text {
        text: String,
        interpolated: bool,
    },
    /// `[a, b]` or `(a, b)`.
    List(Vec<Expr>),
    Call(Box<Expr>, Vec<CallArgument>),
    Attribute(Box<Expr>, String),
    /// `a[..]`; the index as it was written.
    Index(Box<Expr>, String),
    Negate(Box<Expr>),
    Binary(char, Box<Expr>, Box<Expr>),
    /// `yes if left < right else no`
    Choice {
        condition: Box<(Expr, &'static str, Expr)>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    /// Anything else, as it was written.
    Other(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallArgument {
    pub(crate) name: Option<String>,
    pub(crate) value: Expr,
}

impl Expr {
    /// The name of the called function, without its object, and the arguments: `fit` of `learn.fit(..)`.
    pub(crate) fn call(&self) -> Option<(Option<&Expr>, &str, &[CallArgument])> {
        let Expr::Call(function, arguments) = self else { return None };
        match &**function {
            Expr::Name(name) => Some((None, name, arguments)),
            Expr::Attribute(object, name) => Some((Some(object), name, arguments)),
            _ => None,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Expr::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The last name of `models.resnet34` or `resnet34`.
    pub(crate) fn last_name(&self) -> Option<&str> {
        match self {
            Expr::Name(name) | Expr::Attribute(_, name) => Some(name),
            _ => None,
        }
    }

    /// The first name of `learn.sched.plot`.
    pub(crate) fn root(&self) -> Option<&str> {
        match self {
            Expr::Name(name) => Some(name),
            Expr::Attribute(object, _) | Expr::Index(object, _) | Expr::Call(object, _) => object.root(),
            _ => None,
        }
    }

    /// The names of `data.trn_ds.fnames[0]`, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Expr::Name(name) => vec![name],
            Expr::Attribute(object, name) => object.names().into_iter().chain([name.as_str()]).collect(),
            Expr::Index(object, _) | Expr::Call(object, _) => object.names(),
            Expr::Binary(_, left, right) => left.names().into_iter().chain(right.names()).collect(),
            Expr::Negate(inner) => inner.names(),
            _ => Vec::new(),
        }
    }

    /// Whether an attribute or an element of something occurs in it.
    pub(crate) fn has_object(&self) -> bool {
        match self {
            Expr::Attribute(..) | Expr::Index(..) => true,
            Expr::Binary(_, left, right) => left.has_object() || right.has_object(),
            Expr::Negate(inner) => inner.has_object(),
            _ => false,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Expr::Number(text) => text.parse().ok(),
            Expr::Negate(inner) => inner.number().map(|x| -x),
            _ => None,
        }
    }
}

/// Formats the expression for a recipe: numbers as Rust writes them, strings in double quotes.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Name(name) => f.write_str(name),
            Expr::Number(text) => f.write_str(text),
            Expr::Text { text, .. } => write!(f, "{text:?}"),
            Expr::List(items) => write!(f, "[{}]", commas(items)),
            Expr::Call(function, arguments) => {
                let shown = |a: &CallArgument| match &a.name {
                    Some(name) => format!("{name} = {}", a.value),
                    None => a.value.to_string(),
                };
                write!(f, "{function}({})", commas(arguments.iter().map(shown)))
            }
            Expr::Attribute(object, name) => write!(f, "{object}.{name}"),
            Expr::Index(object, index) => write!(f, "{object}[{index}]"),
            Expr::Negate(inner) => write!(f, "-{}", Inner(inner)),
            Expr::Binary(op, left, right) => write!(f, "{} {op} {}", Inner(left), Inner(right)),
            Expr::Choice { condition, yes, no } => {
                write!(f, "{yes} if {} {} {} else {no}", condition.0, condition.1, condition.2)
            }
            Expr::Other(text) => f.write_str(text),
        }
    }
}

/// An operand, in parentheses where it needs them.
struct Inner<'a>(&'a Expr);

impl fmt::Display for Inner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Binary(..) => write!(f, "({})", self.0),
            inner => inner.fmt(f),
        }
    }
}

/// The statements of a program, in order.
pub(crate) fn statements(text: &str) -> Vec<Statement> {
    parse::block(&lines::lines(text), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> StatementKind {
        let mut all = statements(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).kind
    }

    fn value(text: &str) -> String {
        match only(text) {
            StatementKind::Expr(e) | StatementKind::Assign { value: e, .. } => e.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn expressions_read_as_they_are_written() {
        for (text, shown) in [
            ("learn.fit(1e-2, 3, cycle_len=1)", "learn.fit(1e-2, 3, cycle_len = 1)"),
            ("lrs = [lr/9, lr/3, lr]", "[lr / 9, lr / 3, lr]"),
            ("lrs=np.array([1e-4,1e-3,.5])", "np.array([1e-4, 1e-3, 0.5])"),
            ("x = -2 * (a + 1.)", "-2 * (a + 1.0)"),
            ("learn.save(f'{sz}')", "learn.save(\"{sz}\")"),
            ("a = 'it''s'", "\"its\""),
            ("a = r\"C:\\new\"", "\"C:\\\\new\""),
            ("f(\n    a,  # first\n    b)", "f(a, b)"),
            ("a = (1, 2)", "[1, 2]"),
            ("x = 1_000", "1000"),
        ] {
            assert_eq!(value(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for text in
            ["x = [f(i) for i in range(9)]", "y = a if b else c", "lambda x: x", "assert a == b", "a < b", "*a, b"]
        {
            let kind = only(text);
            let whole = matches!(&kind, StatementKind::Other)
                || matches!(&kind, StatementKind::Expr(e) | StatementKind::Assign { value: e, .. } if matches!(e, Expr::Other(_)));
            assert!(whole, "{text}: {kind:?}");
        }
    }

    #[test]
    fn functions_hold_their_bodies() {
        let text =
            "def get_data(sz, bs=64):  # all\n    tfms = f(sz)\n\n    return g(tfms,\n  bs)\n\ndata = get_data(224)\n";
        let all = statements(text);
        assert_eq!(all.len(), 2, "{all:?}");
        let StatementKind::Def(function) = &all[0].kind else { panic!("{all:?}") };
        assert_eq!(function.name, "get_data");
        assert_eq!(function.parameters[1], ("bs".to_string(), Some(Expr::Number("64".to_string()))));
        assert_eq!(function.body.len(), 2);
        assert_eq!(function.body[1].text, "return g(tfms, bs)");
        let one = statements("def f(x): return x");
        assert!(matches!(&one[0].kind, StatementKind::Def(f) if f.body.len() == 1));
    }

    #[test]
    fn nothing_breaks_it() {
        for text in [
            "",
            "(",
            ")))",
            "'",
            "\"\"\"",
            "def",
            "def f(:",
            "a = ",
            "= b",
            "f(a=",
            "\\",
            "for",
            "x.",
            "é = 'ü'",
            "a[",
            "f'{'",
        ] {
            statements(text);
        }
        statements(&"(".repeat(100_000));
        statements(&"[".repeat(100_000));
        statements(&"-".repeat(100_000));
        statements(&format!("x = {}1", "1+".repeat(100_000)));
        statements(&(0..2000).map(|n| format!("{}def f():\n", " ".repeat(n))).collect::<String>());
    }
}
