//! Each example as Rust and as a file is one recipe, and every recipe file of this repository is fine.

use std::path::Path;

use fastai::dsl::source::Source;
use fastai::prelude::*;

macro_rules! pairs {
    ($($name:ident $recipe:ident $file:literal $rust:literal;)*) => {
        $(
            #[allow(dead_code)]
            #[path = $rust]
            mod $name;
        )*

        #[test]
        fn macro_and_file_give_equal_recipes() {
            $(
                let read = Source::new($file, include_str!($file), &[]).result.unwrap().recipe;
                assert_eq!($name::$recipe::recipe(), read, $file);
                assert_eq!($name::$recipe::NAME, stringify!($recipe));
            )*
        }
    };
}

pairs! {
    dogs_vs_cats DogsVsCats "../examples/dogs_vs_cats.recipe" "../examples/dogs_vs_cats.rs";
    dogbreed DogBreed "../examples/dogbreed.recipe" "../examples/dogbreed.rs";
    planet Planet "../examples/planet.recipe" "../examples/planet.rs";
}

#[test]
fn every_recipe_file_is_fine_and_warns_of_nothing() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for folder in [examples.clone(), examples.join("full")] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "recipe") {
                let name = path.display().to_string();
                let source = Source::new(&name, &std::fs::read_to_string(&path).unwrap(), &[]);
                assert_eq!(source.render(false), "", "{name}");
                assert!(source.result.is_ok(), "{name}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 7, "found {seen} recipes only");
}
