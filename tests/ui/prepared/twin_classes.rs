//! Two classes would have one name in Rust. The recipe itself is sound, so it stands in parentheses: those in braces are cases of
//! `fastai check`, too.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe!(Twins {
    task: single_label,
    data: folders { root: "data/dogs" },
    transforms: side_on { size: 224 },
    model: squeezenet1_1,
    metrics: [accuracy],
    train: {
        fit(1e-2, 3);
    },
});

fn main() {
    let _ = <Twins as fastai_dsl::Experiment>::NAME;
}
