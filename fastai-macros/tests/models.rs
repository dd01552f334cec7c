//! The models that the cases of `tests/ui` include: headers of the recipes of these cases, with
//! what the macro reads of those that a run writes.
//!
//! `UPDATE=1 cargo test -p fastai-macros --test models` writes them anew.

use fastai_dsl::MODEL_KEY;
use fastai_dsl::source::RecipeText;
use serde_json::json;

const UI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/ui");

/// The canonical text of the recipe in a file, or in the macro call of a Rust file.
fn canonical(file: &str) -> String {
    let text = std::fs::read_to_string(format!("{UI}/{file}")).unwrap();
    let between = |begin: &str, end: &str| Some(text.split_once(begin)?.1.split_once(end)?.0.to_string());
    let in_braces = between("recipe! {\n", "\n}\n");
    let in_parentheses = || between("recipe!(", "\n});\n").map(|inside| inside + "\n}");
    let recipe = in_braces.or_else(in_parentheses).unwrap_or_else(|| text.clone());
    let source = RecipeText::new(file, &recipe, &[]);
    source.result.unwrap_or_else(|found| panic!("{file}: {found:?}")).recipe.to_string()
}

/// A file with a header, and so many bytes of numbers. Keys are in the order of the alphabet, however maps are built.
fn model(recipe: &str, text: &str, classes: &[&str], tensors: &[(&str, [u64; 2])], bytes: usize) -> Vec<u8> {
    let meta = json!({ "blake3": "0".repeat(64), "classes": classes, "recipe": recipe, "text": text });
    let mut header = json!({ "__metadata__": { MODEL_KEY: meta.to_string() } });
    for (name, [from, to]) in tensors {
        header[*name] = json!({ "data_offsets": [from, to], "dtype": "F32", "shape": [(to - from) / 4] });
    }
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header[..], &vec![0u8; bytes][..]].concat()
}

#[test]
fn the_models_of_the_cases_are_of_their_recipes() {
    let cats = canonical("pass/cats.recipe");
    let smaller = format!("/// Cats or dogs?\n{}", cats.replace("size: 224", "size: 128"));
    let pets = ["cat", "dog"];
    let breeds = ["boston bull", "n02-chihuahua", "pug"];
    let tensors = [("body.weight", [0, 64]), ("head.weight", [64, 96])];
    let models = [
        ("pass/breeds", model("Breeds", &canonical("pass/classes.rs"), &breeds, &[], 0)),
        ("files/cats_at_128", model("Cats", &smaller, &pets, &[], 0)),
        ("files/cut_off", model("Cats", &cats, &pets, &tensors, 80)),
        (
            "files/pets",
            model("Pets", &canonical("files/model_of_other_classes.rs"), &["cat", "dog", "hamster"], &[], 0),
        ),
    ];
    assert_ne!(cats, smaller);
    for (name, wanted) in models {
        let path = format!("{UI}/{name}.safetensors");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == wanted, "{path} is stale: UPDATE=1 writes it anew");
    }
}
