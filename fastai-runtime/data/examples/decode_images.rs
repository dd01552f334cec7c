//! Decodes the files that a text file lists, one a line, and writes the pixels of `a.jpg` to `a.ppm` beside it: the other
//! side of `tools/jpeg_grid.py`. Prints the file, and `ok` or the reason, parted by a tab.

use std::io::{BufWriter, Write};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let list = std::env::args().nth(1).expect("the name of a text file");
    for name in std::fs::read_to_string(list)?.lines() {
        let path = Path::new(name);
        let answer = match fastai_data::decode(path) {
            Err(reason) => reason.to_string(),
            Ok(image) => {
                let mut out = BufWriter::new(std::fs::File::create(path.with_extension("ppm"))?);
                writeln!(out, "P6 {} {} 255", image.width(), image.height())?;
                out.write_all(image.as_raw())?;
                out.flush()?;
                "ok".to_string()
            }
        };
        println!("{name}\t{answer}");
    }
    Ok(())
}
