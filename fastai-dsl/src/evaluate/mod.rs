//! Turns a draft into one without `let`, `for` and arithmetic, as the typed builder collects it.
//!
//! Unrolling loops and computing values here gives the checks one flat list of steps for every front end.

mod scope;

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Draft, Entry, Name, Op, StepCall, Stmt, Train, Value, ValueKind, number};
use crate::habits;
use crate::rate::Rate;
use crate::recipe::StepKind;
use crate::spelling::joined;
use crate::suggest::closest;
use scope::{Scope, Size};

/// The most steps that a recipe may unroll to.
pub const MAX_STEPS: usize = 2_000;
/// The most values that loops and bindings may unroll to; two thousand steps of lists and arithmetic need fewer.
pub const MAX_VALUES: usize = 250_000;
/// The most bytes of strings that loops and bindings may unroll to.
pub const MAX_TEXT: usize = 4 << 20;
/// The most characters of a value in the description of a loop's round.
const ROUND: usize = 80;

/// Returns the flat draft and the names of the bindings that are never read.
pub fn evaluate(draft: &Draft, out: &mut Diagnostics) -> (Draft, Vec<Name>) {
    let mut flat = Draft { train: None, ..draft.clone() };
    let mut sections = Evaluator::new(false, out);
    for entry in &mut flat.sections {
        let value = std::mem::replace(&mut entry.value, Value::new(ValueKind::Broken));
        entry.value = sections.value(&value);
    }
    let Some(train) = &draft.train else { return (flat, Vec::new()) };
    let errors = out.errors();
    let mut evaluator = Evaluator::new(true, out);
    evaluator.block(&train.body);
    let Evaluator { scope: Scope { unused, .. }, steps, .. } = evaluator;
    let body = steps.into_iter().map(Stmt::Step).collect();
    // What was reported may have been meant as a step.
    let broken = train.broken || out.errors() > errors;
    flat.train = Some(Train { body, broken, ..train.clone() });
    (flat, unused)
}

struct Evaluator<'o> {
    scope: Scope<'o>,
    /// Whether names are bound here and strings may contain them.
    in_train: bool,
    steps: Vec<StepCall>,
    /// The rounds of the loops that are unrolled.
    rounds: Vec<String>,
    finders: u16,
}

impl<'o> Evaluator<'o> {
    fn new(in_train: bool, out: &'o mut Diagnostics) -> Self {
        Evaluator { scope: Scope::new(out), in_train, steps: Vec::new(), rounds: Vec::new(), finders: 0 }
    }

    fn block(&mut self, body: &[Stmt]) {
        let depth = self.scope.depth();
        for stmt in body {
            if self.scope.full {
                break;
            }
            match stmt {
                Stmt::Let { name, value } => self.bind(name, value),
                Stmt::For { name, list, body } => self.repeat(name, list, body),
                Stmt::Step(call) => {
                    let call = self.call(call);
                    self.push(call);
                }
            }
        }
        self.scope.leave(depth);
    }

    fn push(&mut self, call: StepCall) {
        if call.word.text == StepKind::LrFind.word() {
            self.finders = self.finders.saturating_add(1);
        }
        if self.steps.len() < MAX_STEPS {
            self.steps.push(call);
        } else {
            self.scope.overflow(format!("more than {MAX_STEPS} steps"), call.site);
        }
    }

    fn call(&mut self, call: &StepCall) -> StepCall {
        let is_step = StepKind::parse(&call.word.text).is_some();
        let mut args = Vec::with_capacity(call.args.len());
        for Arg { name, value } in &call.args {
            let value = match is_step {
                true => self.value(value),
                // Refused as a whole, and answered with a step of the same arguments.
                false => self.scope.copy(value),
            };
            args.push(Arg { name: name.clone(), value });
        }
        let described = self.rounds.iter().map(String::len).sum::<usize>() + call.word.text.len();
        self.scope.spend(Size { values: 1, text: described }, call.site);
        StepCall { args, rounds: self.rounds.clone(), ..call.clone() }
    }

    fn bind(&mut self, name: &Name, value: &Value) {
        let site = value.site;
        let mut bound = match &value.kind {
            ValueKind::Call(word, args) if word.text == StepKind::LrFind.word() => {
                let call = StepCall::new(word.clone(), args.clone(), site);
                let call = self.call(&StepCall { binds: Some(name.clone()), ..call });
                let rate = Rate::found(self.finders);
                self.push(call);
                Value { kind: ValueKind::Rate(rate), site }
            }
            ValueKind::Call(word, args) if closest(&word.text, [StepKind::LrFind.word()]).is_some() => {
                self.scope.spend(Size::of(value), site);
                let meant = Value::new(ValueKind::Call(Name::new(StepKind::LrFind.word()), args.clone()));
                let message = format!("`let` cannot bind `{}(..)`", word.text);
                self.scope.out.error(&c::WRONG_TYPE, site, message, format!("did you mean `{meant}`?"));
                Value { kind: ValueKind::Broken, site }
            }
            _ => self.value(value),
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
            let instead = match &bound.kind {
                ValueKind::Call(word, _) => habits::instead(&word.text),
                _ => None,
            };
            let help = instead.unwrap_or("a number, a string, a list, or a search: `let lr = lr_find(or = 1e-2);`");
            self.scope.out.error(&c::WRONG_TYPE, site, format!("`let` cannot bind {}", bound.kind_name()), help);
            bound.kind = ValueKind::Broken;
        }
        // Whether a broken value was needed is unknown.
        let read = bound.kind == ValueKind::Broken;
        self.scope.enter(name, bound, read);
    }

    fn repeat(&mut self, name: &Name, list: &Value, body: &[Stmt]) {
        let ValueKind::List(items) = &list.kind else {
            if list.kind != ValueKind::Broken {
                let bound = match &list.kind {
                    ValueKind::Word(word) => self.scope.lookup(word, list.site),
                    _ => None,
                };
                let example = written_out(bound.as_ref().unwrap_or(list));
                let help = format!("write the list out: `for {} in {example}`", name.text);
                self.scope.out.error(&c::LOOP_LIST, list.site, format!("a loop over {}", list.kind_name()), help);
            }
            return;
        };
        for item in items {
            if self.scope.full {
                return;
            }
            let value = self.value(item);
            let depth = self.scope.depth();
            self.rounds.push(format!("{} = {}", name.text, shortened(&value.to_string())));
            self.scope.enter(name, value, true);
            self.block(body);
            self.scope.leave(depth);
            self.rounds.pop();
        }
    }

    /// Substitutes names and computes arithmetic; words without a binding stay words.
    fn value(&mut self, value: &Value) -> Value {
        let site = value.site;
        let text = match &value.kind {
            ValueKind::Text(text) | ValueKind::Word(text) => text.len(),
            _ => 0,
        };
        if !self.scope.spend(Size { values: 1, text }, site) {
            return Value { kind: ValueKind::Broken, site };
        }
        let kind = match &value.kind {
            ValueKind::Word(word) if self.in_train => match self.scope.lookup(word, site) {
                Some(bound) => bound.kind,
                None => self.unbound(word, site),
            },
            // A name in capitals or with hyphens, which is an error where it is bound.
            ValueKind::Const(name) => {
                self.scope.lookup(name, site).map_or_else(|| value.kind.clone(), |bound| bound.kind)
            }
            ValueKind::Binary(..) if self.knows_hyphenated(value) => ValueKind::Broken,
            ValueKind::Text(text) if self.in_train => {
                self.interpolate(text, site).map_or(ValueKind::Broken, ValueKind::Text)
            }
            ValueKind::List(items) => ValueKind::List(items.iter().map(|v| self.value(v)).collect()),
            ValueKind::Call(word, args) => {
                let one = |arg: &Arg| Arg { name: arg.name.clone(), value: self.value(&arg.value) };
                ValueKind::Call(word.clone(), args.iter().map(one).collect())
            }
            ValueKind::Block(word, entries) => {
                let one = |entry: &Entry| Entry { value: self.value(&entry.value), ..entry.clone() };
                ValueKind::Block(word.clone(), entries.iter().map(one).collect())
            }
            ValueKind::Negate(inner) => {
                let inner = self.value(inner);
                match inner.kind {
                    ValueKind::Number(x) => ValueKind::Number(-x),
                    ValueKind::Rate(_) => self.found_rate(site),
                    ValueKind::Broken => ValueKind::Broken,
                    _ => self.no_number(&inner, site),
                }
            }
            ValueKind::Binary(op, a, b) => {
                // Names are bound in `train` only: elsewhere no quotient of words is a number.
                if !self.in_train
                    && let Some(path) = written_path(value)
                {
                    let help = format!("`{path:?}`");
                    self.scope.out.error(&c::ARITHMETIC, site, "a path stands in double quotes", help);
                    return Value { kind: ValueKind::Text(path), site };
                }
                let (a, b) = (self.value(a), self.value(b));
                self.arithmetic(*op, &a, &b, site)
            }
            other => other.clone(),
        };
        Value { kind, site }
    }

    /// A word that nothing binds stays a word, unless it is a misspelt bound name.
    fn unbound(&mut self, word: &str, site: Site) -> ValueKind {
        if word.len() <= 1 || self.scope.depth() == 0 || is_word(word) {
            return ValueKind::Word(word.to_string());
        }
        let near = closest(word, self.scope.nearest()).map(|near| format!("did you mean `{near}`?"));
        match near {
            Some(help) => {
                self.scope.out.error(&c::UNKNOWN_NAME, site, format!("nothing binds `{word}`"), help);
                ValueKind::Broken
            }
            None => ValueKind::Word(word.to_string()),
        }
    }

    /// Whether what looks like a difference is a name that is bound.
    fn knows_hyphenated(&self, value: &Value) -> bool {
        matches!(joined(value), Some(ValueKind::Word(name)) if self.scope.knows(&name))
    }

    fn arithmetic(&mut self, op: Op, a: &Value, b: &Value, site: Site) -> ValueKind {
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
                self.scope.out.error(&c::ARITHMETIC, site, format!("the result is {result}, not a number"), help);
                Broken
            }
            (Rate(r), Number(k), Op::Mul) | (Number(k), Rate(r), Op::Mul) if *k > 0.0 => Rate(*r * *k),
            (Rate(r), Number(k), Op::Div) if *k > 0.0 => Rate(*r / *k),
            (Rate(_), Number(_) | Rate(_), _) | (Number(_), Rate(_), _) => self.found_rate(site),
            (Const(path), _, _) | (_, Const(path), _) => {
                let help = "compute it in Rust and use the result alone";
                self.scope.out.error(&c::CONSTANT, site, format!("arithmetic with the constant `{path}`"), help);
                Broken
            }
            (Number(_) | Rate(_), _, _) => self.no_number(b, b.site),
            _ => self.no_number(a, a.site),
        }
    }

    fn found_rate(&mut self, site: Site) -> ValueKind {
        let help = "multiply or divide it by a positive number: `lr / 10`";
        self.scope.out.error(&c::FOUND_RATE, site, "a found rate can only be scaled", help);
        ValueKind::Broken
    }

    fn no_number(&mut self, value: &Value, site: Site) -> ValueKind {
        let error = match &value.kind {
            ValueKind::Broken => return ValueKind::Broken,
            ValueKind::Word(word) => Diagnostic::error(&c::UNKNOWN_NAME, value.site, format!("nothing binds `{word}`"))
                .help(self.scope.names_help(word)),
            ValueKind::List(items) if !items.is_empty() => {
                Diagnostic::error(&c::ARITHMETIC, site, "arithmetic on a list")
                    .help("compute each item: `[lr / 9, lr / 3, lr]`")
            }
            _ => Diagnostic::error(&c::ARITHMETIC, site, format!("arithmetic on {}", value.kind_name()))
                .help("`+ - * /` work on numbers: `1e-2 / 9`"),
        };
        self.scope.out.push(error);
        ValueKind::Broken
    }

    /// Substitutes `{name}` in a string; `{{` and `}}` are literal braces. `None` if an error was reported.
    fn interpolate(&mut self, text: &str, site: Site) -> Option<String> {
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
                self.scope.out.error(&c::UNKNOWN_NAME, site, format!("a single `{brace}` in a string"), help);
                return None;
            };
            let name = after[..end].trim();
            match self.scope.lookup(name, site).map(|v| v.kind) {
                Some(ValueKind::Number(x)) => result.push_str(&number(x)),
                Some(ValueKind::Text(s)) => result.push_str(&s),
                Some(ValueKind::Broken) => return None,
                Some(_) => {
                    let help = "only numbers and strings can be inserted into a string";
                    self.scope.out.error(&c::WRONG_TYPE, site, format!("`{name}` has no text that is known now"), help);
                    return None;
                }
                None => {
                    let help = self.scope.names_help(name);
                    self.scope.out.error(&c::UNKNOWN_NAME, site, format!("nothing binds `{name}`"), help);
                    return None;
                }
            }
            rest = &after[end + 1..];
        }
        result.push_str(rest);
        self.scope.spend(Size { values: 0, text: result.len() }, site).then_some(result)
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
    habits::python(word).is_some()
        || crate::schema::constructs().flat_map(|c| c.keys).any(|k| k.legal_words().contains(&word))
}

/// The path that a quotient of words is meant as: `data/dogs`.
fn written_path(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Word(word) => Some(word.clone()),
        ValueKind::Binary(Op::Div, a, b) => Some(format!("{}/{}", written_path(a)?, written_path(b)?)),
        _ => None,
    }
}
