//! Something that is no source.

use fastai_dsl::pipeline::Start;
use fastai_dsl::words;

fn main() {
    let _ = Start::new("Cats", words::single_label).data("data/dogscats");
}
