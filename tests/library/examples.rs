//! Each example as Rust and as a file is one recipe. (That every recipe file is fine is tested in fastai-macros.)

use fastai::prelude::*;
use fastai_dsl::source::RecipeText;

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
                let read = RecipeText::new($file, include_str!($file), &[]).result.unwrap().recipe;
                assert_eq!($name::$recipe::recipe(), read, $file);
                assert_eq!($name::$recipe::NAME, stringify!($recipe));
            )*
        }
    };
}

pairs! {
    dogs_vs_cats DogsVsCats "../../examples/dogs_vs_cats.recipe" "../../examples/dogs_vs_cats.rs";
    dogbreed DogBreed "../../examples/dogbreed.recipe" "../../examples/dogbreed.rs";
    planet Planet "../../examples/planet.recipe" "../../examples/planet.rs";
}
