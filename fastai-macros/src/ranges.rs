//! Const assertions of what the checks require of a single value, for values that are Rust constants.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use fastai_dsl::draft::{Arg, Draft, Entry, Stmt, Value, ValueKind};
use fastai_dsl::schema::{self, Construct, Key, Range, Type};
use fastai_dsl::{ArchFacts, MetricKind};

use crate::builder::{Builder, place};

impl Builder<'_> {
    /// For each Rust constant, at its span, a const assertion of what the checks require of a literal.
    pub(crate) fn assertions(&self, flat: &Draft) -> TokenStream {
        let mut out = TokenStream::new();
        let arch = flat.section("model").and_then(|e| fastai_dsl::arch::find(&e.value.word_and_entries()?.0.text));
        for entry in &flat.sections {
            match (entry.key.text.as_str(), &entry.value.kind) {
                (section, ValueKind::Block(word, entries)) => {
                    if let Some(known) = schema::chosen(section, &word.text) {
                        self.block(known, entries, arch, &mut out);
                    }
                }
                ("metrics", ValueKind::List(items)) => {
                    for item in items {
                        if let ValueKind::Call(word, args) = &item.kind
                            && let Some(kind) = MetricKind::parse(&word.text)
                        {
                            self.arguments(kind.construct(), args, arch, &mut out);
                        }
                    }
                }
                (name, _) => {
                    let section = schema::SECTIONS.iter().find(|section| section.name == name);
                    if let Some(range) = section.and_then(|section| section.range) {
                        self.range(name, range, &entry.value, &mut out);
                    }
                }
            }
        }
        for stmt in flat.train.iter().flat_map(|t| &t.body) {
            let Stmt::Step(call) = stmt else { continue };
            if let Some(construct) = schema::STEPS.iter().find(|s| s.name == call.word.text) {
                self.arguments(construct, &call.args, arch, &mut out);
            }
        }
        out.extend(self.relations(flat, arch));
        out
    }

    fn block(&self, construct: &'static Construct, entries: &[Entry], arch: Option<&ArchFacts>, out: &mut TokenStream) {
        for entry in entries {
            if let Some((_, key)) = construct.key(&entry.key.text) {
                self.key(key, &entry.value, arch, out);
            }
        }
    }

    fn arguments(&self, construct: &'static Construct, args: &[Arg], arch: Option<&ArchFacts>, out: &mut TokenStream) {
        for (key, arg) in place(construct, args) {
            self.key(key, &arg.value, arch, out);
        }
    }

    fn key(&self, key: &Key, value: &Value, arch: Option<&ArchFacts>, out: &mut TokenStream) {
        match (&value.kind, key.range) {
            (ValueKind::Call(word, args), _) => {
                if let Some(construct) = key.ty.calls().iter().find(|call| call.name == word.text) {
                    // The `size` of a block is not an image size.
                    self.arguments(construct, args, None, out);
                }
            }
            (ValueKind::List(parts), _) if key.ty == Type::Augment => {
                for part in parts {
                    if let ValueKind::Call(word, args) = &part.kind
                        && let Some(construct) = schema::AUGMENTATIONS.iter().find(|a| a.name == word.text)
                    {
                        self.arguments(construct, args, arch, out);
                    }
                }
            }
            (_, Some(range)) => self.range(key.name, range, value, out),
            (ValueKind::Const(path), None) if key.name == "root" => {
                let span = (self.span)(value.site);
                let constant = self.path(path, span);
                out.extend(assertion(span, &quote! { !(#constant).is_empty() }, "[E0308] `root` is empty"));
            }
            _ => {}
        }
        if let (ValueKind::Const(path), "size", Some(arch)) = (&value.kind, key.name, arch) {
            let span = (self.span)(value.site);
            let (constant, least) = (self.path(path, span), f64::from(arch.min_size));
            let message = format!("[E0304] `{}` needs images of at least {} px", arch.name, arch.min_size);
            out.extend(assertion(span, &quote! { ((#constant) as f64) >= #least }, &message));
        }
    }

    fn range(&self, name: &str, range: Range, value: &Value, out: &mut TokenStream) {
        match &value.kind {
            ValueKind::List(items) => items.iter().for_each(|v| self.range(name, range, v, out)),
            ValueKind::Const(path) => {
                let span = (self.span)(value.site);
                let constant = self.path(path, span);
                let (lo, hi) = (range.lo, range.hi);
                let above = if range.lo_in { quote!(>=) } else { quote!(>) };
                let below = if range.hi_in { quote!(<=) } else { quote!(<) };
                let holds = quote! { ((#constant) as f64) #above #lo && ((#constant) as f64) #below #hi };
                out.extend(assertion(span, &holds, &format!("[E0302] `{name}` must be {range}")));
            }
            _ => {}
        }
    }
}

pub(crate) fn assertion(span: Span, holds: &TokenStream, message: &str) -> TokenStream {
    quote_spanned! { span => const _: () = ::core::assert!(#holds, #message); }
}
