//! Expands `include_model!`: the bytes of a trained model, checked against its recipe.
//!
//! The digest of the file is left to the program that loads it; here a file is only held to what its header says.

use std::path::Path;

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::quote;
use serde_json::{Map, Value};

use fastai_dsl::{MODEL_KEY, is_of_another_layout, model_text};

use crate::facade::split_path;
use crate::file;
use crate::report;

/// The longest header of a model that is read, bytes.
const LONGEST: u64 = 16 << 20;
/// What is said of any other file.
const NO_MODEL: &str = "not a model that a run saved";

/// What a saved model says of its recipe.
#[derive(Debug, PartialEq)]
struct StatedRecipe {
    name: String,
    /// The recipe's text, as models are compared by it.
    text: String,
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
    let path = file::located(&name, literal.span())?;
    let StatedRecipe { name: trained, text, classes } = stated(&path).map_err(|why| format!("`{name}`: {why}"))?;
    let of_another = format!("`{name}` is a model of recipe `{trained}`: include a model that this recipe trained");
    let changed = format!("recipe `{trained}` has changed since `{name}` was trained (- as trained, + now):\n  - ");
    let retrain = "\ntrain it again, or include it with the recipe that it was";
    let names = classes.iter().map(|class| format!("{class:?}")).collect::<Vec<_>>().join(", ");
    let other_classes = format!(
        "the classes of `{name}` are not those of the summary of the recipe's data: the model has {names}; train it again, or \
         write the summary anew with `fastai prepare`"
    );
    let path = path.to_string_lossy();
    let own = quote! { <#recipe as #krate::__private::Experiment> };
    Ok(quote! {
        {
            // Like the loader: first the name, then the text, then the classes.
            const _: () = {
                const TEXTS: ::core::option::Option<&'static [&'static str]> = #own::MODEL_TEXTS;
                const TEXT: &'static str = #text;
                const LINES: [&'static str; 2] = #krate::__private::first_difference(TEXTS, TEXT);
                const PARTS: &'static [&'static str] = &[#changed, LINES[0], "\n  + ", LINES[1], #retrain];
                const CHANGED: [u8; #krate::__private::joined_len(PARTS)] = #krate::__private::joined(PARTS);
                if !#krate::__private::same_text(#own::NAME, #trained) {
                    ::core::panic!("{}", #of_another);
                }
                if !#krate::__private::takes_text(TEXTS, TEXT) {
                    ::core::panic!("{}", #krate::__private::utf8(&CHANGED));
                }
                if !#krate::__private::same_classes(#own::CLASSES, &[#(#classes),*]) {
                    ::core::panic!("{}", #other_classes);
                }
            };
            ::core::include_bytes!(#path)
        }
    })
}

/// Reads the header of a saved model and holds the file to it.
///
/// # Errors
/// A file that is no model, or is shorter or longer than its header says.
fn stated(path: &Path) -> Result<StatedRecipe, String> {
    use std::io::Read;
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut file = std::fs::File::open(path).map_err(cannot)?;
    let bytes = file.metadata().map_err(cannot)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| NO_MODEL.to_string())?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(NO_MODEL.to_string());
    }
    let Some(tensors) = bytes.checked_sub(8 + length) else {
        return Err(format!("the file is damaged: {bytes} bytes, which is less than its header takes"));
    };
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(cannot)?;
    described(&header, tensors)
}

/// Finds the description in a header, which `tensors` bytes follow.
fn described(header: &[u8], tensors: u64) -> Result<StatedRecipe, String> {
    let no_model = || NO_MODEL.to_string();
    if !header.starts_with(b"{") {
        return Err(no_model());
    }
    let damaged = |why: String| format!("the file is damaged: {why}");
    let header: Map<String, Value> =
        serde_json::from_slice(header).map_err(|error| damaged(format!("its header: {error}")))?;
    let facts = header.get("__metadata__").and_then(Value::as_object).ok_or_else(no_model)?;
    let Some(meta) = facts.get(MODEL_KEY) else {
        return Err(match facts.keys().any(|key| is_of_another_layout(key)) {
            true => "a model of another version of fastai: train it again with this version".to_string(),
            false => no_model(),
        });
    };
    match extent(&header) {
        Some(wanted) if wanted == tensors => {}
        Some(wanted) => {
            return Err(damaged(format!("{tensors} bytes of numbers, where its header describes {wanted}")));
        }
        None => return Err(damaged("its header does not place its tensors one after the other".to_string())),
    }
    stated_by(meta).ok_or_else(|| damaged("its description cannot be read".to_string()))
}

/// The bytes of the tensors of a header, which follow each other; `None` if they do not.
fn extent(header: &Map<String, Value>) -> Option<u64> {
    let mut places = Vec::new();
    for (_, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let [from, to] = tensor.get("data_offsets")?.as_array()?.as_slice() else { return None };
        places.push((from.as_u64()?, to.as_u64()?));
    }
    places.sort_unstable();
    places.into_iter().try_fold(0, |end, (from, to)| (from == end && to >= from).then_some(to))
}

/// What the description says, which is JSON in a text.
fn stated_by(meta: &Value) -> Option<StatedRecipe> {
    let meta: Value = serde_json::from_str(meta.as_str()?).ok()?;
    let text = |key: &str| meta.get(key)?.as_str();
    let classes: Option<Vec<String>> =
        meta.get("classes")?.as_array()?.iter().map(|class| class.as_str().map(str::to_owned)).collect();
    Some(StatedRecipe { name: text("recipe")?.to_owned(), text: model_text(text("text")?), classes: classes? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a model with these tensors.
    fn header(key: &str, tensors: &[(&str, [u64; 2])]) -> Vec<u8> {
        let text = "/// Dogs\nDogs {\n}\n";
        let meta = serde_json::json!({ "blake3": "0", "recipe": "Dogs", "text": text, "classes": ["a", "b"] });
        let mut header = serde_json::json!({ "__metadata__": { key: meta.to_string() } });
        for (name, offsets) in tensors {
            header[*name] = serde_json::json!({ "dtype": "F32", "shape": [1], "data_offsets": offsets });
        }
        header.to_string().into_bytes()
    }

    #[test]
    fn a_header_states_its_recipe() {
        let found = described(&header(MODEL_KEY, &[("z", [0, 4]), ("a", [4, 12])]), 12).unwrap();
        let classes = vec!["a".into(), "b".into()];
        assert_eq!(found, StatedRecipe { name: "Dogs".into(), text: "Dogs {\n}\n".into(), classes });
        assert_eq!(described(b"{\"__metadata__\": {}}", 0).unwrap_err(), NO_MODEL);
        assert_eq!(described(b"{}", 0).unwrap_err(), NO_MODEL);
        assert_eq!(described(b"\xff", 0).unwrap_err(), NO_MODEL);
        let error = described(&header("fastai model 2", &[]), 0).unwrap_err();
        assert!(error.contains("another version of fastai"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_said_to_be() {
        let whole = header(MODEL_KEY, &[("a", [0, 4]), ("b", [4, 8])]);
        let undescribed = serde_json::json!({ "__metadata__": { MODEL_KEY: "{}" } }).to_string().into_bytes();
        let unplaced = serde_json::json!({ "__metadata__": { MODEL_KEY: "{}" }, "a": {} }).to_string().into_bytes();
        for (header, tensors, part) in [
            (&whole[..whole.len() / 2], 8, "its header: EOF"),
            (&whole[..], 7, "7 bytes of numbers, where its header describes 8"),
            (&whole[..], 9, "9 bytes of numbers"),
            (&header(MODEL_KEY, &[("a", [0, 4]), ("b", [5, 8])])[..], 8, "one after the other"),
            (&header(MODEL_KEY, &[("a", [4, 0])])[..], 0, "one after the other"),
            (&undescribed[..], 0, "its description cannot be read"),
            (&unplaced[..], 0, "one after the other"),
        ] {
            let error = described(header, tensors).unwrap_err();
            assert!(error.starts_with("the file is damaged: ") && error.contains(part), "{part}: {error}");
        }
        let folder = std::env::temp_dir().join(format!("fastai-macros-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("cut.safetensors");
        std::fs::write(&path, [&(whole.len() as u64).to_le_bytes()[..], &whole[..100]].concat()).unwrap();
        let error = stated(&path).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(error, "the file is damaged: 108 bytes, which is less than its header takes");
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
