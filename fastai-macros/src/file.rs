//! Expands `include_recipe!`: a recipe from a file.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Ident, Literal, Span, TokenStream, TokenTree};
use quote::quote;

use fastai_dsl::draft::Draft;
use fastai_dsl::prepared;
use fastai_dsl::scan;
use fastai_dsl::source::{LARGEST, RecipeText};

use crate::classes;
use crate::facade::split_path;
use crate::item::{RecipeItem, task};
use crate::report;

pub(crate) fn include(input: TokenStream) -> TokenStream {
    let (krate, tokens) = split_path(input);
    let mut tokens = tokens.into_iter();
    let first = tokens.next().map(visible);
    let literal = match (first, tokens.next()) {
        (Some(TokenTree::Literal(literal)), None) => literal,
        (first, _) => {
            let span = first.map_or(Span::call_site(), |t| t.span());
            let text = "[E0103] expected the path of a recipe file\n\nhelp: `include_recipe!(\"dogbreed.recipe\");`";
            return report::error(text, (span, span));
        }
    };
    let span = literal.span();
    let fail = |text: String| report::error(&text, (span, span));
    let Some(name) = text_of(&literal) else {
        return fail("[E0103] expected the path in double quotes".to_string());
    };
    let path = match located(&name, span) {
        Ok(path) => path,
        Err(missing) => return fail(missing),
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return fail(format!("cannot read `{}`: {error}", path.display())),
    };
    if bytes.len() > LARGEST {
        return fail(format!("`{}` is larger than {} KiB: no recipe is", path.display(), LARGEST >> 10));
    }
    let mut tracked = track(&path);
    let mut source = read(&name, &bytes);
    let mut classes = Vec::new();
    if let Some(summary) = source.name().and_then(|name| summary(&path, name)) {
        tracked.extend(track(&summary.path));
        if let Some(draft) = &source.draft {
            classes = classes::of_summary(&summary.text, task(draft));
        }
        source = source.verify(&summary.text);
    }
    match &source.result {
        Ok(checked) => {
            let visibility = visibility(source.is_public());
            let ident = Ident::new(&checked.flat.name.text, span);
            let item = RecipeItem { krate: &krate, visibility: &visibility, name: &ident, classes: &classes };
            let items = item.checked(&checked.flat, checked, &|_| span);
            let warnings = lints(&source, span);
            quote! { #tracked #items #warnings }
        }
        Err(_) => {
            let errors = source
                .render_each()
                .into_iter()
                .map(|text| report::error(text.strip_prefix("error").unwrap_or(&text), (span, span)));
            // A text that does not lex may still contain its name.
            let nameless = || scan::recipe_name(&source.text).map(Draft::empty);
            let stub = source.draft.clone().or_else(nameless).filter(|d| is_ident(&d.name.text)).map(|draft| {
                // The visibility of an unparsed recipe is unknown; public compiles everywhere.
                let visibility = visibility(source.is_public() || source.draft.is_none());
                let ident = Ident::new(&draft.name.text, span);
                RecipeItem { krate: &krate, visibility: &visibility, name: &ident, classes: &classes }.stub(&draft)
            });
            quote! { #tracked #(#errors)* #stub }
        }
    }
}

fn visibility(public: bool) -> TokenStream {
    if public { quote!(pub) } else { TokenStream::new() }
}

/// The token in an invisible group, as which `$path:literal` of the facade arrives.
fn visible(token: TokenTree) -> TokenTree {
    match token {
        TokenTree::Group(g) if g.delimiter() == Delimiter::None => {
            g.stream().into_iter().next().unwrap_or(TokenTree::Group(g))
        }
        other => other,
    }
}

/// The literal that a token is.
pub(crate) fn literal_of(token: TokenTree) -> Option<Literal> {
    match visible(token) {
        TokenTree::Literal(literal) => Some(literal),
        _ => None,
    }
}

/// The summary of a recipe's data.
pub(crate) struct SummaryFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The summary that `fastai prepare` wrote beside `file`, if any. An unreadable summary becomes an empty text, which is an error.
pub(crate) fn summary(file: &Path, recipe: &str) -> Option<SummaryFile> {
    let path = file.with_file_name(prepared::file_name(recipe));
    path.is_file().then(|| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        SummaryFile { path, text }
    })
}

/// The summary of a recipe in Rust source: beside the source file, else in the package's folder.
pub(crate) fn summary_near(span: Span, recipe: &str) -> Option<SummaryFile> {
    folders(span).iter().find_map(|folder| summary(&folder.join("source.rs"), recipe))
}

/// Checks the file's text with proc-macro2's own lexer, because the compiler's tokens carry no positions in the text.
fn read(name: &str, bytes: &[u8]) -> RecipeText {
    struct Own;
    impl Drop for Own {
        fn drop(&mut self) {
            proc_macro2::fallback::unforce();
        }
    }
    proc_macro2::fallback::force();
    let _own = Own;
    RecipeText::from_bytes(name, bytes, &[])
}

/// Emits the lints of a file with their positions in it, since the compiler can only point at the path.
fn lints(source: &RecipeText, span: Span) -> TokenStream {
    let found = source.diagnostics();
    let rendered = source.render_each();
    found.iter().zip(rendered).map(|(d, text)| report::lint(d.code.id, &text, span)).collect()
}

fn is_ident(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The file of that name in the first folder that has it.
///
/// # Errors
/// The folders that were searched.
pub(crate) fn located(name: &str, span: Span) -> Result<PathBuf, String> {
    let folders = folders(span);
    folders.iter().map(|f| f.join(name)).find(|p| p.is_file()).ok_or_else(|| missing(name, &folders))
}

fn missing(name: &str, folders: &[PathBuf]) -> String {
    let searched: Vec<String> = folders.iter().map(|f| format!("`{}`", f.display())).collect();
    format!("there is no file `{name}`\n\nhelp: it was looked for in {}", searched.join(" and "))
}

pub(crate) fn text_of(literal: &Literal) -> Option<String> {
    let text = literal.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then(|| inner.to_string())
}

/// The folders that a relative path may refer to: that of the source file, then the package's.
fn folders(span: Span) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(parent) = span.local_file().as_deref().and_then(Path::parent) {
        folders.push(std::path::absolute(parent).unwrap_or_else(|_| parent.to_path_buf()));
    }
    if let Some(package) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
        && !folders.contains(&package)
    {
        folders.push(package);
    }
    folders
}

/// Makes cargo rebuild when the file changes.
pub(crate) fn track(path: &Path) -> TokenStream {
    let path = path.to_string_lossy();
    quote! { const _: &[u8] = ::core::include_bytes!(#path); }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_names_the_folders_searched() {
        let text = missing("cats.recipe", &["/home/me/src".into(), "/home/me".into()]);
        assert_eq!(text, "there is no file `cats.recipe`\n\nhelp: it was looked for in `/home/me/src` and `/home/me`");
    }

    #[test]
    fn the_packages_folder_is_searched() {
        assert!(folders(Span::call_site()).contains(&PathBuf::from(env!("CARGO_MANIFEST_DIR"))));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for input in [quote!([::fastai]), quote!([::fastai] path), quote!([::fastai] "a" "b"), quote!([::fastai] 3)] {
            assert!(include(input).to_string().contains("[E0103]"));
        }
        assert!(include(quote!([::fastai] "no/such.recipe")).to_string().contains("there is no file `no/such.recipe`"));
    }
}
