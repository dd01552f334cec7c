//! Emits findings for the compiler: errors as `compile_error!`, lints as the use of a deprecated constant with the lint's
//! name, both at the user's spans.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use fastai_dsl::{Diagnostic, Diagnostics, Severity, Site};

pub(crate) fn all(diagnostics: &Diagnostics, spans: &dyn Fn(Site) -> (Span, Span)) -> TokenStream {
    let mut out = TokenStream::new();
    for diagnostic in diagnostics.iter() {
        match diagnostic.severity {
            Severity::Error => out.extend(error(&text(diagnostic, spans), spans(diagnostic.site))),
            Severity::Warning => {
                out.extend(lint(diagnostic.code.id, &text(diagnostic, spans), spans(diagnostic.site).0));
            }
        }
    }
    out
}

/// The finding's text. Stable Rust gives a macro no labels for a second place, and a second `compile_error!` would count one
/// mistake twice, so the text names the line of the second place.
fn text(diagnostic: &Diagnostic, spans: &dyn Fn(Site) -> (Span, Span)) -> String {
    let mut text = diagnostic.text();
    if let Some((site, label)) = &diagnostic.also {
        let line = spans(*site).0.start().line;
        text.push_str(&format!("\nnote: {label}: line {line}"));
    }
    text
}

/// Emits `compile_error!` whose first and last tokens have these spans, so that the compiler underlines everything between
/// them.
pub(crate) fn error(text: &str, (first, last): (Span, Span)) -> TokenStream {
    let mut message = Group::new(Delimiter::Brace, quote! { #text });
    message.set_span(last);
    let path = quote_spanned! { first => ::core::compile_error! };
    path.into_iter().chain([TokenTree::Group(message)]).collect()
}

pub(crate) fn lint(name: &str, text: &str, span: Span) -> TokenStream {
    let used = Ident::new(name, span);
    let declared = Ident::new(name, Span::call_site());
    let note = text
        .strip_prefix(&format!("{name}: "))
        .or_else(|| text.strip_prefix(&format!("warning[{name}]: ")))
        .unwrap_or(text);
    quote! {
        const _: () = {
            #[deprecated(note = #note)]
            #[allow(non_upper_case_globals)]
            const #declared: () = ();
            #used
        };
    }
}
