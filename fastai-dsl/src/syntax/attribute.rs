//! Doc comments and lint levels.

use proc_macro2::Delimiter;

use super::Parser;
use crate::catalog as c;
use crate::draft::{LintAttr, LintLevel};

impl Parser<'_, '_> {
    /// Doc comments and lint levels.
    pub(crate) fn attributes(&mut self) -> (Option<String>, Vec<LintAttr>) {
        let mut doc: Option<String> = None;
        let mut lints = Vec::new();
        while self.peek_punct('#') {
            let hash = self.here();
            self.punct('#');
            let Some((content, end)) = self.group(Delimiter::Bracket) else {
                let site = self.out.site(hash, hash);
                let help = "comments begin with two strokes: `// ..`";
                self.out.diagnostics.error(&c::ATTRIBUTE, site, "expected an attribute after `#`", help);
                // Python's comment ends with its line.
                let line = hash.start().line;
                while !self.cursor.eof() && self.here().start().line == line {
                    self.skip_one();
                }
                continue;
            };
            let mut inner = self.inside(content, end);
            let word = inner.ident().map(|i| i.to_string()).unwrap_or_default();
            let level = match word.as_str() {
                "doc" => {
                    if inner.punct('=')
                        && let Some((literal, _)) = inner.cursor.literal()
                        && let syn::Lit::Str(text) = syn::Lit::new(literal)
                    {
                        let line = text.value();
                        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
                        doc = Some(doc.map_or(line.to_string(), |d| format!("{d}\n{line}")));
                    }
                    continue;
                }
                "allow" => LintLevel::Allow,
                "warn" => LintLevel::Warn,
                "deny" | "forbid" => LintLevel::Deny,
                _ => {
                    let site = inner.out.site(hash, end);
                    let text = format!("attribute `{word}` means nothing here");
                    let help = "`#[allow(lint)]`, `#[warn(lint)]`, `#[deny(lint)]` or a doc comment";
                    inner.out.diagnostics.error(&c::ATTRIBUTE, site, text, help);
                    continue;
                }
            };
            if let Some((content, end)) = inner.group(Delimiter::Parenthesis) {
                let mut names = inner.inside(content, end);
                while let Some(name) = names.name() {
                    lints.push(LintAttr { level, name });
                    if !names.punct(',') {
                        break;
                    }
                }
            }
        }
        (doc, lints)
    }
}
