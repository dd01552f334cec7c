//! The parts of a list one after another: their order, what each draws, and how far one sampling for several of them is
//! from the truth.

use fastai_data::random::Stream;
use fastai_data::transforms::{
    CropWindow, Cut, Dihedral, Draw, Effect, FloatImage, Hole, Lighting, Pixels, Transform, Warp, blur, resize, rotate,
    scale_min,
};
use fastai_dsl::{Augmentation, Crop, Erased, TransformSet, Transforms};

use crate::golden_file::{Golden, RAW, noise};

/// `parts` one after another, each of a whole image.
fn one_by_one(image: FloatImage, parts: &[Effect]) -> FloatImage {
    parts.iter().fold(image, |mut image, part| match *part {
        Effect::Warp(Warp::Rotate(degrees)) => rotate(&image, degrees),
        Effect::Dihedral(dihedral) => dihedral.apply(&image),
        Effect::Blur(side) => blur(&image, side),
        Effect::Lighting(lighting) => {
            let values = image.to_rgb();
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
            lighting.apply(&mut image, mean);
            image
        }
        Effect::Hole(hole) => {
            let (height, width) = image.size();
            let ends = |middle: f64, side: usize| {
                let middle = (middle * side as f64).floor();
                let end = |v: f64| v.clamp(0.0, side as f64) as usize;
                end(middle - hole.length as f64 / 2.0)..end(middle + hole.length as f64 / 2.0)
            };
            let (rows, columns) = (ends(hole.row, height), ends(hole.column, width));
            for (y, x) in rows.flat_map(|y| columns.clone().map(move |x| (y, x))) {
                image.pixels_mut()[y * width + x] = [0.0; 4];
            }
            image
        }
        Effect::Warp(other) => panic!("{other:?}"),
    })
}

fn largest_difference(got: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(got.len(), wanted.len());
    got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_result_is_that_of_the_lists_order() {
    let rotated = |degrees| Effect::Warp(Warp::Rotate(degrees));
    let lit = |brightness, contrast| Effect::Lighting(Lighting { brightness, contrast });
    let hole = |row, column, length| Effect::Hole(Hole { row, column, length });
    let mirrored = Effect::Dihedral(Dihedral { turns: 0, flip: true });
    let turned = Effect::Dihedral(Dihedral { turns: 1, flip: false });
    let both = Effect::Dihedral(Dihedral { turns: 3, flip: true });
    let lists: &[&[Effect]] = &[
        &[hole(0.4, 0.5, 21), rotated(45.0)],
        &[rotated(45.0), hole(0.4, 0.5, 21)],
        &[hole(0.4, 0.5, 9), lit(0.3, 0.5)],
        &[lit(0.3, 0.5), hole(0.4, 0.5, 9)],
        &[hole(0.2, 0.9, 11), turned, hole(0.2, 0.9, 11), both, hole(0.9, 0.1, 8), mirrored],
        &[Effect::Blur(3), rotated(20.0)],
        &[rotated(20.0), Effect::Blur(3)],
        &[Effect::Blur(3), Effect::Blur(7), Effect::Blur(1)],
        &[Effect::Blur(5), lit(-0.2, 0.3), Effect::Blur(3), hole(0.5, 0.5, 10), Effect::Blur(3)],
        &[lit(0.2, 0.4), lit(-0.3, -0.2)],
        &[lit(0.2, 0.4), rotated(30.0), lit(-0.3, -0.2), both],
        &[turned, rotated(30.0)],
        &[mirrored, rotated(-11.0), both, lit(0.1, 0.1), turned, hole(0.3, 0.3, 20), rotated(14.0), turned],
    ];
    let symmetries = (0..8).map(|i| Effect::Dihedral(Dihedral { turns: i / 2, flip: i % 2 == 1 }));
    let symmetries: Vec<_> = symmetries.map(|symmetry| [rotated(-9.5), lit(-0.04, 0.05), symmetry]).collect();
    let picture = noise(50, 71);
    let mut seen = Vec::new();
    for parts in lists.iter().copied().chain(symmetries.iter().map(|parts| &parts[..])) {
        let wanted = one_by_one(FloatImage::from_pixels(&picture), parts);
        for (crop, size, cut) in [(Crop::Random, 50, Cut::At { row: 0.0, column: 0.6 }), (Crop::None, 50, Cut::Squash)]
        {
            let config = Transforms { crop, ..Transforms::new(TransformSet::None, size as u32) };
            let transform = Transform::new(&config, RAW);
            let mut out = vec![0.0; 3 * size * size];
            transform.apply(&picture, &Draw { parts: parts.to_vec(), ..Draw::plain(cut.clone()) }, &mut out);
            // The same crop of the reference, by the same transform with nothing else to do.
            let mut expected = vec![0.0; 3 * size * size];
            transform.apply(&wanted, &Draw::plain(cut), &mut expected);
            let worst = largest_difference(&out, &expected);
            assert!(worst < 2e-5, "{crop:?} {parts:?}: {worst:e}");
            assert!(!seen.contains(&out), "{parts:?} is no other list's");
            seen.push(out);
        }
    }
}

#[test]
fn a_zoomed_image_is_that_of_one_step_after_the_other() {
    let picture = Golden::open().picture("noise_75x100");
    let lit = Some(Lighting { brightness: -0.04, contrast: 0.05 });
    for (zoom, angle, lighting) in
        [(1.0, None, None), (1.3, Some(-9.5), None), (1.1, None, lit), (1.2, Some(10.0), lit), (1.0, Some(4.0), lit)]
    {
        for k in 0..8 {
            let rotated = angle.map(|angle| Effect::Warp(Warp::Rotate(angle)));
            let symmetry = Effect::Dihedral(Dihedral { turns: k / 2, flip: k % 2 == 1 });
            let parts: Vec<Effect> =
                [rotated, lighting.map(Effect::Lighting), Some(symmetry)].into_iter().flatten().collect();
            let whole = one_by_one(scale_min(&picture, (zoom * 50.0) as usize), &parts);
            let (height, width) = whole.size();
            let [top, left] = [0.99 * (height - 50) as f64, 0.4 * (width - 50) as f64].map(|v| v as usize);
            for (crop, cut, window) in [
                (Crop::Random, Cut::At { row: 0.99, column: 0.4 }, CropWindow { top, left, height: 50, width: 50 }),
                (Crop::None, Cut::Squash, CropWindow { top: 0, left: 0, height, width }),
            ] {
                let config = Transforms { crop, ..Transforms::new(TransformSet::TopDown, 50) };
                let drawn = Draw { zoom, parts: parts.clone(), ..Draw::plain(cut) };
                let mut out = vec![0.0; 3 * 50 * 50];
                Transform::new(&config, RAW).apply(&picture, &drawn, &mut out);
                let wanted = resize(&FloatImage::window_of(&whole, window), 50, 50).to_rgb();
                let planes: Vec<f32> = (0..3).flat_map(|c| wanted.iter().copied().skip(c).step_by(3)).collect();
                let worst = largest_difference(&out, &planes);
                assert!(worst <= 1e-6, "{drawn:?}: {worst:e}");
            }
        }
    }
}

/// All kinds of parts, each as the tests below change it.
fn list(p: f64, degrees: f64) -> Vec<Augmentation> {
    vec![
        Augmentation::Rotate { degrees, p },
        Augmentation::Cutout { holes: 1, length: 8, p },
        Augmentation::Lighting { brightness: 0.05, contrast: 0.05 },
        Augmentation::Blur { strength: 2, p },
        Augmentation::RotateZoom { degrees, zoom: 0.2, stretch: 0.1, ps: [0.25; 4] },
        Augmentation::Flip { p: 0.5 },
        Augmentation::Zoom { max: 0.2, min: 0.0 },
        Augmentation::Stretch { max: 0.2 },
        Augmentation::Dihedral,
        Augmentation::TrivialAugment,
        Augmentation::RandAugment { n: 2, m: 9 },
        Augmentation::Erase { p, area: [0.02, 0.3], value: Erased::Noise },
        Augmentation::Rotate { degrees, p: 1.0 },
    ]
}

/// What image `i` draws, with zoom and crop.
fn drawn(augment: Vec<Augmentation>, i: u64) -> Draw {
    let config = Transforms { max_zoom: [1.0, 1.5], augment, ..Transforms::new(TransformSet::None, 32) };
    Transform::new(&config, RAW).draw(Stream::new(9, "transform").address(&[0, 0, i]))
}

#[test]
fn a_part_that_is_left_out_leaves_the_draws_of_the_others_alone() {
    for i in 0..50 {
        let whole = drawn(list(1.0, 10.0), i);
        for without in 0..list(1.0, 10.0).len() {
            let mut rest = list(1.0, 10.0);
            let left_out = rest.remove(without);
            // The second rotation is then the first of its kind.
            if without == 0 {
                continue;
            }
            let alone = drawn(rest, i);
            assert_eq!((alone.zoom, &alone.cut), (whole.zoom, &whole.cut));
            let subset = |some: &[String], all: &[String]| {
                let mut all = all.iter();
                some.iter().all(|one| all.any(|other| other == one))
            };
            let text = |draw: &Draw| -> Vec<String> {
                let parts = draw.parts.iter().map(|part| format!("{part:?}"));
                let operations = draw.operations.iter().map(|operation| format!("{operation:?}"));
                parts.chain(operations).chain(draw.patches.iter().map(|patch| format!("{patch:?}"))).collect()
            };
            assert!(subset(&text(&alone), &text(&whole)), "{left_out:?}: {alone:?} of {whole:?}");
        }
    }
}

#[test]
fn a_changed_part_draws_its_own_numbers_and_nobody_elses() {
    let differs = (0..200).filter(|&i| {
        let (often, never) = (drawn(list(1.0, 10.0), i), drawn(list(0.0, 10.0), i));
        // Without its chance a part is not there; whatever always is, is the same.
        let always = |part: &&Effect| !matches!(part, Effect::Hole(_) | Effect::Blur(_));
        let [rest, less] = [&often, &never].map(|draw| draw.parts.iter().filter(always).copied().collect::<Vec<_>>());
        assert_eq!(rest[1..], less, "all but the first rotation");
        assert_eq!((&often.operations, &often.cut, often.zoom), (&never.operations, &never.cut, never.zoom));
        assert!(never.patches.is_empty());
        // Twice the angle is the same turn, twice as far.
        let [Effect::Warp(Warp::Rotate(one)), ..] = often.parts[..] else { panic!("{often:?}") };
        let [Effect::Warp(Warp::Rotate(two)), ..] = drawn(list(1.0, 20.0), i).parts[..] else { panic!() };
        assert!((two - 2.0 * one).abs() < 1e-9);
        !often.patches.is_empty()
    });
    assert!(differs.count() > 150);
    // Two of a kind are two.
    let twice = drawn(vec![Augmentation::Rotate { degrees: 10.0, p: 1.0 }; 2], 0);
    assert_ne!(twice.parts[0], twice.parts[1]);
}

/// A picture that is known between its pixels too (`waves` of `tools/reference_transforms.py`).
fn wave(y: f64, x: f64, c: usize) -> f64 {
    let c = c as f64;
    0.5 + 0.2 * (0.31 * x + 0.23 * y + c).sin() + 0.2 * (0.13 * x * (c + 1.0) - 0.2 * y).cos()
}

const HEIGHT: usize = 48;
const WIDTH: usize = 64;
/// Pixels at the border that are not compared: there pixels come from outside.
const BORDER: usize = 12;

/// The picture.
fn waves() -> FloatImage {
    let value = |i: usize| wave((i / 3 / WIDTH) as f64, (i / 3 % WIDTH) as f64, i % 3) as f32;
    FloatImage::from_rgb(HEIGHT, WIDTH, &(0..HEIGHT * WIDTH * 3).map(value).collect::<Vec<_>>()).unwrap()
}

/// Where the pixel `(y, x)` comes from, by the definition of each warp.
fn source(warps: &[Warp], at: (f64, f64)) -> (f64, f64) {
    // The last warp was looked at last.
    warps.iter().rev().fold(at, |(y, x), warp| match *warp {
        Warp::Rotate(degrees) => {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (cy, cx) = ((HEIGHT / 2) as f64, (WIDTH / 2) as f64);
            (cy + sin * (x - cx) + cos * (y - cy), cx + cos * (x - cx) - sin * (y - cy))
        }
        Warp::Zoom(factor) => {
            let (cy, cx) = (HEIGHT as f64 / 2.0, WIDTH as f64 / 2.0);
            (cy + (y - cy) / factor, cx + (x - cx) / factor)
        }
        Warp::Stretch { factor, across } => {
            let along = |v: f64, side: usize| {
                let cut = (((side as f64 * factor).round() - side as f64) / 2.0).floor();
                (v + cut + 0.5) / factor - 0.5
            };
            if across { (y, along(x, WIDTH)) } else { (along(y, HEIGHT), x) }
        }
        Warp::Affine(_) => panic!("{warp:?}"),
    })
}

/// Mean square's root and the largest of the differences to the truth, of the rows' inner pixels.
fn errors(warps: &[Warp], value: impl Fn(usize, usize, usize) -> f32) -> (f64, f64) {
    let (mut squares, mut largest, mut count) = (0.0, 0f64, 0.0);
    for y in BORDER..HEIGHT - BORDER {
        for (x, c) in (BORDER..WIDTH - BORDER).flat_map(|x| (0..3).map(move |c| (x, c))) {
            let (sy, sx) = source(warps, (y as f64, x as f64));
            let error = (f64::from(value(y, x, c)) - wave(sy, sx, c)).abs();
            (squares, largest, count) = (squares + error * error, largest.max(error), count + 1.0);
        }
    }
    ((squares / count).sqrt(), largest)
}

#[test]
fn one_sampling_is_closer_to_the_truth_than_several() {
    let (golden, picture) = (Golden::open(), waves());
    let stretch = |factor, across| Warp::Stretch { factor, across };
    let several = [stretch(1.15, false), Warp::Rotate(12.0), Warp::Zoom(1.2), Warp::Rotate(-5.0), stretch(1.1, true)];
    // The worst error of the original at least so many times ours.
    let cases: [(&str, &[Warp], f64); 4] = [
        ("stretch", &[stretch(1.25, true)], 1.5),
        ("rotate_zoom", &[Warp::Rotate(9.0), Warp::Zoom(1.18)], 1.5),
        ("rotate_stretch", &[Warp::Rotate(9.0), stretch(1.1, true)], 1.5),
        ("several", &several, 2.0),
    ];
    for (name, warps, better) in cases {
        let (shape, steps) = golden.floats(&format!("steps_{name}"));
        assert_eq!(shape, [HEIGHT, WIDTH, 3]);
        let original = |y: usize, x: usize, c: usize| steps[(y * WIDTH + x) * 3 + c];
        // The picture in two squares, from the left and from the right.
        let squares = [0.0, 0.999].map(|column| {
            let parts = warps.iter().copied().map(Effect::Warp).collect();
            let mut out = vec![0.0; 3 * HEIGHT * HEIGHT];
            let draw = Draw { parts, ..Draw::plain(Cut::At { row: 0.0, column }) };
            let config = Transforms::new(TransformSet::None, HEIGHT as u32);
            Transform::new(&config, RAW).apply(&picture, &draw, &mut out);
            out
        });
        let right = (0.999 * (WIDTH - HEIGHT) as f64) as usize;
        let fused = |y: usize, x: usize, c: usize| match x < HEIGHT {
            true => squares[0][(c * HEIGHT + y) * HEIGHT + x],
            false => squares[1][(c * HEIGHT + y) * HEIGHT + x - right],
        };
        let (ours, theirs) = (errors(warps, fused), errors(warps, original));
        let apart = (BORDER..HEIGHT - BORDER)
            .flat_map(|y| (BORDER..WIDTH - BORDER).flat_map(move |x| (0..3).map(move |c| (y, x, c))))
            .map(|(y, x, c)| (fused(y, x, c) - original(y, x, c)).abs())
            .fold(0.0, f32::max);
        println!("{name}: errors {ours:?}, of the original's steps {theirs:?}, apart {apart}");
        assert!(ours.0 * better < theirs.0 && ours.1 * better < theirs.1, "{name}: {ours:?} {theirs:?}");
        assert!(ours.1 < 0.009, "{name}: {ours:?}");
        // The tolerance to the original on this picture, whose values span 0.1 to 0.9.
        assert!(apart < 0.025, "{name}: {apart}");
    }
}

#[test]
fn warps_are_made_in_their_order() {
    // Three that do not commute: another order is another picture, and so is the order backwards.
    let warps = [Warp::Rotate(30.0), Warp::Stretch { factor: 1.5, across: true }, Warp::Zoom(1.3)];
    let picture = waves();
    let mut out = vec![0.0; 3 * HEIGHT * HEIGHT];
    let config = Transforms::new(TransformSet::None, HEIGHT as u32);
    let parts = warps.map(Effect::Warp).to_vec();
    let draw = Draw { parts, ..Draw::plain(Cut::At { row: 0.0, column: 0.0 }) };
    Transform::new(&config, RAW).apply(&picture, &draw, &mut out);
    let of = |y: usize, x: usize, c: usize| out[(c * HEIGHT + y) * HEIGHT + x.min(HEIGHT - 1)];
    let inner = |warps: &[Warp]| {
        let mut worst = 0f64;
        for (y, x) in (BORDER..HEIGHT - BORDER).flat_map(|y| (BORDER..HEIGHT).map(move |x| (y, x))) {
            let (sy, sx) = source(warps, (y as f64, x as f64));
            worst = worst.max((f64::from(of(y, x, 1)) - wave(sy, sx, 1)).abs());
        }
        worst
    };
    assert!(inner(&warps) < 0.009, "{}", inner(&warps));
    let [a, b, c] = warps;
    for other in [[c, b, a], [b, a, c]] {
        assert!(inner(&other) > 0.1, "{other:?}: {}", inner(&other));
    }
}

#[test]
fn a_window_of_rows_is_enough_for_a_strip() {
    // 100 rows of 16000 columns, scaled to 1126 rows: as a whole 1126 x 180160 pixels of 16 bytes, 3.2 GB.
    let picture = noise(100, 16_000);
    let config = Transforms { max_zoom: [1.1, 1.1], ..Transforms::new(TransformSet::SideOn, 1024) };
    let transform = Transform::new(&config, RAW);
    let mut out = vec![f32::NAN; 3 * 1024 * 1024];
    let draw = Draw { zoom: 1.1, parts: vec![Effect::Warp(Warp::Rotate(5.0))], ..Draw::plain(Cut::Center) };
    transform.apply(&picture, &draw, &mut out);
    assert!(out.iter().all(|v| (0.0..=1.0).contains(v)));
    // What is seen is the middle: unrotated, the pixels are those of the whole strip.
    let lit = Effect::Lighting(Lighting { brightness: 0.0, contrast: 0.0 });
    let (mut some, mut all) = (out.clone(), out);
    transform.apply(&picture, &Draw { zoom: 1.1, parts: vec![lit], ..Draw::plain(Cut::Center) }, &mut some);
    transform.apply(&picture, &Draw { zoom: 1.1, ..Draw::plain(Cut::Center) }, &mut all);
    assert!(largest_difference(&some, &all) < 1e-6);
}
