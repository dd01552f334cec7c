//! A metric of another task decides.

use fastai_dsl::pipeline::Start;
use fastai_dsl::words;

fn main() {
    let _ = Start::new("Planet", words::multi_label).keep_best(words::accuracy);
}
