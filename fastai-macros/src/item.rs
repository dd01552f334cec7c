//! The items of a recipe: its type and `Experiment` implementation, and what stands for them beside errors.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use fastai_dsl::draft::{Draft, Name, ValueKind};
use fastai_dsl::suggest::closest;
use fastai_dsl::{Checked, Diagnostics, Site, TaskKind};

use crate::builder::Builder;
use crate::classes;
use crate::report;

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
    pub(crate) fn mirror(&self, draft: &Draft, begun: &[Name], span: &dyn Fn(Site) -> Span) -> TokenStream {
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
    let word = draft.section("task").map(|e| &e.value.kind);
    // The stub of a misspelt task has the task that was meant.
    let meant = match word {
        Some(ValueKind::Word(w)) => closest(w, TaskKind::WORDS.iter().copied()).and_then(TaskKind::parse),
        _ => None,
    };
    meant.unwrap_or(TaskKind::SingleLabel)
}
