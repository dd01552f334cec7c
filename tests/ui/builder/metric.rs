//! F2 on data with one label an image.

use fastai_dsl::pipeline::Start;
use fastai_dsl::words;

fn main() {
    let _ = Start::new("Cats", words::single_label).metric(words::f2);
}
