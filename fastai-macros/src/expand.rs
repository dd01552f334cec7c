//! Expands a recipe's tokens to items: the type, its `Experiment` implementation, and errors and lints at the user's spans.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use fastai_dsl::draft::{Draft, Name, ValueKind};
use fastai_dsl::parse::{Parsed, parse};
use fastai_dsl::prepared;
use fastai_dsl::suggest::closest;
use fastai_dsl::{Checked, Diagnostics, Site, TaskKind, check_with};

use crate::builder::Builder;
use crate::classes;
use crate::file;
use crate::report;

/// Separates the path of the facade, in brackets, from the user's tokens.
pub(crate) fn split_path(input: TokenStream) -> (TokenStream, TokenStream) {
    let mut tokens = input.into_iter();
    match tokens.next() {
        Some(TokenTree::Group(path)) => (path.stream(), tokens.collect()),
        _ => (quote!(::fastai), TokenStream::new()),
    }
}

pub(crate) fn recipe(input: TokenStream) -> TokenStream {
    let (krate, tokens) = split_path(input);
    let Parsed { draft, diagnostics, spans, visibility, name, begun, .. } = parse(tokens);
    let places = SpanPlaces { spans: &spans };
    let Some(name) = name else {
        return report::all(&diagnostics, &|site| places.both(site));
    };
    let item = RecipeItem { krate: &krate, visibility: &visibility, name: &name, classes: &[] };
    let Some(draft) = draft else {
        let errors = report::all(&diagnostics, &|site| places.both(site));
        let stub = item.stub(&Draft::empty(name.to_string()));
        return quote! { #errors #stub };
    };
    let summary = file::summary_near(name.span(), &draft.name.text);
    let tracked = summary.as_ref().map(|summary| file::track(&summary.path));
    let classes = summary.as_ref().map_or(Vec::new(), |summary| classes::of_summary(&summary.text, task(&draft)));
    let item = RecipeItem { classes: &classes, ..item };
    let checked = check_with(&draft, diagnostics).and_then(|checked| match &summary {
        Some(summary) => prepared::verify(checked, &draft, &summary.text),
        None => Ok(checked),
    });
    match checked {
        Ok(checked) => {
            let warnings = report::all(&checked.warnings, &|site| places.both(site));
            let items = item.checked(&draft, &checked, &|site| places.first(site));
            quote! { #tracked #items #warnings }
        }
        Err(diagnostics) => {
            let errors = report::all(&diagnostics, &|site| places.both(site));
            let stub = item.stub(&draft);
            let mirror = item.mirror(&draft, &begun, &|site| places.first(site));
            // The mirror comes first: editors look types up by offset, which the texts of the errors would shift.
            quote! { #mirror #tracked #errors #stub }
        }
    }
}

/// Spans of sites.
struct SpanPlaces<'a> {
    spans: &'a [(Span, Span)],
}

impl SpanPlaces<'_> {
    fn both(&self, site: Site) -> (Span, Span) {
        self.spans.get(site.0 as usize).copied().unwrap_or((Span::call_site(), Span::call_site()))
    }

    fn first(&self, site: Site) -> Span {
        self.both(site).0
    }
}

/// The expansion of a recipe in the user's crate.
pub(crate) struct RecipeItem<'a> {
    pub(crate) krate: &'a TokenStream,
    pub(crate) visibility: &'a TokenStream,
    pub(crate) name: &'a Ident,
    /// The classes that the summary of the data names, in order.
    pub(crate) classes: &'a [String],
}

impl RecipeItem<'_> {
    /// The type and its implementation, as calls of the typed builder.
    pub(crate) fn checked(&self, draft: &Draft, checked: &Checked, span: &dyn Fn(Site) -> Span) -> TokenStream {
        let flat = &checked.flat;
        let builder = Builder { krate: self.krate, span };
        let calls = builder.calls(flat);
        let assertions = builder.assertions(flat);
        let build = if flat.has_constant() { "build_with_constants" } else { "build_checked" };
        let build = Ident::new(build, Span::mixed_site());
        let body = quote_spanned! { Span::mixed_site() => #calls __p.#build() };
        // The checks stand in for Rust constants with values of their own.
        let texts = if flat.has_constant() { None } else { Some(checked.recipe.model_texts()) };
        let item = self.experiment(draft, &body, texts.as_deref());
        quote! { #item #assertions }
    }

    /// The type with an unreachable body, so that the rest of the user's file compiles beside the errors.
    pub(crate) fn stub(&self, draft: &Draft) -> TokenStream {
        let item = self.experiment(draft, &quote! { ::core::unreachable!("the recipe has errors") }, None);
        // A lower-case name has been reported already.
        quote! { #[allow(non_camel_case_types)] #item }
    }

    /// Emits the calls of a broken recipe for editors: they map the user's identifiers to documented items, so that
    /// completion works while the user types. Partly typed steps (`begun`) resolve against all steps, whatever the calls
    /// before them.
    fn mirror(&self, draft: &Draft, begun: &[Name], span: &dyn Fn(Site) -> Span) -> TokenStream {
        let (flat, _) = fastai_dsl::evaluate::evaluate(draft, &mut Diagnostics::default());
        let builder = Builder { krate: self.krate, span };
        let calls = builder.calls(&flat);
        let begun = begun.iter().map(|word| builder.begun_step(word));
        quote! {
            #[allow(unexpected_cfgs)]
            const _: () = {
                #[cfg(rust_analyzer)]
                const _: fn() = || { #(#begun)* #calls };
            };
        }
    }

    /// The type; `texts` are those of its models, if they are known.
    fn experiment(&self, draft: &Draft, body: &TokenStream, texts: Option<&[String]>) -> TokenStream {
        let RecipeItem { krate, visibility, name, classes } = self;
        let docs = draft.doc.iter().flat_map(|d| d.split('\n')).map(|line| {
            let line = format!(" {line}");
            quote! { #[doc = #line] }
        });
        let text = &draft.name.text;
        let task = match task(draft) {
            TaskKind::SingleLabel => quote!(SingleLabel),
            TaskKind::MultiLabel => quote!(MultiLabel),
            TaskKind::Regression => quote!(Regression),
        };
        let (stated, class_enum) = match classes {
            [] => (TokenStream::new(), TokenStream::new()),
            classes => match classes::item(krate, visibility, name, classes) {
                Ok(item) => {
                    let stated = quote! {
                        const CLASSES: ::core::option::Option<&'static [&'static str]> =
                            ::core::option::Option::Some(&[#(#classes),*]);
                    };
                    (stated, item)
                }
                Err(text) => (TokenStream::new(), report::error(&text, (name.span(), name.span()))),
            },
        };
        let texts = texts.map(|texts| {
            quote! {
                const MODEL_TEXTS: ::core::option::Option<&'static [&'static str]> =
                    ::core::option::Option::Some(&[#(#texts),*]);
            }
        });
        quote_spanned! { Span::mixed_site() =>
            #(#docs)*
            #visibility struct #name;
            impl #krate::__private::Experiment for #name {
                type Task = #krate::__private::#task;
                const NAME: &'static str = #text;
                #stated
                #texts
                fn recipe() -> #krate::__private::Recipe { #body }
            }
            #class_enum
        }
    }
}

/// The task of a recipe, checked or not.
pub(crate) fn task(draft: &Draft) -> TaskKind {
    let word = draft.sections.iter().find(|e| e.key.text == "task").map(|e| &e.value.kind);
    // The stub of a misspelt task has the task that was meant.
    let meant = match word {
        Some(ValueKind::Word(w)) => closest(w, TaskKind::WORDS.iter().copied()).and_then(TaskKind::parse),
        _ => None,
    };
    meant.unwrap_or(TaskKind::SingleLabel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion(text: &str) -> String {
        let tokens: TokenStream = text.parse().unwrap();
        let output = recipe(quote! { [::fastai] #tokens });
        prettyplease::unparse(&syn::parse2(output).unwrap())
    }

    #[test]
    fn a_recipe_becomes_builder_calls() {
        insta::assert_snapshot!(expansion(
            r#"
            /// Which tags fit this chip?
            pub Planet {
                task: multi_label,
                data: csv {
                    root: "data/planet", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg",
                    valid: random(0.2, seed = 42), batch: config::BATCH,
                },
                transforms: top_down { size: 64, max_zoom: 1.05 },
                model: squeezenet1_1 { dropout: 0.5 },
                metrics: [f2, log_loss],
                clip: 1.0,
                train: {
                    let lr = lr_find(suggest = valley, or = 0.2);
                    for size in [64, 128] {
                        resize(size);
                        freeze();
                        fit(lr, 3, cycle_len = 1, cycle_mult = 2);
                        unfreeze();
                        fit([lr / 9, lr / 3, lr], 3, cycle_len = 1, cycle_mult = 2);
                        save("{size}");
                    }
                    tta();
                },
            }
            "#
        ));
    }

    #[test]
    fn a_broken_recipe_leaves_a_stub_its_errors_and_a_mirror() {
        insta::assert_snapshot!(expansion(
            r#"
            Cats {
                task: single_label,
                data: folders { root: "d" },
                transforms: side_on { size: 224 },
                model: squeezenet1_2,
                metrics: [accuracy],
                train: { fit(1e-2, 0); },
            }
            "#
        ));
    }
}
