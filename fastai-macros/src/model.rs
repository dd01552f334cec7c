//! Expands `include_model!`: the bytes of a trained model, checked against its recipe.

use std::path::Path;

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::quote;
use serde_json::Value;

use crate::expand::split_path;
use crate::file;
use crate::report;

/// The longest header of a model that is read, bytes.
const LONGEST: u64 = 16 << 20;
/// How the name of a saved model's header begins; a number follows.
const HEADER: &str = "fastai model ";

/// What a saved model says of its recipe.
#[derive(Debug, PartialEq)]
struct StatedRecipe {
    name: String,
    classes: Vec<String>,
}

pub(crate) fn include(input: TokenStream) -> TokenStream {
    let (krate, tokens) = split_path(input);
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let literal = tokens.pop().and_then(file::literal_of);
    let comma = tokens.pop();
    let (Some(literal), Some(TokenTree::Punct(_)), false) = (literal, comma, tokens.is_empty()) else {
        let span = Span::call_site();
        let text = "expected a recipe and the path of a model that it trained\n\nhelp: `include_model!(DogsVsCats, \
                    \"runs/dogs/models/final.safetensors\")`";
        return report::error(text, (span, span));
    };
    let recipe: TokenStream = tokens.into_iter().collect();
    expand(&krate, &recipe, &literal).unwrap_or_else(|text| {
        let error = report::error(&text, (literal.span(), literal.span()));
        // An expression of the right type beside the error.
        quote! { { #error; &[0u8; 0] } }
    })
}

fn expand(krate: &TokenStream, recipe: &TokenStream, literal: &Literal) -> Result<TokenStream, String> {
    let name = file::text_of(literal).ok_or("expected the path in double quotes")?;
    let folders = file::folders(literal.span());
    let path = folders.iter().map(|folder| folder.join(&name)).find(|path| path.is_file());
    let path = path.ok_or_else(|| file::missing(&name, &folders))?;
    let StatedRecipe { name: trained, classes } =
        stated(&path).map_err(|why| format!("`{}`: {why}", path.display()))?;
    let of_another = format!("`{name}` is a model of recipe `{trained}`: include a model that this recipe trained");
    let names = classes.iter().map(|class| format!("{class:?}")).collect::<Vec<_>>().join(", ");
    let other_classes = format!(
        "the classes of `{name}` are not those of the summary of the recipe's data: the model has {names}; train it again, or \
         write the summary anew with `fastai prepare`"
    );
    let path = path.to_string_lossy();
    Ok(quote! {
        {
            const _: () = {
                ::core::assert!(
                    #krate::__private::same_text(<#recipe as #krate::__private::Experiment>::NAME, #trained),
                    #of_another
                );
                ::core::assert!(
                    #krate::__private::same_classes(
                        <#recipe as #krate::__private::Experiment>::CLASSES,
                        &[#(#classes),*]
                    ),
                    #other_classes
                );
            };
            ::core::include_bytes!(#path)
        }
    })
}

/// Reads the header of a saved model.
fn stated(path: &Path) -> Result<StatedRecipe, String> {
    use std::io::Read;
    let no_model = || "not a model that a run saved".to_string();
    let mut file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| no_model())?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(no_model());
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(|error| format!("cannot be read: {error}"))?;
    described(&header).ok_or_else(no_model)
}

/// Finds the description in a header.
fn described(header: &[u8]) -> Option<StatedRecipe> {
    let header: Value = serde_json::from_slice(header).ok()?;
    let facts = header.get("__metadata__")?.as_object()?;
    let (_, text) = facts.iter().find(|(key, _)| key.starts_with(HEADER))?;
    let meta: Value = serde_json::from_str(text.as_str()?).ok()?;
    let classes: Option<Vec<String>> =
        meta.get("classes")?.as_array()?.iter().map(|class| class.as_str().map(str::to_owned)).collect();
    Some(StatedRecipe { name: meta.get("recipe")?.as_str()?.to_owned(), classes: classes? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_states_its_recipe() {
        let meta = serde_json::json!({ "blake3": "0", "recipe": "Dogs", "classes": ["cats", "dogs"] }).to_string();
        let header = serde_json::json!({ "__metadata__": { "fastai model 3": meta } }).to_string();
        let found = described(header.as_bytes()).unwrap();
        assert_eq!(found, StatedRecipe { name: "Dogs".into(), classes: vec!["cats".into(), "dogs".into()] });
        assert_eq!(described(b"{}"), None);
        assert_eq!(described(b"\xff"), None);
    }

    #[test]
    fn what_is_no_model_is_refused_with_the_path() {
        let refused = |input: TokenStream| include(input).to_string();
        assert!(refused(quote!([::fastai])).contains("expected a recipe and the path"));
        assert!(refused(quote!([::fastai] "a.safetensors")).contains("expected a recipe and the path"));
        let text = refused(quote!([::fastai] Dogs, "no/such.safetensors"));
        assert!(text.contains("there is no file `no/such.safetensors`") && text.contains("[0u8 ; 0]"), "{text}");
        let text = refused(quote!([::fastai] Dogs, "Cargo.toml"));
        assert!(text.contains("Cargo.toml`: not a model that a run saved"), "{text}");
    }
}
