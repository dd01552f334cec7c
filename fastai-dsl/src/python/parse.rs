//! Statements and expressions from logical lines.

use super::lines::LogicalLine;
use super::tokens::{Lexeme, Placed, tokens};
use super::{Assigned, CallArgument, Expr, Function, Statement, StatementKind};

/// Deepest nesting of brackets, signs and blocks that is read; what lies deeper is text.
const MAX_DEPTH: usize = 64;
/// Operators of an expression that are read.
const MAX_OPERATORS: usize = 64;

/// The statements of lines that have the indentation of the first one, with the bodies of functions and loops, in blocks of
/// that depth.
pub(super) fn block(lines: &[LogicalLine], depth: usize) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let line = &lines[i];
        // Deeper lines are the body of this one.
        let end = (i + 1..lines.len()).find(|j| lines[*j].indent <= line.indent).unwrap_or(lines.len());
        found.push(statement(line, &lines[i + 1..end], depth));
        i = end;
    }
    found
}

fn statement(line: &LogicalLine, body: &[LogicalLine], depth: usize) -> Statement {
    let chars: Vec<char> = line.text.chars().collect();
    let found = tokens(&chars);
    let parser = LineParser { chars: &chars, tokens: &found, at: 0, depth: 0 };
    let kind = kind(parser, body, depth);
    let mut text = line.text.clone();
    if matches!(kind, StatementKind::Other) {
        // The lines of a block that is not understood are shown, too.
        for line in body {
            text += &format!("\n{}{}", " ".repeat(line.indent.min(80)), line.text);
        }
    }
    Statement { kind, text }
}

fn kind(mut p: LineParser<'_>, body: &[LogicalLine], depth: usize) -> StatementKind {
    match p.tokens.first().map(|t| &t.0) {
        Some(Lexeme::Punct("%")) | Some(Lexeme::Strange) | None => return StatementKind::Import,
        Some(Lexeme::Name(word)) => match word.as_str() {
            "import" | "from" => return StatementKind::Import,
            "def" if depth < MAX_DEPTH => {
                return p.function(body, depth).map_or(StatementKind::Other, StatementKind::Def);
            }
            "for" if depth < MAX_DEPTH => return p.repeat(body, depth).unwrap_or(StatementKind::Other),
            "return" => {
                p.at += 1;
                return p.whole().map_or(StatementKind::Other, StatementKind::Return);
            }
            "if" | "elif" | "else" | "while" | "with" | "try" | "except" | "finally" | "class" | "del" | "assert"
            | "raise" | "global" | "pass" | "lambda" | "def" | "for" | "async" | "yield" | "print" => {
                return StatementKind::Other;
            }
            _ => {}
        },
        _ => {}
    }
    if !body.is_empty() {
        return StatementKind::Other;
    }
    let mut targets = Vec::new();
    let mut begin = 0;
    // `=` outside of brackets.
    let mut open = 0i32;
    for (i, (token, _)) in p.tokens.iter().enumerate() {
        match token {
            Lexeme::Punct("(" | "[" | "{") => open += 1,
            Lexeme::Punct(")" | "]" | "}") => open -= 1,
            Lexeme::Punct("=") if open == 0 => {
                targets.push(LineParser { tokens: &p.tokens[..i], at: begin, ..p }.target());
                begin = i + 1;
            }
            Lexeme::Punct("+=" | "-=" | "*=" | "/=" | "**=" | "//=" | ":=") if open == 0 => {
                return StatementKind::Other;
            }
            _ => {}
        }
    }
    p.at = begin;
    match p.whole() {
        Some(value) if targets.is_empty() => StatementKind::Expr(value),
        Some(value) => StatementKind::Assign { targets, value },
        None => StatementKind::Other,
    }
}

#[derive(Clone, Copy)]
struct LineParser<'a> {
    chars: &'a [char],
    tokens: &'a [Placed],
    at: usize,
    depth: usize,
}

impl<'a> LineParser<'a> {
    fn peek(&self) -> Option<&'a Lexeme> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn punct(&mut self, punct: &str) -> bool {
        let next = matches!(self.peek(), Some(Lexeme::Punct(p)) if *p == punct);
        self.at += usize::from(next);
        next
    }

    fn word(&mut self) -> Option<String> {
        let Some(Lexeme::Name(name)) = self.peek() else { return None };
        self.at += 1;
        Some(name.clone())
    }

    /// What the tokens from `from` on were written as.
    fn text(&self, from: usize, to: usize) -> String {
        match (self.tokens.get(from), self.tokens.get(to.wrapping_sub(1))) {
            (Some((_, first)), Some((_, last))) if from < to => self.chars[first.start..last.end].iter().collect(),
            _ => String::new(),
        }
    }

    /// An expression that takes all tokens, or the text of them; `None` if there are none.
    fn whole(&mut self) -> Option<Expr> {
        let from = self.at;
        if from >= self.tokens.len() {
            return None;
        }
        let mut first = self.expression();
        if first.is_some() && matches!(self.peek(), Some(Lexeme::Punct(","))) {
            // A tuple without parentheses.
            let mut items = vec![first?];
            while self.punct(",") && self.at < self.tokens.len() {
                match self.expression() {
                    Some(item) => items.push(item),
                    None => break,
                }
            }
            first = Some(Expr::List(items));
        }
        let choice = matches!(self.peek(), Some(Lexeme::Name(word)) if word == "if");
        if let Some(yes) = first.take_if(|_| choice) {
            self.at += 1;
            first = self.choice(yes);
        }
        match first {
            Some(whole) if self.at == self.tokens.len() => Some(whole),
            _ => Some(Expr::Other(self.text(from, self.tokens.len()))),
        }
    }

    /// `left < right else no`
    fn choice(&mut self, yes: Expr) -> Option<Expr> {
        let left = self.expression()?;
        let Some(Lexeme::Punct(comparison @ ("<" | ">" | "<=" | ">=" | "==" | "!="))) = self.peek() else {
            return None;
        };
        self.at += 1;
        let right = self.expression()?;
        if self.word()? != "else" {
            return None;
        }
        let no = self.expression()?;
        Some(Expr::Choice { condition: Box::new((left, comparison, right)), yes: Box::new(yes), no: Box::new(no) })
    }

    fn target(&mut self) -> Assigned {
        match self.whole() {
            Some(Expr::Name(name)) => Assigned::Name(name),
            Some(Expr::Attribute(object, name)) => Assigned::Attribute(*object, name),
            Some(Expr::List(items)) => items
                .iter()
                .map(|i| i.name().map(str::to_string))
                .collect::<Option<_>>()
                .map_or(Assigned::Other, Assigned::Names),
            _ => Assigned::Other,
        }
    }

    fn expression(&mut self) -> Option<Expr> {
        self.operators([("+", '+'), ("-", '-')], |p| p.operators([("*", '*'), ("/", '/')], Self::unary))
    }

    /// Operands with operators of one precedence between them.
    fn operators(&mut self, known: [(&'static str, char); 2], operand: fn(&mut Self) -> Option<Expr>) -> Option<Expr> {
        let mut left = operand(self)?;
        for _ in 0..=MAX_OPERATORS {
            let Some((_, op)) = known.into_iter().find(|(punct, _)| self.punct(punct)) else { return Some(left) };
            left = Expr::Binary(op, Box::new(left), Box::new(operand(self)?));
        }
        None
    }

    fn unary(&mut self) -> Option<Expr> {
        if self.punct("-") {
            return self.deeper(Self::unary).map(|inner| Expr::Negate(Box::new(inner)));
        }
        let mut value = self.atom()?;
        for _ in 0..MAX_DEPTH {
            if self.punct(".") {
                value = Expr::Attribute(Box::new(value), self.word()?);
            } else if self.punct("(") {
                value = Expr::Call(Box::new(value), self.deeper(Self::arguments)?);
            } else if self.punct("[") {
                let from = self.at;
                let to = self.end_at(&["]"])?;
                value = Expr::Index(Box::new(value), self.text(from, to));
                self.at = to + 1;
            } else {
                return Some(value);
            }
        }
        None
    }

    fn deeper<T>(&mut self, inner: fn(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    /// The index of the first of these marks outside of brackets that open from here on.
    fn end_at(&self, marks: &[&str]) -> Option<usize> {
        let mut open = 0;
        for (i, (token, _)) in self.tokens.iter().enumerate().skip(self.at) {
            match token {
                Lexeme::Punct(p) if open == 0 && marks.contains(p) => return Some(i),
                Lexeme::Punct("(" | "[" | "{") => open += 1,
                Lexeme::Punct(")" | "]" | "}") => open -= 1,
                _ => {}
            }
        }
        None
    }

    fn atom(&mut self) -> Option<Expr> {
        let token = self.peek()?;
        self.at += 1;
        match token {
            Lexeme::Name(name)
                if matches!(name.as_str(), "lambda" | "not" | "await" | "if" | "else" | "for" | "in") =>
            {
                None
            }
            Lexeme::Name(name) => Some(Expr::Name(name.clone())),
            Lexeme::Number(text) => Some(Expr::Number(text.clone())),
            Lexeme::Text { text, interpolated } => Some(Expr::Text { text: text.clone(), interpolated: *interpolated }),
            Lexeme::Punct("[") => self.deeper(|p| p.items("]")).map(|(items, _)| Expr::List(items)),
            Lexeme::Punct("(") => {
                let (mut items, comma) = self.deeper(|p| p.items(")"))?;
                if items.len() == 1 && !comma { items.pop() } else { Some(Expr::List(items)) }
            }
            _ => None,
        }
    }

    /// `a, b]`, and whether there was a comma.
    fn items(&mut self, close: &str) -> Option<(Vec<Expr>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.punct(close) {
            items.push(self.expression()?);
            match self.punct(",") {
                true => comma = true,
                false if self.punct(close) => break,
                false => return None,
            }
        }
        Some((items, comma))
    }

    /// `a, name=b)`; an argument that is no expression is kept as text.
    fn arguments(&mut self) -> Option<Vec<CallArgument>> {
        let mut arguments = Vec::new();
        while !self.punct(")") {
            let mut name = None;
            if let (Some(Lexeme::Name(word)), Some((Lexeme::Punct("="), _))) =
                (self.peek(), self.tokens.get(self.at + 1))
            {
                name = Some(word.clone());
                self.at += 2;
            }
            let from = self.at;
            let whole = self.expression().filter(|_| matches!(self.peek(), Some(Lexeme::Punct("," | ")"))));
            let value = match whole {
                Some(value) => value,
                None => {
                    self.at = from;
                    let to = self.end_at(&[",", ")"])?;
                    self.at = to;
                    Expr::Other(self.text(from, to))
                }
            };
            arguments.push(CallArgument { name, value });
            if !self.punct(",") && !matches!(self.peek(), Some(Lexeme::Punct(")"))) {
                return None;
            }
        }
        Some(arguments)
    }

    fn function(&mut self, body: &[LogicalLine], depth: usize) -> Option<Function> {
        self.at += 1;
        let name = self.word()?;
        if !self.punct("(") {
            return None;
        }
        let mut parameters = Vec::new();
        while !self.punct(")") {
            let parameter = self.word()?;
            let default = if self.punct("=") { Some(self.expression()?) } else { None };
            parameters.push((parameter, default));
            if !self.punct(",") && !matches!(self.peek(), Some(Lexeme::Punct(")"))) {
                return None;
            }
        }
        let body = self.suite(body, depth)?;
        Some(Function { name, parameters, body })
    }

    fn repeat(&mut self, body: &[LogicalLine], depth: usize) -> Option<StatementKind> {
        self.at += 1;
        let name = self.word()?;
        if self.word()? != "in" {
            return None;
        }
        let list = self.expression()?;
        let body = self.suite(body, depth)?;
        Some(StatementKind::For { name, list, body })
    }

    /// `: statement` or `:` and indented lines.
    fn suite(&mut self, body: &[LogicalLine], depth: usize) -> Option<Vec<Statement>> {
        if !self.punct(":") {
            return None;
        }
        if self.at < self.tokens.len() {
            let line = LogicalLine { indent: 0, text: self.text(self.at, self.tokens.len()) };
            return Some(vec![statement(&line, &[], depth + 1)]);
        }
        Some(block(body, depth + 1))
    }
}
