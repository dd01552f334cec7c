//! Emits a flat draft as calls of the typed builder, each with the user's identifier and span.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};

use fastai_dsl::draft::{Arg, Draft, Entry, Name, StepCall, Stmt, Value, ValueKind};
use fastai_dsl::schema::{self, Construct, Key, Type};
use fastai_dsl::{Base, Rate, Site};

pub(crate) struct Builder<'a> {
    pub(crate) krate: &'a TokenStream,
    pub(crate) span: &'a dyn Fn(Site) -> Span,
}

impl Builder<'_> {
    /// `let __p = ..;` for every section and step; the last `__p` is the pipeline. (Hygiene does not hide a pattern from a
    /// constant of the same name, hence the underscores.)
    pub(crate) fn calls(&self, flat: &Draft) -> TokenStream {
        let krate = self.krate;
        let name = &flat.name.text;
        let task = flat.section("task").map(|e| self.word_of(&e.value));
        let doc = flat.doc.as_ref().map(|text| quote! { .doc(#text) });
        let mut calls = quote_spanned! { Span::mixed_site() =>
            let __p = #krate::__private::Start::new(#name, #task) #doc;
        };
        // The network comes last: it fixes the number of layer groups that the steps are typed with.
        let (model, others): (Vec<&Entry>, Vec<&Entry>) = flat
            .sections
            .iter()
            .filter(|e| e.key.text != "task" && !e.key.text.is_empty())
            .partition(|e| e.key.text == "model");
        for entry in others.into_iter().chain(model) {
            calls.extend(self.section(entry));
        }
        let mut finders = 0;
        for stmt in flat.train.iter().flat_map(|t| &t.body) {
            if let Stmt::Step(call) = stmt {
                calls.extend(self.step(call, &mut finders));
            }
        }
        calls
    }

    /// A name with hyphens is an error already; the editor completes the one that is meant.
    fn ident(&self, name: &Name) -> Ident {
        Ident::new(&name.text.replace('-', "_"), (self.span)(name.site))
    }

    /// `krate::__private::words::on`, with the user's span on the word.
    fn word(&self, word: &str, site: Site) -> TokenStream {
        let krate = self.krate;
        let span = (self.span)(site);
        // The one word of the language that is Rust's too.
        let ident = if word == "macro" { Ident::new_raw(word, span) } else { Ident::new(word, span) };
        quote! { #krate::__private::words::#ident }
    }

    fn word_of(&self, value: &Value) -> TokenStream {
        match &value.kind {
            ValueKind::Word(w) => self.word(w, value.site),
            _ => quote! { () },
        }
    }

    /// `krate::__private::schema::csv`, with the user's span on the word.
    fn schema(&self, construct: &str, site: Site) -> TokenStream {
        let krate = self.krate;
        let ident = Ident::new(construct, (self.span)(site));
        quote! { #krate::__private::schema::#ident }
    }

    /// Emits a partly typed step as a path into the steps, which an editor can complete.
    pub(crate) fn begun_step(&self, word: &Name) -> TokenStream {
        let (krate, step) = (self.krate, self.ident(word));
        quote! { let _: #krate::__private::schema::steps::#step; }
    }

    fn section(&self, entry: &Entry) -> TokenStream {
        let method = self.ident(&entry.key);
        let argument = match (entry.key.text.as_str(), &entry.value.kind) {
            ("transforms", ValueKind::Block(word, entries)) => {
                let set = self.word(&word.text, word.site);
                let keys = self.keys(&schema::TRANSFORMS, self.schema("transforms", Site::NONE), entries);
                quote! { #set, #keys }
            }
            ("model", ValueKind::Word(_) | ValueKind::Block(..)) => return self.model(entry),
            ("loss", ValueKind::Word(word)) if word == "given" => self.word_of(&entry.value),
            (section @ ("data" | "loss" | "optimizer"), _) => self.chosen(section, &entry.value),
            ("metrics", ValueKind::List(items)) if items.is_empty() => {
                return quote_spanned! { Span::mixed_site() => let __p = __p.no_metrics(); };
            }
            ("metrics", ValueKind::List(items)) => {
                let metric = Ident::new("metric", method.span());
                let calls = items.iter().map(|m| {
                    let m = self.metric(m);
                    quote! { .#metric(#m) }
                });
                return quote_spanned! { Span::mixed_site() => let __p = __p #(#calls)*; };
            }
            ("seed" | "accumulate", ValueKind::Number(x)) => {
                let x = Literal::i64_suffixed(*x as i64);
                quote! { #x }
            }
            _ => self.value(&entry.value, Type::Numbers),
        };
        quote_spanned! { Span::mixed_site() => let __p = __p.#method(#argument); }
    }

    fn model(&self, entry: &Entry) -> TokenStream {
        let Some((word, entries)) = entry.value.word_and_entries() else { return TokenStream::new() };
        let arch = self.word(&word.text, word.site);
        let from_scratch =
            |e: &&Entry| e.key.text == "weights" && matches!(&e.value.kind, ValueKind::Word(w) if w == "none");
        let random = entries.iter().any(|e| from_scratch(&e));
        let rest: Vec<Entry> = entries.iter().filter(|e| !from_scratch(e)).cloned().collect();
        let keys = self.keys(&schema::MODEL, self.schema("model", Site::NONE), &rest);
        let method = if random { "model_from_scratch" } else { "model" };
        let method = Ident::new(method, (self.span)(entry.key.site));
        quote_spanned! { Span::mixed_site() => let __p = __p.#method(#arch, #keys); }
    }

    /// The construct that a section chooses by its word, with its keys.
    fn chosen(&self, section: &str, value: &Value) -> TokenStream {
        let Some((word, entries)) = value.word_and_entries() else { return quote! { () } };
        match schema::chosen(section, &word.text) {
            Some(known) => self.keys(known, self.schema(known.name, word.site), entries),
            None => quote! { () },
        }
    }

    fn metric(&self, value: &Value) -> TokenStream {
        match &value.kind {
            ValueKind::Call(word, args) if !args.is_empty() => self.call(schema::MEASURES, word, args),
            ValueKind::Call(word, _) => self.word(&word.text, word.site),
            _ => self.word_of(value),
        }
    }

    /// `schema::csv::new().root(..).labels(..)`
    fn keys(&self, construct: &Construct, path: TokenStream, entries: &[Entry]) -> TokenStream {
        let setters = entries.iter().filter(|e| !e.key.text.is_empty()).map(|e| {
            let setter = self.ident(&e.key);
            let ty = construct.key(&e.key.text).map_or(Type::Number, |(_, k)| k.ty);
            let value = self.value(&e.value, ty);
            quote! { .#setter(#value) }
        });
        built(path, setters)
    }

    fn step(&self, call: &StepCall, finders: &mut usize) -> TokenStream {
        // The builder's types know only that the group is a number; a group that is the head's is `freeze`.
        if call.trains_only_head() {
            let freeze = Ident::new("freeze", (self.span)(call.word.site));
            return quote_spanned! { Span::mixed_site() => let __p = __p.#freeze(); };
        }
        let method = self.ident(&call.word);
        let Some(construct) = schema::STEPS.iter().find(|s| s.name == call.word.text) else {
            // Unknown steps are errors already; the editor completes them from here.
            return quote_spanned! { Span::mixed_site() => let __p = __p.#method(); };
        };
        // Required arguments are parameters of the method, the others setters of its options.
        let placed = place(construct, &call.args);
        let required =
            construct.keys.iter().filter(|k| k.required).map(|k| match placed.iter().find(|(p, _)| p.name == k.name) {
                Some((_, arg)) => self.value(&arg.value, k.ty),
                None => quote! { () },
            });
        let optional: Vec<(&Key, &Arg)> = placed.iter().filter(|(k, _)| !k.required).copied().collect();
        let has_options = construct.keys.iter().any(|k| !k.required);
        let options = has_options.then(|| {
            let setters = optional.iter().map(|(key, arg)| self.setter(key, arg, arg.value.site));
            built(self.schema(construct.name, Site::NONE), setters)
        });
        let arguments = required.chain(options);
        let left = if call.word.text == "lr_find" {
            *finders += 1;
            let rate = found(*finders - 1);
            quote_spanned! { Span::mixed_site() => #[allow(unused_variables)] let (__p, #rate) }
        } else {
            quote_spanned! { Span::mixed_site() => let __p }
        };
        let p = Ident::new("__p", Span::mixed_site());
        let name = call.binds.as_ref().map(|name| {
            let name = &name.text;
            quote_spanned! { Span::mixed_site() => let __p = __p.called(#name); }
        });
        quote! { #left = #p.#method(#(#arguments),*); #name }
    }

    fn value(&self, value: &Value, ty: Type) -> TokenStream {
        let span = (self.span)(value.site);
        let spanned = |mut literal: Literal| {
            literal.set_span(span);
            quote! { #literal }
        };
        match &value.kind {
            ValueKind::Number(x) if matches!(ty, Type::Count | Type::Counts | Type::Column | Type::Columns) => {
                // The registry's ranges of whole numbers fit; the checks report a number out of range.
                if x.abs() <= f64::from(i32::MAX) {
                    spanned(Literal::i32_unsuffixed(*x as i32))
                } else {
                    spanned(Literal::i64_suffixed(*x as i64))
                }
            }
            ValueKind::Number(x) if x.is_sign_negative() => {
                let literal = spanned(Literal::f64_unsuffixed(-x));
                quote! { -#literal }
            }
            ValueKind::Number(x) => spanned(Literal::f64_unsuffixed(*x)),
            ValueKind::Text(s) => spanned(Literal::string(s)),
            ValueKind::Word(w) => self.word(w, value.site),
            ValueKind::Rate(rate) => self.rate(*rate),
            ValueKind::List(items) if matches!(ty, Type::Augment | Type::Columns) => {
                let krate = self.krate;
                let items = items.iter().map(|item| {
                    let item = if ty == Type::Augment { self.augmentation(item) } else { self.value(item, ty) };
                    quote! { #krate::__private::Value::from(#item) }
                });
                quote! { ::std::vec::Vec::<#krate::__private::Value>::from([#(#items),*]) }
            }
            ValueKind::List(items) => {
                let mixed = ty == Type::Rates && items.iter().any(|v| !matches!(v.kind, ValueKind::Number(_)));
                let krate = self.krate;
                let items = items.iter().map(|v| {
                    let tokens = self.value(v, ty);
                    if mixed {
                        quote! { #krate::__private::Rate::from(#tokens) }
                    } else {
                        tokens
                    }
                });
                match items.len() {
                    // One rate in brackets is a single rate: the builder's arrays have one per layer group.
                    1 if ty == Type::Rates => quote! { #(#items)* },
                    // Without an item, the type of the numbers would be unknown.
                    0 if ty == Type::Counts => quote! { [0u32; 0] },
                    _ => quote! { [#(#items),*] },
                }
            }
            ValueKind::Call(word, args) => self.call(ty.calls(), word, args),
            ValueKind::Const(path) => self.path(path, span),
            _ => quote! { () },
        }
    }

    /// `schema::random::new().share(0.2)`
    fn call(&self, known: &[&'static Construct], word: &Name, args: &[Arg]) -> TokenStream {
        let Some(construct) = known.iter().copied().find(|s| s.name == word.text) else { return quote! { () } };
        let setters = place(construct, args).into_iter().map(|(key, arg)| self.setter(key, arg, word.site));
        built(self.schema(construct.name, word.site), setters)
    }

    /// `.share(0.2)`, at the argument's name if it has one.
    fn setter(&self, key: &Key, arg: &Arg, unnamed: Site) -> TokenStream {
        let site = arg.name.as_ref().map_or(unnamed, |n| n.site);
        let setter = Ident::new(key.name, (self.span)(site));
        let value = self.value(&arg.value, key.ty);
        quote! { .#setter(#value) }
    }

    /// A part of `augment`; a word is a call without arguments.
    fn augmentation(&self, part: &Value) -> TokenStream {
        match part.word_and_args() {
            Some((word, args)) => self.call(schema::AUGMENTATIONS, &word, args),
            None => quote! { () },
        }
    }

    fn rate(&self, rate: Rate) -> TokenStream {
        let Base::Found(index) = rate.base() else {
            let x = Literal::f64_unsuffixed(rate.fixed().unwrap_or_default());
            return quote! { #x };
        };
        let name = found(usize::from(index));
        let (num, den) = (rate.numerator(), rate.denominator());
        let num = (num != 1.0).then(|| Literal::f64_unsuffixed(num)).map(|n| quote! { * #n });
        let den = (den != 1.0).then(|| Literal::f64_unsuffixed(den)).map(|d| quote! { / #d });
        quote! { #name #num #den }
    }

    pub(crate) fn path(&self, path: &str, span: Span) -> TokenStream {
        let parts: Vec<Ident> = path.split("::").map(|part| Ident::new(part, span)).collect();
        quote! { #(#parts)::* }
    }
}

/// The builder of a construct with these setters called.
fn built(path: TokenStream, setters: impl Iterator<Item = TokenStream>) -> TokenStream {
    quote! { #path::new() #(#setters)* }
}

fn found(index: usize) -> Ident {
    Ident::new(&format!("__lr{}", index + 1), Span::mixed_site())
}

/// Assigns each argument to its key: positional arguments fill the parameters from left to right, skipping those passed by
/// name.
pub(crate) fn place<'a>(construct: &'static Construct, args: &'a [Arg]) -> Vec<(&'static Key, &'a Arg)> {
    let named = |key: &Key| args.iter().any(|a| a.name.as_ref().is_some_and(|n| n.text == key.name));
    let mut free = construct.keys.iter().filter(|k| !named(k));
    args.iter()
        .filter_map(|arg| {
            let key = match &arg.name {
                Some(name) => construct.key(&name.text).map(|(_, k)| k),
                None => free.next(),
            };
            key.map(|k| (k, arg))
        })
        .collect()
}
