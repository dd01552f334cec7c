//! The crate that users depend on, whose path the macros receive in front of the user's tokens.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

/// Separates the path of the facade, in brackets, from the user's tokens.
pub(crate) fn split_path(input: TokenStream) -> (TokenStream, TokenStream) {
    let mut tokens = input.into_iter();
    match tokens.next() {
        Some(TokenTree::Group(path)) => (path.stream(), tokens.collect()),
        _ => (quote!(::fastai), TokenStream::new()),
    }
}
