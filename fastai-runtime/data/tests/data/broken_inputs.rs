//! Broken files and tables, each with what comes of it: never a panic, never a silent guess.
//!
//! `cargo test -p fastai-data --test data broken_inputs -- --nocapture` prints the tables.

use std::path::{Path, PathBuf};

use fastai_data::Dataset;
use fastai_data::progress::{Silent, StopSignal};
use fastai_dsl::{Column, Duplicates, Source, TaskKind, Valid};
use tempfile::TempDir;

use crate::{csv, data, picture, preflight, table};

/// What comes of an input.
enum Outcome {
    /// It is sound after all.
    Sound,
    /// It is refused with a message that says this.
    Refused(&'static str),
}
use Outcome::{Refused, Sound};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/images").join(name)).unwrap()
}

/// Where `pattern` begins in `bytes`.
fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes.windows(pattern.len()).position(|window| window == pattern).unwrap()
}

fn cut(name: &str, part: f64) -> Vec<u8> {
    let bytes = fixture(name);
    let kept = (bytes.len() as f64 * part) as usize;
    bytes[..kept].to_vec()
}

fn patched(name: &str, at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = fixture(name);
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// A JPEG without its segments of one kind.
fn without_segments(name: &str, marker: u8) -> Vec<u8> {
    let bytes = fixture(name);
    let (mut kept, mut at) = (bytes[..2].to_vec(), 2);
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] == 0xda {
            kept.extend_from_slice(&bytes[at..]);
            return kept;
        }
        if bytes[at + 1] != marker {
            kept.extend_from_slice(&bytes[at..at + 2 + length]);
        }
        at += 2 + length;
    }
}

/// Where the entropy-coded data of a JPEG begins and ends.
fn scan(bytes: &[u8]) -> std::ops::Range<usize> {
    let start = find(bytes, &[0xff, 0xda]);
    let header = usize::from(u16::from_be_bytes([bytes[start + 2], bytes[start + 3]]));
    start + 2 + header..bytes.len() - 2
}

fn with_hole(name: &str, fill: Option<u8>) -> Vec<u8> {
    let mut bytes = fixture(name);
    let scan = scan(&bytes);
    let (from, to) = (scan.start + scan.len() / 3, scan.start + 2 * scan.len() / 3);
    match fill {
        Some(fill) => bytes[from..to].fill(fill),
        None => drop(bytes.drain(from..to)),
    }
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

/// A PNG of these chunks, with right check sums.
fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks {
        bytes.extend((data.len() as u32).to_be_bytes());
        let start = bytes.len();
        bytes.extend_from_slice(&kind[..]);
        bytes.extend_from_slice(data);
        let sum = crc(&bytes[start..]);
        bytes.extend(sum.to_be_bytes());
    }
    bytes
}

fn ihdr(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat()
}

/// A stream of stored zlib blocks without its check sum.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    [&[0x78, 0x01, 0x01][..], &length.to_le_bytes(), &(!length).to_le_bytes(), data].concat()
}

/// A TIFF of one directory with these entries (tag, type, count, value).
fn tiff(entries: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend([7; 64]);
    bytes
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(next).collect()
}

/// An EXIF segment before the rest of a JPEG.
fn with_exif(name: &str, exif: &[u8]) -> Vec<u8> {
    let bytes = fixture(name);
    let segment = [b"Exif\0\0", exif].concat();
    [&bytes[..2], &[0xff, 0xe1], &((segment.len() + 2) as u16).to_be_bytes(), &segment, &bytes[2..]].concat()
}

#[rustfmt::skip] // a table
fn images() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let jpeg = fixture("s420.jpg");
    let png_file = fixture("rgb.png");
    let sof = find(&jpeg, &[0xff, 0xc0]);
    let not = "not an image";
    vec![
        ("an empty file", vec![], Refused("the file is empty (0 bytes)")),
        ("a single byte", vec![0xff], Refused(not)),
        ("a page of HTML under an image's name", b"<!DOCTYPE html><html>404</html>".to_vec(), Refused(not)),
        ("a text", b"id,label\n1,cat\n".to_vec(), Refused(not)),
        ("10 KB of zeros", vec![0; 10_000], Refused(not)),
        ("10 KB of noise", noise(10_000), Refused(not)),
        ("a vector image (SVG)", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), Refused(not)),
        ("a PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj".to_vec(), Refused(not)),
        ("a ZIP archive", b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(), Refused(not)),
        ("an image in gzip", [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &jpeg[..]].concat(), Refused(not)),
        ("a photo in HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(), Refused(not)),
        ("a pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".to_vec(), Refused(not)),
        ("JPEG: the start marker alone", vec![0xff, 0xd8, 0xff], Refused("truncated")),
        ("JPEG: cut within the headers", cut("s420.jpg", 0.2), Refused("truncated")),
        ("JPEG: cut within the scan", cut("s420.jpg", 0.8), Refused("truncated")),
        ("JPEG: the end marker is missing", jpeg[..jpeg.len() - 2].to_vec(), Refused("truncated")),
        ("JPEG: end marker right after the headers", [&jpeg[..scan(&jpeg).start], &[0xff, 0xd9]].concat(), Refused("damaged")),
        ("JPEG: a third of the scan is missing, the end is there", with_hole("s420.jpg", None), Refused("damaged")),
        ("JPEG: a third of the scan is missing, 4:4:4", with_hole("s444.jpg", None), Refused("damaged")),
        ("JPEG: a third of the scan is missing, grey", with_hole("grey.jpg", None), Refused("damaged")),
        ("JPEG: a hole of zeros in the scan", with_hole("s420.jpg", Some(0)), Refused("damaged")),
        ("JPEG: a hole of ones in the scan", with_hole("s420.jpg", Some(0xff)), Refused("truncated")),
        ("JPEG: a part with restarts is missing", with_hole("restart.jpg", None), Refused("damaged")),
        ("JPEG progressive: cut within a scan", cut("progressive.jpg", 0.7), Refused("truncated")),
        ("JPEG progressive: a hole of zeros", with_hole("progressive.jpg", Some(0)), Refused("damaged")),
        ("JPEG CMYK: a third of the scan is missing, the end is there", with_hole("cmyk.jpg", None), Refused("damaged")),
        ("JPEG CMYK: a hole of zeros in the scan", with_hole("cmyk.jpg", Some(0)), Refused("damaged")),
        ("JPEG CMYK: end marker right after the headers", { let cmyk = fixture("cmyk.jpg"); [&cmyk[..scan(&cmyk).start], &[0xff, 0xd9]].concat() }, Refused("damaged")),
        ("JPEG CMYK progressive: a hole of zeros", with_hole("cmyk_progressive.jpg", Some(0)), Refused("damaged")),
        ("JPEG: no Huffman tables", without_segments("s420.jpg", 0xc4), Refused("a Huffman table is missing")),
        ("JPEG: no quantisation tables", without_segments("s420.jpg", 0xdb), Refused("a quantisation table is missing")),
        ("JPEG: no frame header", without_segments("s420.jpg", 0xc0), Refused("not a sound Jpeg")),
        ("JPEG: 65,500 x 65,500 pixels by its header", patched("s420.jpg", sof + 5, &[0xff, 0xdc, 0xff, 0xdc]), Refused("too large")),
        ("JPEG: 16,000 x 16,000 pixels by its header", patched("s420.jpg", sof + 5, &[0x3e, 0x80, 0x3e, 0x80]), Refused("512 MiB")),
        ("JPEG: no pixels by its header", patched("s420.jpg", sof + 5, &[0, 0, 0, 0]), Refused("not a sound Jpeg")),
        ("JPEG: 9 components by its header", patched("s420.jpg", sof + 9, &[9]), Refused("not a sound Jpeg")),
        ("JPEG: 12 bits a sample by its header", patched("s420.jpg", sof + 4, &[12]), Refused("not a sound Jpeg")),
        ("JPEG: rubbish after the end", [&jpeg[..], &noise(500)].concat(), Sound),
        ("JPEG: an orientation that does not exist", with_exif("s420.jpg", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0"), Sound),
        ("JPEG: EXIF that breaks off", with_exif("s420.jpg", b"II*\0\x08\0\0\0\xff\xff\x12\x01"), Sound),
        ("JPEG: EXIF of noise", with_exif("s420.jpg", &noise(300)), Sound),
        ("JPEG named .png", jpeg.clone(), Sound),
        ("PNG: the signature alone", png_file[..8].to_vec(), Refused("not a sound Png")),
        ("PNG: cut within the data", cut("rgb.png", 0.6), Refused("not a sound Png")),
        ("PNG: wrong check sum of the header", patched("rgb.png", 29, &[1, 2, 3, 4]), Refused("not a sound Png")),
        ("PNG: wrong check sum of the data", { let at = find(&png_file, b"IEND") - 8; patched("rgb.png", at, &[1, 2, 3, 4]) }, Refused("not a sound Png")),
        ("PNG: data that is no zlib stream", png(&[(b"IHDR", ihdr(8, 8, 8, 2)), (b"IDAT", noise(90)), (b"IEND", vec![])]), Refused("not a sound Png")),
        ("PNG: too little data", png(&[(b"IHDR", ihdr(8, 8, 8, 2)), (b"IDAT", stored(&[0; 60])), (b"IEND", vec![])]), Refused("not a sound Png")),
        ("PNG: no data at all", png(&[(b"IHDR", ihdr(8, 8, 8, 2)), (b"IEND", vec![])]), Refused("not a sound Png")),
        ("PNG: no pixels by its header", png(&[(b"IHDR", ihdr(0, 8, 8, 2)), (b"IDAT", stored(&[0; 8])), (b"IEND", vec![])]), Refused("not a sound Png")),
        ("PNG: 3 bits a sample", png(&[(b"IHDR", ihdr(8, 8, 3, 2)), (b"IDAT", stored(&[0; 200])), (b"IEND", vec![])]), Refused("not a sound Png")),
        ("PNG: a palette image without its palette", png(&[(b"IHDR", ihdr(2, 2, 8, 3)), (b"IDAT", stored(&[0; 6])), (b"IEND", vec![])]), Refused("not a sound Png")),
        ("PNG: 50,000 x 50,000 pixels by its header", png(&[(b"IHDR", ihdr(50_000, 50_000, 8, 2)), (b"IDAT", stored(&[0; 60])), (b"IEND", vec![])]), Refused("too large")),
        ("PNG: 16,000 x 16,000 pixels of one bit (a bomb)", png(&[(b"IHDR", ihdr(16_000, 16_000, 1, 0)), (b"IDAT", stored(&[0; 60])), (b"IEND", vec![])]), Refused("512 MiB")),
        ("PNG: a text chunk of 4 GB by its length", [&png_file[..33], &[0xff, 0xff, 0xff, 0xff], b"tEXt", &png_file[33..]].concat(), Refused("not a sound Png")),
        ("GIF: the header alone", fixture("plain.gif")[..13].to_vec(), Refused("not a sound Gif")),
        ("GIF: cut within the picture", cut("plain.gif", 0.9), Refused("not a sound Gif")),
        ("GIF: 60,000 x 60,000 pixels by its header", patched("plain.gif", 6, &[0x60, 0xea, 0x60, 0xea]), Refused("too large")),
        ("BMP: cut within the pixels", cut("plain.bmp", 0.7), Refused("not a sound Bmp")),
        ("BMP: 60,000 x 60,000 pixels by its header", patched("plain.bmp", 18, &[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]), Refused("too large")),
        ("BMP: a negative width", patched("plain.bmp", 18, &(-48i32).to_le_bytes()), Refused("not a sound Bmp")),
        ("BMP: pixels beyond the end of the file", patched("plain.bmp", 10, &[0xff, 0xff, 0xff, 0x7f]), Refused("not a sound Bmp")),
        ("WebP: cut within the picture", cut("lossy.webp", 0.6), Refused("the WebP is truncated")),
        ("WebP lossless: cut within the picture", cut("lossless.webp", 0.6), Refused("the WebP is truncated")),
        ("WebP: EXIF of 4 GB by its length", patched("exif6.webp", find(&fixture("exif6.webp"), b"EXIF") + 4, &[0xff; 4]), Refused("the WebP is truncated")),
        ("WebP: noise in the picture", [&fixture("lossless.webp")[..25], &noise(201)].concat(), Refused("not a sound WebP")),
        ("TIFF: cut within the pixels", cut("plain.tif", 0.5), Refused("not a sound Tiff")),
        ("TIFF with a palette: cut within the pixels", cut("palette.tif", 0.5), Refused("not a sound Tiff")),
        ("TIFF with a palette: no colours", tiff(&[(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 3), (273, 4, 1, 8), (278, 4, 1, 8), (279, 4, 1, 64)]), Refused("256 are expected")),
        ("TIFF: a directory beyond the end of the file", patched("plain.tif", 4, &[0xff, 0xff, 0xff, 0x7f]), Refused("not a sound Tiff")),
        ("TIFF: a directory without entries", tiff(&[]), Refused("not a sound Tiff")),
        ("TIFF: 4,000,000,000 strips by its directory", tiff(&[(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 4_000_000_000, 8), (279, 4, 4_000_000_000, 8)]), Refused("too large")),
        ("TIFF: strips that overlap the directory", tiff(&[(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 4), (278, 4, 1, 8), (279, 4, 1, 64)]), Sound),
        ("TIFF: 60,000 x 60,000 pixels by its directory", tiff(&[(256, 4, 1, 60_000), (257, 4, 1, 60_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)]), Refused("too large")),
    ]
}

fn look(dataset: &mut Dataset) -> Result<(), String> {
    let checked = preflight(Duplicates::Keep, 8, &StopSignal::default()).check(dataset, &mut Silent);
    checked.map(drop).map_err(|error| error.to_string())
}

/// What preflight says of one file beside a sound one.
fn verdict(path: &Path) -> Result<(), String> {
    let sound = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/images/alpha.png");
    let mut dataset = Dataset::from_files([(path.to_path_buf(), "x"), (sound, "y")], &Valid::None)
        .map_err(|error| error.to_string())?;
    look(&mut dataset)
}

/// Adds a row to the table and says whether it is as expected.
fn judge(table: &mut String, what: &str, found: Result<(), String>, expected: &Outcome, hide: &Path) -> Option<String> {
    let text = found.as_ref().map_or_else(
        |text| text.lines().next().unwrap_or_default().replace(&format!("{}/", hide.display()), ""),
        |()| "sound".to_string(),
    );
    *table += &format!("| {what} | {} |\n", text.replace('|', "\\|"));
    let right = match (&found, expected) {
        (Ok(()), Sound) => true,
        (Err(text), Refused(part)) => text.contains(part),
        _ => false,
    };
    let wanted = match expected {
        Sound => "sound",
        Refused(part) => part,
    };
    (!right).then(|| format!("{what}: expected {wanted:?}, found {text:?}"))
}

#[test]
fn broken_images_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let mut table = "\n| image | what comes of it |\n|---|---|\n".to_string();
    let mut failures = Vec::new();
    let cases = images();
    assert!(cases.len() >= 40);
    for (number, (what, bytes, expected)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.png"));
        std::fs::write(&path, bytes).unwrap();
        failures.extend(judge(&mut table, what, verdict(&path), &expected, folder.path()));
    }
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[cfg(unix)]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder.jpg")).unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("dangling.jpg")).unwrap();
    std::os::unix::fs::symlink(path("loop.jpg"), path("loop.jpg")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(path("pipe.jpg")).status().unwrap();
    assert!(pipe.success());
    let cases = [
        ("a folder", "folder.jpg", Refused("there is no file")),
        ("a link to nothing", "dangling.jpg", Refused("there is no file")),
        ("a link to itself", "loop.jpg", Refused("there is no file")),
        ("a pipe that nobody writes to", "pipe.jpg", Refused("there is no file")),
        ("a file that is not there", "none.jpg", Refused("there is no file")),
    ];
    let mut table = "\n| file | what comes of it |\n|---|---|\n".to_string();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(what, name, expected)| judge(&mut table, what, verdict(&path(name)), expected, folder.path()))
        .collect();
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // The same inside of class folders, where a listing finds them.
    std::fs::create_dir_all(path("train/x")).unwrap();
    std::fs::create_dir_all(path("train/y")).unwrap();
    std::fs::rename(path("pipe.jpg"), path("train/x/pipe.jpg")).unwrap();
    std::fs::write(path("train/x/a.png"), fixture("rgb.png")).unwrap();
    std::fs::write(path("train/y/b.png"), fixture("alpha.png")).unwrap();
    let data = data(folder.path(), Source::Folders { train: "train".to_string() }, Valid::None);
    let mut dataset = Dataset::open(&data, TaskKind::SingleLabel).unwrap();
    let error = look(&mut dataset).unwrap_err();
    assert!(error.contains("pipe.jpg: is no regular file"), "{error}");
}

#[rustfmt::skip] // a table
fn tables() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    let utf16: Vec<u8> = "\u{feff}id,label\na,x\nb,y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("an empty file", vec![], Refused("no rows")),
        ("a header alone", text("id,label\n"), Refused("no rows")),
        ("no such column", text("name,class\na,x\nb,y\n"), Refused("no column \"id\"")),
        ("a row with fewer cells", text("id,label\na,x\nb\n"), Refused("labels.csv:3: 1 cell, expected at least 2")),
        ("a row with more cells", text("id,label\na,x\nb,y,z\n"), Refused("labels.csv:3: 3 cells, the header has 2")),
        ("an empty name", text("id,label\na,x\n,y\n"), Refused("labels.csv:3: the image name is empty")),
        ("an empty label", text("id,label\na,x\nb,\n"), Refused("labels.csv:3: the label is empty")),
        ("white space around a label", text("id,label\na,x\nb, x\n"), Refused("white space around the label")),
        ("a name that leads out of the folder", text("id,label\na,x\n../../etc/passwd,y\n"), Refused("leads out of the folder")),
        ("an absolute name", text("id,label\na,x\n/etc/passwd,y\n"), Refused("leads out of the folder")),
        ("a name with a NUL", text("id,label\na,x\nb\0,y\n"), Refused("contains zero bytes")),
        ("a row without its image", text("id,label\na,x\nb,y\nz,y\n"), Refused("labels.csv:4: no image")),
        ("two rows for one image", text("id,label\na,x\nb,y\na,y\n"), Sound),
        ("one label for all", text("id,label\na,x\nb,x\n"), Refused("at least two classes")),
        ("a quote that never ends", text("id,label\na,\"x\nb,y\n"), Refused("labels.csv:2: a quote is opened here and never closed")),
        ("a quote that the next one closes", text("id,label\na,\"x\nb,\"y\"\n"), Refused("labels.csv:2: the label \"x\\nb,y\\\"\" goes on over the end of the line")),
        ("a quote within a cell", text("id,label\na,5\" pipe\nb,y\n"), Sound),
        ("bytes that are not UTF-8", b"id,label\na,x\nb,\xff\xfe\n".to_vec(), Refused("labels.csv:3: this line is not UTF-8")),
        ("UTF-16", utf16, Refused("`encoding: utf16`")),
        ("a byte order mark", text("\u{feff}id,label\na,x\nb,y\n"), Sound),
        ("line ends of Windows", text("id,label\r\na,x\r\nb,y\r\n"), Sound),
        ("line ends of an old Mac", text("id,label\ra,x\rb,y\r"), Sound),
        ("empty lines between rows", text("id,label\n\na,x\n\n\nb,y\n\n"), Sound),
        ("semicolons instead of commas", text("id;label\na;x\nb;y\n"), Refused("say `delimiter: \";\"`")),
        ("an image", fixture("rgb.png"), Refused("labels.csv")),
        ("a cell of 5 MB", [b"id,label\na,x\nb,", &[b'y'; 5_000_000][..], b"\n"].concat(), Sound),
    ]
}

#[test]
fn broken_tables_are_refused_with_the_line() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("img")).unwrap();
    std::fs::write(folder.path().join("img/a.jpg"), fixture("s420.jpg")).unwrap();
    std::fs::write(folder.path().join("img/b.jpg"), fixture("s444.jpg")).unwrap();
    let columns = ["id", "label"].map(|name| Column::Name(name.to_string()));
    let data = data(folder.path(), csv("labels.csv", "img", columns), Valid::None);
    let labels: PathBuf = folder.path().join("labels.csv");
    let mut table = "\n| csv file | what comes of it |\n|---|---|\n".to_string();
    let mut failures = Vec::new();
    for (what, bytes, expected) in tables() {
        std::fs::write(&labels, bytes).unwrap();
        let found = Dataset::open(&data, TaskKind::SingleLabel).map(drop).map_err(|error| error.to_string());
        failures.extend(judge(&mut table, what, found, &expected, folder.path()));
    }
    std::fs::remove_file(&labels).unwrap();
    std::fs::create_dir(&labels).unwrap();
    let found = Dataset::open(&data, TaskKind::SingleLabel).map(drop).map_err(|error| error.to_string());
    failures.extend(judge(&mut table, "a folder", found, &Refused("labels.csv"), folder.path()));
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus for {target}");
    files
}

#[test]
fn what_the_fuzzers_found_is_survived() {
    for (_, bytes) in corpus("decode") {
        picture::look(&bytes);
    }
    // The fuzzer's other seeds.
    for name in ["s420.jpg", "cmyk.jpg", "progressive.jpg", "palette.tif", "turned6.tif", "exif6.webp", "palette16.png"]
    {
        picture::look(&fixture(name));
    }
    let folder = TempDir::new().unwrap();
    table::prepare(folder.path());
    let (mut opened, mut refused) = (0, 0);
    for (_, bytes) in corpus("csv") {
        match table::open(folder.path(), &bytes) {
            true => opened += 1,
            false => refused += 1,
        }
        // And by the other tasks and policies, with every split, by names and by places.
        let text = bytes.get(3..).unwrap_or_default();
        for (how, split) in
            [0x0c, 0x0e, 0x1c, 0x2d, 0x3c, 0x38].into_iter().flat_map(|how| (0..8).map(move |s| (how, s)))
        {
            table::open(folder.path(), &[&[how, split, 64], text].concat());
            table::open(folder.path(), &[&[how, split, 4], text].concat());
        }
    }
    assert!(opened > 4 && refused > 2, "{opened} opened, {refused} refused");
}
