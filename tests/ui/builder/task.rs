//! A word that is no task.

use fastai_dsl::pipeline::Start;
use fastai_dsl::words;

fn main() {
    let _ = Start::new("Cats", words::on);
}
