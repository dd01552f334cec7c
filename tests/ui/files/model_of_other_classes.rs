//! A model of other classes than those of the summary of the data cannot be included. The recipe itself is sound, so it stands
//! in parentheses: those in braces are cases of `fastai check`, too.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe!(Pets {
    task: single_label,
    data: folders { root: "data/pets" },
    transforms: side_on { size: 224 },
    model: squeezenet1_1,
    metrics: [accuracy],
    train: {
        fit(1e-2, 3);
    },
});

fn main() {
    let _ = ::fastai_macros::include_model_at! { [::fastai_dsl] Pets, "pets.safetensors" };
}
