//! The operations of TrivialAugment and RandAugment against torchvision's (`tools/reference_operations.py`), bit for bit,
//! and random erasing against its definition.

use std::collections::BTreeSet;
use std::path::Path;

use fastai_data::random::Stream;
use fastai_data::transforms::{CropWindow, Cut, Draw, Operation, Patch, Transform};
use fastai_dsl::{Augmentation, Erased, Stats, TransformSet, Transforms};
use image::{Rgb, RgbImage};
use serde_json::Value;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/operations.json");
    serde_json::from_slice(&std::fs::read(path).expect("the golden file is part of the sources")).unwrap()
}

fn picture(name: &str, side: u32) -> RgbImage {
    let channel = |x: u32, y: u32, c: u32| match name {
        "noise" => {
            let sum = x.wrapping_mul(73_856_093).wrapping_add(y.wrapping_mul(19_349_663));
            let sum = sum.wrapping_add(c.wrapping_mul(83_492_791)).wrapping_add(12_345);
            (sum.wrapping_mul(2_654_435_761) >> 24) as u8
        }
        _ => (x * 5 + y * 3 + c * 40).clamp(20, 230) as u8,
    };
    RgbImage::from_fn(side, side, |x, y| Rgb([0, 1, 2].map(|c| channel(x, y, c))))
}

fn fnv(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[test]
fn operations_are_torchvisions_bit_for_bit() {
    let golden = golden();
    let mut wrong = BTreeSet::new();
    let mut results = BTreeSet::new();
    for (name, side) in [("noise", 24), ("smooth", 37)] {
        let picture = picture(name, side);
        for space in ["trivial_augment", "rand_augment"] {
            let hashes = golden[format!("{space} {name}")].as_array().unwrap();
            assert_eq!(hashes.len(), 14 * 31 * 2);
            for (i, wanted) in hashes.iter().enumerate() {
                let (kind, bin, negative) = (i / 62, (i / 2 % 31) as u32, i % 2 == 1);
                let operation = match space {
                    "trivial_augment" => Operation::wide(kind, bin, negative),
                    _ => Operation::rand_of(kind, bin, negative, side as usize),
                };
                let got = fnv(operation.apply(picture.clone()).as_raw());
                if wanted.as_str() != Some(&got) {
                    wrong.insert(format!("{space} {name} {} {bin} {operation:?}", golden["names"][kind]));
                }
                results.insert(got);
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), Vec::from_iter(wrong).join("\n"));
    assert!(results.len() > 1000, "{} different images", results.len());
}

fn transform(augment: Vec<Augmentation>, stats: Stats) -> Transform {
    Transform::new(&Transforms { augment, ..Transforms::new(TransformSet::None, 32) }, stats)
}

fn draws(augmentation: Augmentation) -> Vec<Draw> {
    let transform = transform(vec![augmentation], Stats::NONE);
    (0..20_000).map(|i| transform.draw(Stream::new(4, "transform").address(&[0, 0, i]))).collect()
}

#[test]
fn all_fourteen_are_drawn_as_often_at_all_strengths() {
    let one = draws(Augmentation::TrivialAugment);
    assert!(one.iter().all(|d| d.operations.len() == 1));
    let count = |is: &dyn Fn(&Operation) -> bool| one.iter().filter(|d| is(&d.operations[0])).count() as f64 / 2e4;
    // Five standard deviations of 20,000 draws at 1/14 are 0.0091.
    assert!((count(&|o| *o == Operation::Identity) - 1.0 / 14.0).abs() < 0.0091);
    assert!((count(&|o| matches!(o, Operation::Rotate(_))) - 1.0 / 14.0).abs() < 0.0091);
    assert!((count(&|o| *o == Operation::Equalize) - 1.0 / 14.0).abs() < 0.0091);
    let angles: BTreeSet<i64> = one
        .iter()
        .filter_map(|d| match d.operations[0] {
            Operation::Rotate(degrees) => Some((degrees * 10.0).round() as i64),
            _ => None,
        })
        .collect();
    // 31 strengths in both directions, of which one is nothing.
    assert_eq!(angles.len(), 61);
    let some = draws(Augmentation::RandAugment { n: 3, m: 9 });
    assert!(some.iter().all(|d| d.operations.len() == 3));
    let turned = |o: &Operation| matches!(o, Operation::Rotate(by) if (by.abs() - 9.0).abs() < 1e-6);
    assert!(some.iter().flat_map(|d| &d.operations).all(|o| turned(o) || !matches!(o, Operation::Rotate(_))));
    let first = &some[0].operations;
    assert!(some.iter().any(|d| d.operations != *first));
}

#[test]
fn operations_see_the_square_after_everything_else() {
    let picture = picture("smooth", 32);
    let transform = transform(Vec::new(), Stats::NONE);
    let draw = Draw {
        operations: vec![Operation::Solarize(128.0), Operation::TranslateX(5)],
        ..Draw::plain(Cut::At { row: 0.0, column: 0.0 })
    };
    let mut out = vec![0.0; 3 * 32 * 32];
    transform.apply(&picture, &draw, &mut out);
    for (x, y) in (0..32).flat_map(|y| (0..32).map(move |x| (x, y))) {
        for c in 0..3 {
            let wanted = match x {
                0..5 => 0,
                _ => match picture.get_pixel(x - 5, y)[c] {
                    v @ 0..128 => v,
                    v => 255 - v,
                },
            };
            let got = out[c * 1024 + (y * 32 + x) as usize] * 255.0;
            assert!((got - f32::from(wanted)).abs() < 1e-3, "{x} {y} {c}");
        }
    }
}

#[test]
fn erased_pixels_show_the_mean_or_noise_and_others_stay() {
    let picture = picture("noise", 32);
    let transform = transform(Vec::new(), Stats::IMAGENET);
    let apply = |patches: Vec<Patch>| {
        let mut out = vec![0.0; 3 * 32 * 32];
        transform.apply(&picture, &Draw { patches, ..Draw::plain(Cut::Center) }, &mut out);
        out
    };
    let window = CropWindow { top: 3, left: 10, height: 20, width: 22 };
    let inside = |i: usize| (3..23).contains(&(i % 1024 / 32)) && i % 32 >= 10;
    let plain = apply(Vec::new());
    let mean = apply(vec![Patch { window, noise: None }]);
    let noise = apply(vec![Patch { window, noise: Some(7) }]);
    assert!((0..3072).all(|i| if inside(i) { mean[i] == 0.0 } else { mean[i] == plain[i] && noise[i] == plain[i] }));
    let erased: Vec<f64> = (0..3072).filter(|i| inside(*i)).map(|i| f64::from(noise[i])).collect();
    assert_eq!(erased.len(), 3 * 20 * 22);
    let average = erased.iter().sum::<f64>() / erased.len() as f64;
    let deviation = (erased.iter().map(|v| v * v).sum::<f64>() / erased.len() as f64).sqrt();
    // Five standard deviations of 1320 numbers.
    assert!(average.abs() < 0.138 && (deviation - 1.0).abs() < 0.098, "{average} {deviation}");
    assert_eq!(noise, apply(vec![Patch { window, noise: Some(7) }]));
    assert_ne!(noise, apply(vec![Patch { window, noise: Some(8) }]));
}

#[test]
fn as_much_is_erased_as_torchvision_erases() {
    let reference = golden()["random_erasing"].clone();
    let found = draws(Augmentation::Erase { p: 0.5, area: [0.02, 0.33], value: Erased::Mean });
    let areas: Vec<f64> =
        found.iter().map(|d| d.patches.iter().map(|p| (p.window.height * p.window.width) as f64).sum()).collect();
    let often = areas.iter().filter(|a| **a > 0.0).count() as f64 / 2e4;
    let share = areas.iter().sum::<f64>() / 1024.0 / 2e4;
    println!("erased {often} {share}, torchvision {reference}");
    // Five standard deviations of the difference of two samples of 20,000.
    assert!((often - reference[0].as_f64().unwrap()).abs() < 0.025);
    assert!((share - reference[1].as_f64().unwrap()).abs() < 0.0055);
    let inside = |w: &CropWindow| w.top + w.height <= 32 && w.left + w.width <= 32;
    assert!(found.iter().flat_map(|d| &d.patches).all(|p| inside(&p.window) && p.noise.is_none()));
    let always = draws(Augmentation::Erase { p: 1.0, area: [0.1, 0.1], value: Erased::Noise });
    assert!(always.iter().all(|d| d.patches.len() == 1 && d.patches[0].noise.is_some()));
    let seeds: BTreeSet<_> = always.iter().map(|d| d.patches[0].noise).collect();
    assert_eq!(seeds.len(), 20_000);
}
