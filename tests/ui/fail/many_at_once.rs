//! Mistakes in every section, all shown by one compile.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats {
        task: single,
        data: folder { root: "d" },
        transforms: side_on { size: "224" },
        model: resnet43,
        metrics: accuracy,
        train: {
            fit(1e-2, 1, cycle_len = 0);
            save("a/b");
        },
    }
}

fn main() {}
