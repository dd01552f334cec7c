//! Models and snapshots with digests that match and contents that make no sense: read or refused, without a panic and without
//! much memory. `FASTAI_TEST_MUTATIONS=5000` tries that many of each.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use fastai_runtime::engine::{resume, run};
use fastai_runtime::predict::Predictor;
use fastai_runtime::progress::{Silent, StopSignal, Watch};

use crate::chips::{Chips, StopAt, bar};

/// Numbers below a bound, from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

fn mutations(few: u64) -> u64 {
    std::env::var("FASTAI_TEST_MUTATIONS").ok().map_or(few, |count| count.parse().expect("a number of mutations"))
}

/// Another text in the place of a number or a word of some JSON, which may be escaped within a string.
fn json(text: &[u8], draw: &mut Draw) -> Vec<u8> {
    let starts: Vec<usize> = (1..text.len())
        .filter(|i| {
            text[*i].is_ascii_alphanumeric()
                && !matches!(text[i - 1], b'.' | b'-')
                && !text[i - 1].is_ascii_alphanumeric()
        })
        .collect();
    let from = starts[draw.below(starts.len())];
    let end = (from..text.len()).find(|i| !text[*i].is_ascii_alphanumeric() && text[*i] != b'.').unwrap_or(text.len());
    let other: &[&[u8]] = &[
        b"0",
        b"1",
        b"-1",
        b"2",
        b"65535",
        b"65536",
        b"4294967295",
        b"4294967296",
        b"18446744073709551615",
        b"1e308",
        b"1e-320",
        b"0.5",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"",
        b"a",
        b"pretrained",
        b"../x",
        b"resnet18",
        b"\xff",
    ];
    [&text[..from], other[draw.below(other.len())], &text[end..]].concat()
}

/// The header of a safetensors file, with another length and the same tensors, and its digest.
fn with_header(model: &[u8], draw: &mut Draw) -> Vec<u8> {
    let length = u64::from_le_bytes(*model.first_chunk().unwrap()) as usize;
    let mut header = model[8..8 + length].to_vec();
    for _ in 0..=draw.below(2) {
        header = json(&header, draw);
    }
    let mut out = [&(header.len() as u64).to_le_bytes()[..], &header, &model[8 + length..]].concat();
    let key = br#"\"blake3\":\""#;
    if let Some(at) = out.windows(key.len()).position(|w| w == key).map(|at| at + key.len())
        && at + 64 <= out.len()
    {
        out[at..at + 64].fill(b'0');
        let digest = blake3::hash(&out).to_hex();
        out[at..at + 64].copy_from_slice(digest.as_bytes());
    }
    out
}

#[test]
fn a_forged_model_is_read_or_refused() {
    let chips = Chips::new(20);
    let recipe = chips.tags("fit(0.05, 1); tta(n_aug = 1);", "", "");
    let outcome = run(&recipe, &chips.options("run"), &mut Silent).unwrap();
    let model = fs::read(outcome.folder.join("models/final.safetensors")).unwrap();
    let forged = chips.path().join("forged.safetensors");
    let images = vec![fs::read_dir(chips.path().join("images")).unwrap().next().unwrap().unwrap().path()];
    let (mut read, mut refused) = (0, 0);
    for seed in 1..=mutations(150) {
        let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        fs::write(&forged, with_header(&model, &mut draw)).unwrap();
        let predictor = match Predictor::load(&forged, None, &Device::flex()) {
            Ok(predictor) => predictor,
            Err(error) => {
                assert!(error.to_string().contains("forged.safetensors"), "{seed}: {error}");
                refused += 1;
                continue;
            }
        };
        read += 1;
        // Sizes may be large, not endless; such a model predicts or says why not.
        if predictor.meta().size <= 512 {
            let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
            let _ = predictor.predict_files(&images, None, watch);
        }
    }
    assert!(refused > 20 && read > 5, "{read} read, {refused} refused");
}

/// A sealed file with some bytes changed and the digest of what it then is.
fn resealed(sealed: &[u8], draw: &mut Draw) -> Vec<u8> {
    let line = sealed.iter().position(|byte| *byte == b'\n').unwrap();
    let (kind, mut content) = (sealed[..line - 65].to_vec(), sealed[line + 1..].to_vec());
    for _ in 0..=draw.below(3) {
        let at = draw.below(content.len());
        match draw.below(4) {
            0 => content[at] = draw.below(256) as u8,
            1 => content[at] = content[at].wrapping_add(1),
            2 => content[at] = 0x1b, // of what follows, eight bytes are a number
            _ => drop(content.remove(at)),
        }
    }
    let digest = blake3::hash(&[&kind[..], b"\0", &content].concat()).to_hex();
    [&kind[..], b" ", digest.as_bytes(), b"\n", &content].concat()
}

#[test]
fn a_forged_snapshot_is_resumed_or_refused() {
    let chips = Chips::new(16);
    let recipe = chips.tags("precompute(on); fit(0.05, 1); precompute(off); fit(0.01, 2);", "", "keep_best: f2,");
    let options = chips.options("run");
    assert!(run(&recipe, &options, &mut StopAt::new(&options, bar(9))).is_err());
    let folder = options.out.clone().unwrap();
    let states = |folder: &Path| {
        let mut all: Vec<_> = fs::read_dir(folder.join("resume"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension() == Some("cbor".as_ref()))
            .collect();
        all.sort();
        all
    };
    assert!(!states(&folder).is_empty());
    let (mut ended, mut refused) = (0, 0);
    for seed in 1..=mutations(40) {
        let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let copy = chips.path().join("copy");
        for part in ["", "resume", "models"] {
            fs::create_dir_all(copy.join(part)).unwrap();
            for entry in fs::read_dir(folder.join(part)).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    fs::copy(&path, copy.join(part).join(path.file_name().unwrap())).unwrap();
                }
            }
        }
        for state in states(&copy) {
            let forged = resealed(&fs::read(&state).unwrap(), &mut draw);
            fs::write(&state, forged).unwrap();
        }
        // A forged history is beyond what a digest can tell; what counts is that nothing breaks.
        match resume(&recipe, &copy, &chips.options("x"), &mut Silent) {
            Ok(_) => ended += 1,
            Err(_) => refused += 1,
        }
        fs::remove_dir_all(&copy).unwrap();
    }
    assert!(refused > 5, "{ended} ended, {refused} refused");
}
