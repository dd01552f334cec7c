//! A summary makes the classes a type.

use std::fmt::Write;

use fastai_dsl::{Class, Classified, Experiment};

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Breeds {
        task: single_label,
        data: folders { root: "data/breeds" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

mod without_a_summary {
    recipe! {
        pub Plain {
            task: single_label,
            data: folders { root: "data/breeds" },
            transforms: side_on { size: 224 },
            model: squeezenet1_1,
            metrics: [accuracy],
            train: {
                fit(1e-2, 3);
            },
        }
    }
}

mod with_a_constant {
    const SIZE: u32 = 128;

    recipe! {
        pub Breeds {
            task: single_label,
            data: folders { root: "data/breeds" },
            transforms: side_on { size: SIZE },
            model: squeezenet1_1,
            metrics: [accuracy],
            train: {
                fit(1e-2, 3);
            },
        }
    }

    /// The text of this recipe is only known when it runs, so only its name and classes are compared here.
    pub fn model() -> &'static [u8] {
        ::fastai_macros::include_model_at! { [::fastai_dsl] Breeds, "breeds.safetensors" }
    }
}

/// Matching is exhaustive: another class in the data is an error here.
fn legs(class: BreedsClass) -> u32 {
    match class {
        BreedsClass::BostonBull | BreedsClass::N02Chihuahua => 4,
        BreedsClass::Pug => 5,
    }
}

fn main() {
    const FIRST: &str = BreedsClass::BostonBull.as_str();
    assert_eq!(FIRST, "boston bull");
    assert_eq!(BreedsClass::ALL.map(BreedsClass::as_str), ["boston bull", "n02-chihuahua", "pug"]);
    assert_eq!(<<Breeds as Classified>::Class as Class>::ALL, BreedsClass::ALL);
    assert_eq!(Breeds::CLASSES, Some(&["boston bull", "n02-chihuahua", "pug"][..]));
    assert_eq!(without_a_summary::Plain::CLASSES, None);
    assert_eq!(BreedsClass::ALL.into_iter().map(legs).sum::<u32>(), 13);
    assert_eq!(BreedsClass::Pug.index(), 2);
    let mut text = String::new();
    write!(text, "{:>5}", BreedsClass::Pug).unwrap();
    assert_eq!(text, "  pug");
    assert_eq!("n02-chihuahua".parse(), Ok(BreedsClass::N02Chihuahua));
    // The header of a model of this recipe, without numbers.
    let model = ::fastai_macros::include_model_at! { [::fastai_dsl] Breeds, "breeds.safetensors" };
    assert!(model.len() > 100);
    assert_eq!(Breeds::MODEL_TEXTS, Some(&[Breeds::recipe().to_string().as_str()][..]));
    assert_eq!(with_a_constant::Breeds::MODEL_TEXTS, None);
    assert_eq!(with_a_constant::model(), model);
    let error = "pugg".parse::<BreedsClass>().unwrap_err();
    assert_eq!(error.to_string(), "no class \"pugg\": did you mean `pug`?");
}
