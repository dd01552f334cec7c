//! The macro, the file and the builder give equal recipes.

use fastai_dsl::pipeline::Start;
use fastai_dsl::schema::{fit, folders, lr_find, model, resize, transforms, tta};
use fastai_dsl::{Experiment, words};

#[macro_use]
#[path = "../facade.rs"]
mod facade;

mod from_file {
    include_recipe!("cats.recipe");
}

recipe!(Cats {
    task: single_label,
    data: folders { root: "data/dogscats", batch: 32 },
    transforms: side_on { size: 224, max_zoom: 1.1 },
    model: squeezenet1_1 { dropout: 0.5 },
    metrics: [accuracy, log_loss],
    train: {
        precompute(on);
        let lr = lr_find(suggest = valley, or = 1e-2);
        fit(lr, 2);
        precompute(off);
        fit(lr, 1, cycle_len = 1);
        unfreeze();
        fit([lr / 100, lr / 10, lr], 3, cycle_len = 1, cycle_mult = 2);
        save("224_all");
        resize(299);
        tta(n_aug = 4);
    },
});

fn main() {
    let p = Start::new("Cats", words::single_label)
        .data(folders::new().root("data/dogscats").batch(32))
        .transforms(words::side_on, transforms::new().size(224).max_zoom(1.1))
        .metric(words::accuracy)
        .metric(words::log_loss)
        .model(words::squeezenet1_1, model::new().dropout(0.5));
    let (p, lr) = p.precompute(words::on).lr_find(lr_find::new().suggest(words::valley).or(1e-2));
    let p = p.fit(lr, 2, fit::new()).precompute(words::off).fit(lr, 1, fit::new().cycle_len(1)).unfreeze();
    let p = p.fit([lr / 100.0, lr / 10.0, lr], 3, fit::new().cycle_len(1).cycle_mult(2));
    let by_hand = p.save("224_all").resize(299, resize::new()).tta(tta::new().n_aug(4)).build().unwrap();

    assert_eq!(Cats::recipe(), by_hand);
    assert_eq!(from_file::Cats::recipe(), by_hand);
    let text = by_hand.to_string();
    let again = fastai_dsl::source::RecipeText::new("canonical", &text, &[]).result.unwrap().recipe;
    assert_eq!(again, by_hand);
}
