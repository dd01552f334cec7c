//! Turns a draft into one without `let`, `for` and arithmetic, as the typed builder collects it.
//!
//! Unrolling loops and computing values here gives the checks one flat list of steps for every front end.

use std::collections::{HashMap, HashSet};

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Draft, Entry, Name, Op, StepCall, Stmt, Train, Value, ValueKind};
use crate::rate::Rate;
use crate::recipe::StepKind;
use crate::spelling::joined;
use crate::suggest::{closest, did_you_mean};

/// The most steps that a recipe may unroll to.
pub const MAX_STEPS: usize = 2_000;
/// The most values that loops and bindings may unroll to; two thousand steps of lists and arithmetic need fewer.
pub const MAX_VALUES: usize = 250_000;
/// The most bytes of strings that loops and bindings may unroll to.
pub const MAX_TEXT: usize = 4 << 20;
/// The most characters of a value in the description of a loop's round.
const ROUND: usize = 80;
/// The most names, innermost first, among which a misspelt one is searched.
const NEAREST: usize = 64;

/// Returns the flat draft and the names of the bindings that are never read.
pub fn evaluate(draft: &Draft, out: &mut Diagnostics) -> (Draft, Vec<Name>) {
    let mut flat = Draft { train: None, ..draft.clone() };
    let mut sections = Scope::default();
    for entry in &mut flat.sections {
        let value = std::mem::replace(&mut entry.value, Value::new(ValueKind::Broken));
        entry.value = sections.value(&value, out, false);
    }
    let Some(train) = &draft.train else { return (flat, Vec::new()) };
    let mut scope = Scope { in_train: true, ..Scope::default() };
    let mut steps = Vec::new();
    let errors = out.errors();
    scope.block(&train.body, &mut steps, out);
    scope.leave(0);
    let body = steps.into_iter().map(Stmt::Step).collect();
    // What was reported may have been meant as a step.
    let broken = train.broken || out.errors() > errors;
    flat.train = Some(Train { body, broken, ..train.clone() });
    (flat, scope.unused)
}

#[derive(Debug)]
struct Binding {
    name: Name,
    value: Value,
    /// What a copy of the value takes.
    size: Size,
    read: bool,
    /// Whether the name counts as read: a loop's name (a loop may only repeat), and the name of a broken value.
    counts: bool,
}

/// What a value takes.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Itself and the values within it.
    values: usize,
    /// Bytes of its strings.
    text: usize,
}

impl Size {
    fn of(value: &Value) -> Self {
        let one = Size { values: 1, text: 0 };
        let all = |values: &mut dyn Iterator<Item = &Value>| values.fold(one, |sum, value| sum.and(Size::of(value)));
        match &value.kind {
            ValueKind::Text(text) | ValueKind::Word(text) | ValueKind::Const(text) => Size { text: text.len(), ..one },
            ValueKind::List(items) => all(&mut items.iter()),
            ValueKind::Call(_, args) => all(&mut args.iter().map(|a| &a.value)),
            ValueKind::Block(_, entries) => all(&mut entries.iter().map(|e| &e.value)),
            ValueKind::Negate(inner) => one.and(Size::of(inner)),
            ValueKind::Binary(_, a, b) => one.and(Size::of(a)).and(Size::of(b)),
            ValueKind::Number(_) | ValueKind::Rate(_) | ValueKind::Broken => one,
        }
    }

    fn and(self, other: Size) -> Self {
        Size { values: self.values.saturating_add(other.values), text: self.text.saturating_add(other.text) }
    }
}

#[derive(Debug, Default)]
struct Scope {
    bindings: Vec<Binding>,
    /// Positions in `bindings` by name, outermost first.
    by_name: HashMap<String, Vec<usize>>,
    rounds: Vec<String>,
    finders: u16,
    in_train: bool,
    /// What was unrolled so far.
    spent: Size,
    /// Whether a limit was exceeded, after which everything is broken.
    full: bool,
    unused: Vec<Name>,
    known_unused: HashSet<Site>,
}

impl Scope {
    fn leave(&mut self, depth: usize) {
        for binding in self.bindings.drain(depth..).rev() {
            self.by_name.entry(binding.name.text.clone()).or_default().pop();
            if !binding.read
                && !binding.counts
                && !binding.name.text.starts_with('_')
                && (binding.name.site == Site::NONE || self.known_unused.insert(binding.name.site))
            {
                self.unused.push(binding.name);
            }
        }
    }

    fn enter(&mut self, name: &Name, value: Value, counts: bool) {
        self.by_name.entry(name.text.clone()).or_default().push(self.bindings.len());
        let size = Size::of(&value);
        self.bindings.push(Binding { name: name.clone(), value, size, read: false, counts });
    }

    /// Counts what is unrolled at `site`; false if that is more than a recipe may unroll to.
    fn spend(&mut self, size: Size, site: Site, out: &mut Diagnostics) -> bool {
        if self.full {
            return false;
        }
        self.spent = self.spent.and(size);
        let limit = match self.spent {
            Size { values, .. } if values > MAX_VALUES => format!("more than {MAX_VALUES} values"),
            Size { text, .. } if text > MAX_TEXT => format!("more than {} MiB of strings", MAX_TEXT >> 20),
            _ => return true,
        };
        self.overflow(limit, site, out);
        false
    }

    fn overflow(&mut self, limit: String, site: Site, out: &mut Diagnostics) {
        if !std::mem::replace(&mut self.full, true) {
            let message = format!("the recipe unrolls to {limit}");
            out.error(&c::OUT_OF_RANGE, site, message, "loop less often, over shorter lists");
        }
    }

    fn block(&mut self, body: &[Stmt], steps: &mut Vec<StepCall>, out: &mut Diagnostics) {
        let depth = self.bindings.len();
        for stmt in body {
            if self.full {
                break;
            }
            match stmt {
                Stmt::Let { name, value } => self.bind(name, value, steps, out),
                Stmt::For { name, list, body } => self.repeat(name, list, body, steps, out),
                Stmt::Step(call) => {
                    let call = self.call(call, out);
                    self.push(call, steps, out);
                }
            }
        }
        self.leave(depth);
    }

    fn push(&mut self, call: StepCall, steps: &mut Vec<StepCall>, out: &mut Diagnostics) {
        if call.word.text == "lr_find" {
            self.finders = self.finders.saturating_add(1);
        }
        if steps.len() < MAX_STEPS {
            steps.push(call);
        } else {
            self.overflow(format!("more than {MAX_STEPS} steps"), call.site, out);
        }
    }

    fn call(&mut self, call: &StepCall, out: &mut Diagnostics) -> StepCall {
        let is_step = StepKind::parse(&call.word.text).is_some();
        let mut args = Vec::with_capacity(call.args.len());
        for Arg { name, value } in &call.args {
            let value = match is_step {
                true => self.value(value, out, true),
                // Refused as a whole, and answered with a step of the same arguments.
                false => self.copy(value, out),
            };
            args.push(Arg { name: name.clone(), value });
        }
        let described = self.rounds.iter().map(String::len).sum::<usize>() + call.word.text.len();
        self.spend(Size { values: 1, text: described }, call.site, out);
        StepCall { args, rounds: self.rounds.clone(), ..call.clone() }
    }

    /// The value as it is written.
    fn copy(&mut self, value: &Value, out: &mut Diagnostics) -> Value {
        match self.spend(Size::of(value), value.site, out) {
            true => value.clone(),
            false => Value { kind: ValueKind::Broken, site: value.site },
        }
    }

    fn bind(&mut self, name: &Name, value: &Value, steps: &mut Vec<StepCall>, out: &mut Diagnostics) {
        let mut bound = match &value.kind {
            ValueKind::Call(word, args) if word.text == "lr_find" => {
                let call = StepCall::new(word.clone(), args.clone(), value.site);
                let call = self.call(&StepCall { binds: Some(name.clone()), ..call }, out);
                let rate = Rate::found(self.finders);
                self.push(call, steps, out);
                Value { kind: ValueKind::Rate(rate), site: value.site }
            }
            ValueKind::Call(word, args) if closest(&word.text, [StepKind::LrFind.word()]).is_some() => {
                self.spend(Size::of(value), value.site, out);
                let meant = Value::new(ValueKind::Call(Name::new(StepKind::LrFind.word()), args.clone()));
                let message = format!("`let` cannot bind `{}(..)`", word.text);
                out.error(&c::WRONG_TYPE, value.site, message, format!("did you mean `{meant}`?"));
                Value { kind: ValueKind::Broken, site: value.site }
            }
            _ => self.value(value, out, true),
        };
        if !matches!(
            bound.kind,
            ValueKind::Number(_)
                | ValueKind::Text(_)
                | ValueKind::Rate(_)
                | ValueKind::List(_)
                | ValueKind::Const(_)
                | ValueKind::Broken
        ) {
            let help = "a number, a string, a list, or a search: `let lr = lr_find(or = 1e-2);`";
            out.error(&c::WRONG_TYPE, value.site, format!("`let` cannot bind {}", bound.kind_name()), help);
            bound.kind = ValueKind::Broken;
        }
        // Whether a broken value was needed is unknown.
        let counts = bound.kind == ValueKind::Broken;
        self.enter(name, bound, counts);
    }

    fn repeat(&mut self, name: &Name, list: &Value, body: &[Stmt], steps: &mut Vec<StepCall>, out: &mut Diagnostics) {
        let ValueKind::List(items) = &list.kind else {
            if list.kind != ValueKind::Broken {
                let bound = match &list.kind {
                    ValueKind::Word(word) => self.lookup(word, list.site, out),
                    _ => None,
                };
                let example = written_out(bound.as_ref().unwrap_or(list));
                let help = format!("write the list out: `for {} in {example}`", name.text);
                out.error(&c::LOOP_LIST, list.site, format!("a loop over {}", list.kind_name()), help);
            }
            return;
        };
        for item in items {
            if self.full {
                return;
            }
            let value = self.value(item, out, true);
            let depth = self.bindings.len();
            self.rounds.push(format!("{} = {}", name.text, shortened(&value.to_string())));
            self.enter(name, value, true);
            self.block(body, steps, out);
            self.leave(depth);
            self.rounds.pop();
        }
    }

    /// Substitutes names and computes arithmetic. `names` states whether `let` names are allowed here; words without a
    /// binding stay words.
    fn value(&mut self, value: &Value, out: &mut Diagnostics, names: bool) -> Value {
        let site = value.site;
        let text = match &value.kind {
            ValueKind::Text(text) | ValueKind::Word(text) => text.len(),
            _ => 0,
        };
        if !self.spend(Size { values: 1, text }, site, out) {
            return Value { kind: ValueKind::Broken, site };
        }
        let kind = match &value.kind {
            ValueKind::Word(word) if names => match self.lookup(word, site, out) {
                Some(bound) => bound.kind,
                None => self.unbound(word, site, out),
            },
            // A name in capitals or with hyphens, which is an error where it is bound.
            ValueKind::Const(name) if names && self.by_name.contains_key(name) => {
                self.lookup(name, site, out).map_or_else(|| value.kind.clone(), |bound| bound.kind)
            }
            ValueKind::Binary(..) if names && self.binds_hyphenated(value) => ValueKind::Broken,
            ValueKind::Text(text) if self.in_train => {
                self.interpolate(text, site, out).map_or(ValueKind::Broken, ValueKind::Text)
            }
            ValueKind::List(items) => ValueKind::List(items.iter().map(|v| self.value(v, out, names)).collect()),
            ValueKind::Call(word, args) => ValueKind::Call(
                word.clone(),
                args.iter().map(|a| Arg { name: a.name.clone(), value: self.value(&a.value, out, names) }).collect(),
            ),
            ValueKind::Block(word, entries) => {
                let one = |entry: &Entry| Entry { value: self.value(&entry.value, out, names), ..entry.clone() };
                ValueKind::Block(word.clone(), entries.iter().map(one).collect())
            }
            ValueKind::Negate(inner) => {
                let inner = self.value(inner, out, names);
                match inner.kind {
                    ValueKind::Number(x) => ValueKind::Number(-x),
                    ValueKind::Rate(_) => found_rate(site, out),
                    ValueKind::Broken => ValueKind::Broken,
                    _ => no_number(&inner, site, out, self),
                }
            }
            ValueKind::Binary(op, a, b) => {
                let (a, b) = (self.value(a, out, names), self.value(b, out, names));
                self.arithmetic(*op, &a, &b, site, out)
            }
            other => other.clone(),
        };
        Value { kind, site }
    }

    /// A word that nothing binds stays a word, unless it is a misspelt bound name.
    fn unbound(&self, word: &str, site: Site, out: &mut Diagnostics) -> ValueKind {
        if word.len() <= 1 || self.bindings.is_empty() || is_word(word) {
            return ValueKind::Word(word.to_string());
        }
        match closest(word, self.nearest()) {
            Some(near) => {
                out.error(&c::UNKNOWN_NAME, site, format!("nothing binds `{word}`"), format!("did you mean `{near}`?"));
                ValueKind::Broken
            }
            None => ValueKind::Word(word.to_string()),
        }
    }

    /// Whether what looks like a difference is a name that is bound.
    fn binds_hyphenated(&self, value: &Value) -> bool {
        matches!(joined(value), Some(ValueKind::Word(name)) if self.by_name.contains_key(&name))
    }

    /// The innermost names.
    fn nearest(&self) -> impl Iterator<Item = &str> + Clone {
        self.bindings.iter().rev().take(NEAREST).map(|b| b.name.text.as_str())
    }

    /// The value that is bound to `word`, copied to `site`.
    fn lookup(&mut self, word: &str, site: Site, out: &mut Diagnostics) -> Option<Value> {
        let at = *self.by_name.get(word)?.last()?;
        self.bindings[at].read = true;
        let copied = self.spend(self.bindings[at].size, site, out);
        Some(if copied { self.bindings[at].value.clone() } else { Value { kind: ValueKind::Broken, site } })
    }

    fn arithmetic(&mut self, op: Op, a: &Value, b: &Value, site: Site, out: &mut Diagnostics) -> ValueKind {
        use ValueKind::{Broken, Const, Number, Rate};
        match (&a.kind, &b.kind, op) {
            (Broken, _, _) | (_, Broken, _) => Broken,
            (Number(x), Number(y), _) => {
                let result = match op {
                    Op::Add => x + y,
                    Op::Sub => x - y,
                    Op::Mul => x * y,
                    Op::Div => x / y,
                };
                if result.is_finite() {
                    return Number(result);
                }
                let help = "a number above 0 below the line: `1e-2 / 9`";
                out.error(&c::ARITHMETIC, site, format!("the result is {result}, not a number"), help);
                Broken
            }
            (Rate(r), Number(k), Op::Mul) if *k > 0.0 => Rate(*r * *k),
            (Number(k), Rate(r), Op::Mul) if *k > 0.0 => Rate(*r * *k),
            (Rate(r), Number(k), Op::Div) if *k > 0.0 => Rate(*r / *k),
            (Rate(_), Number(_) | Rate(_), _) | (Number(_), Rate(_), _) => found_rate(site, out),
            (Const(path), _, _) | (_, Const(path), _) => {
                let help = "compute it in Rust and use the result alone";
                out.error(&c::CONSTANT, site, format!("arithmetic with the constant `{path}`"), help);
                Broken
            }
            (Number(_) | Rate(_), _, _) => no_number(b, b.site, out, self),
            _ => no_number(a, a.site, out, self),
        }
    }

    /// Substitutes `{name}` in a string; `{{` and `}}` are literal braces. `None` if an error was reported.
    fn interpolate(&mut self, text: &str, site: Site, out: &mut Diagnostics) -> Option<String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some(i) = rest.find(['{', '}']) {
            result.push_str(&rest[..i]);
            let brace = &rest[i..=i];
            let after = &rest[i + 1..];
            if let Some(after) = after.strip_prefix(brace) {
                result.push_str(brace);
                rest = after;
                continue;
            }
            let end = if brace == "{" { after.find('}') } else { None };
            let Some(end) = end else {
                let help = format!("write `{brace}{brace}`, or `{{name}}` for the value of a `let` or loop");
                out.error(&c::UNKNOWN_NAME, site, format!("a single `{brace}` in a string"), help);
                return None;
            };
            let name = after[..end].trim();
            match self.lookup(name, site, out).map(|v| v.kind) {
                Some(ValueKind::Number(x)) => result.push_str(&crate::draft::number(x)),
                Some(ValueKind::Text(s)) => result.push_str(&s),
                Some(ValueKind::Broken) => return None,
                Some(_) => {
                    let help = "only numbers and strings can be inserted into a string";
                    out.error(&c::WRONG_TYPE, site, format!("`{name}` has no text that is known now"), help);
                    return None;
                }
                None => {
                    let help = self.names_help(name);
                    out.error(&c::UNKNOWN_NAME, site, format!("nothing binds `{name}`"), help);
                    return None;
                }
            }
            rest = &after[end + 1..];
        }
        result.push_str(rest);
        self.spend(Size { values: 0, text: result.len() }, site, out).then_some(result)
    }

    fn names_help(&self, name: &str) -> String {
        let names: Vec<&str> = self.nearest().collect();
        if names.is_empty() {
            format!("bind it first: `let {name} = {};`", likely(name))
        } else {
            did_you_mean(name, names)
        }
    }
}

/// The value of a loop's name as its messages show it.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(ROUND) {
        Some((end, _)) => format!("{}..", &value[..end]),
        None => value.to_string(),
    }
}

/// `range(3)`, or what else stands where a loop needs its list, as that list, or an example of one.
fn written_out(value: &Value) -> String {
    let literal = |item: &Value| matches!(item.kind, ValueKind::Number(_) | ValueKind::Text(_));
    let list = match &value.kind {
        ValueKind::Call(name, args) if name.text == "range" => {
            let bounds: Vec<&ValueKind> = args.iter().map(|arg| &arg.value.kind).collect();
            match bounds[..] {
                [ValueKind::Number(to)] => counted(0.0, to - 1.0),
                [ValueKind::Number(from), ValueKind::Number(to)] => counted(*from, to - 1.0),
                _ => None,
            }
        }
        // So many rounds, unless it is a size.
        ValueKind::Number(x) => counted(1.0, *x).or_else(|| Some(Value::from([*x]))),
        ValueKind::List(items) if !items.is_empty() && items.iter().all(literal) => Some(value.clone()),
        _ => None,
    };
    list.map_or("[64, 128]".to_string(), |list| list.to_string())
}

/// The whole numbers from `first` to `last` as a list, if they are few enough to write them out.
pub(crate) fn counted(first: f64, last: f64) -> Option<Value> {
    let whole = first.fract() == 0.0 && last.fract() == 0.0;
    let count = last - first + 1.0;
    let items = || (0..count as u32).map(|i| first + f64::from(i));
    (whole && (1.0..=16.0).contains(&count)).then(|| Value::from(items().collect::<Vec<f64>>()))
}

/// Whether some key takes this word, or the word is Python's spelling of one.
pub(crate) fn is_word(word: &str) -> bool {
    crate::habits::python(word).is_some()
        || crate::schema::constructs().flat_map(|c| c.keys).any(|k| k.legal_words().contains(&word))
}

fn found_rate(site: Site, out: &mut Diagnostics) -> ValueKind {
    let help = "multiply or divide it by a positive number: `lr / 10`";
    out.error(&c::FOUND_RATE, site, "a found rate can only be scaled", help);
    ValueKind::Broken
}

fn no_number(value: &Value, site: Site, out: &mut Diagnostics, scope: &Scope) -> ValueKind {
    let error = match &value.kind {
        ValueKind::Broken => return ValueKind::Broken,
        ValueKind::Word(word) => Diagnostic::error(&c::UNKNOWN_NAME, value.site, format!("nothing binds `{word}`"))
            .help(scope.names_help(word)),
        ValueKind::List(items) if !items.is_empty() => Diagnostic::error(&c::ARITHMETIC, site, "arithmetic on a list")
            .help("compute each item: `[lr / 9, lr / 3, lr]`"),
        _ => Diagnostic::error(&c::ARITHMETIC, site, format!("arithmetic on {}", value.kind_name()))
            .help("`+ - * /` work on numbers: `1e-2 / 9`"),
    };
    out.push(error);
    ValueKind::Broken
}
/// A value that a name suggests, for helps: a size, or a learning rate.
fn likely(name: &str) -> &'static str {
    let lower = name.to_lowercase();
    match ["sz", "size", "px"].iter().any(|part| lower.contains(part)) {
        true => "224",
        false => "1e-2",
    }
}
