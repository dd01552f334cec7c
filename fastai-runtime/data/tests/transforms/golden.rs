//! The transforms against OpenCV's output (`tools/reference_transforms.py` made the golden files).

use fastai_data::transforms::{
    Area, CropWindow, Cut, Dihedral, Draw, Effect, FloatImage, Lighting, Pixels, Transform, Try, Warp, resize, rotate,
    scale_min,
};
use fastai_dsl::{Augmentation, Crop, Erased, PadMode, Stats, TransformSet, Transforms};

use crate::golden_file::{Golden, RAW, TOLERANCE, noise};

/// The same after division by a standard deviation, the smallest of which is 0.224.
const NORMALISED: f32 = TOLERANCE / 0.224;

fn check(golden: &Golden, name: &str, got: &FloatImage) {
    let (shape, wanted) = golden.floats(name);
    assert_eq!(shape, [got.height(), got.width(), 3], "{name}");
    close(name, &got.to_rgb(), &wanted, TOLERANCE);
}

fn close(name: &str, got: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(got.len(), wanted.len(), "{name}");
    let worst = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{name}: largest difference {worst:e}");
    assert!(worst <= tolerance, "{name}: {worst:e} > {tolerance:e}");
    assert!(got.iter().all(|v| v.is_finite()), "{name}");
}

fn config(set: TransformSet, size: u32, crop: Crop) -> Transforms {
    Transforms { crop, ..Transforms::new(set, size) }
}

fn transform(set: TransformSet, size: u32, crop: Crop) -> Transform {
    Transform::new(&config(set, size, crop), Stats::IMAGENET)
}

/// `[3, n]` as `[n, 3]`.
fn interleave(planes: &[f32]) -> Vec<f32> {
    let n = planes.len() / 3;
    (0..n).flat_map(|i| [planes[i], planes[n + i], planes[2 * n + i]]).collect()
}

#[test]
fn scaling_shrinks_and_enlarges_as_opencv_does() {
    let golden = Golden::open();
    for name in ["noise_75x100", "noise_40x31"] {
        let picture = golden.picture(name);
        for target in [32, 96] {
            let key = format!("scale_min_{target}_{name}");
            check(&golden, &key, &scale_min(&picture, target));
            check(&golden, &key, &scale_min(&FloatImage::from_pixels(&picture), target));
        }
    }
}

#[test]
fn the_centre_is_opencvs() {
    let golden = Golden::open();
    // 31 is the shorter side of one, so nothing is scaled; of the other the crop is compared by hand.
    let mut out = vec![0.0; 3 * 31 * 31];
    Transform::new(&config(TransformSet::None, 31, Crop::Center), RAW).valid(&golden.picture("noise_40x31"), &mut out);
    close("center", &interleave(&out), &golden.floats("center_31_noise_40x31").1, TOLERANCE);
    let window = CropWindow { top: 22, left: 35, height: 31, width: 31 };
    check(&golden, "center_31_noise_75x100", &FloatImage::window_of(&golden.picture("noise_75x100"), window));
}

#[test]
fn rotation_is_opencvs() {
    let golden = Golden::open();
    for name in ["noise_40x31", "smooth_75x100"] {
        let picture = golden.picture(name);
        check(&golden, &format!("rotate_{name}"), &rotate(&picture, 7.3));
        check(&golden, &format!("rotate_{name}"), &rotate(&FloatImage::from_pixels(&picture), 7.3));
        check(&golden, &format!("rotate_exact_{name}"), &rotate(&picture, 7.3));
    }
}

fn mean(image: &FloatImage) -> f64 {
    let values = image.to_rgb();
    values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64
}

#[test]
fn lighting_is_the_known_vector() {
    let golden = Golden::open();
    let mut image = FloatImage::from_rgb(1, 2, &[0.1, 0.2, 0.3, 0.9, 0.8, 1.0]).unwrap();
    let mu = mean(&image);
    Lighting { brightness: 0.05, contrast: -0.05 }.apply(&mut image, mu);
    close("vector", &image.to_rgb(), &[0.171429, 0.266667, 0.361905, 0.933333, 0.838095, 1.0], 1e-6);
    for (name, brightness, contrast) in [("lighting", 0.05, -0.05), ("lighting_up", -0.1, 0.2)] {
        let mut image = FloatImage::from_pixels(&golden.picture("noise_40x31"));
        let mu = mean(&image);
        Lighting { brightness, contrast }.apply(&mut image, mu);
        check(&golden, &format!("{name}_noise_40x31"), &image);
    }
}

#[test]
fn all_eight_symmetries() {
    let golden = Golden::open();
    let picture = golden.picture("tiny_12x9");
    for turns in 0..4u8 {
        for flip in [false, true] {
            let dihedral = Dihedral { turns, flip };
            check(&golden, &format!("dihedral_{turns}_{}_tiny_12x9", u8::from(flip)), &dihedral.apply(&picture));
        }
    }
}

#[test]
fn the_whole_validation_pipeline() {
    let golden = Golden::open();
    let (shape, wanted) = golden.floats("valid");
    assert_eq!(shape, [3, 64, 64]);
    for crop in [Crop::Random, Crop::Center, Crop::Googlenet] {
        let mut out = vec![0.0; 3 * 64 * 64];
        transform(TransformSet::SideOn, 64, crop).valid(&golden.picture("smooth_75x100"), &mut out);
        close("valid", &out, &wanted, NORMALISED);
    }
}

#[test]
fn the_whole_training_pipeline() {
    let golden = Golden::open();
    let mut out = vec![0.0; 3 * 64 * 64];
    let draw = Draw {
        zoom: 1.05,
        parts: vec![
            Effect::Warp(Warp::Rotate(7.3)),
            Effect::Lighting(Lighting { brightness: 0.03, contrast: -0.02 }),
            Effect::Dihedral(Dihedral { turns: 0, flip: true }),
        ],
        ..Draw::plain(Cut::At { row: 0.3, column: 0.7 })
    };
    transform(TransformSet::SideOn, 64, Crop::Random).apply(&golden.picture("smooth_75x100"), &draw, &mut out);
    close("train", &out, &golden.floats("train").1, NORMALISED);
}

#[test]
fn odd_shapes_fill_the_square() {
    let stream = fastai_data::random::Stream::new(5, "transform");
    let pictures =
        [(1, 1), (1, 2), (2, 1), (20, 1000), (1000, 20), (48, 48), (48, 49), (7, 300), (1, 40_000), (47, 48)];
    let augment = vec![
        Augmentation::Zoom { max: 0.5, min: 0.0 },
        Augmentation::Stretch { max: 0.5 },
        Augmentation::Blur { strength: 3, p: 0.8 },
        Augmentation::Cutout { holes: 3, length: 20, p: 0.8 },
        Augmentation::Dihedral,
        Augmentation::Lighting { brightness: 0.2, contrast: 0.2 },
        Augmentation::TrivialAugment,
        Augmentation::Erase { p: 0.5, area: [0.02, 0.33], value: Erased::Mean },
    ];
    for (case, (height, width)) in pictures.into_iter().enumerate() {
        let picture = noise(height, width);
        for set in [TransformSet::None, TransformSet::Basic, TransformSet::SideOn, TransformSet::TopDown] {
            for crop in [Crop::Random, Crop::Center, Crop::None, Crop::Googlenet] {
                for (pad, augment) in [(0, Vec::new()), (6, Vec::new()), (3, augment.clone())] {
                    let config = Transforms { max_zoom: [1.0, 1.2], crop, pad, augment, ..Transforms::new(set, 48) };
                    let t = Transform::new(&config, RAW);
                    let mut out = vec![f32::NAN; 3 * 48 * 48];
                    let in_range = |out: &[f32]| out.iter().all(|v| (-1e-5..=1.0 + 1e-5).contains(v));
                    t.valid(&picture, &mut out);
                    assert!(in_range(&out), "{height}x{width} {config:?}");
                    for pass in 0..6 {
                        out.fill(f32::NAN);
                        t.train(&picture, stream.address(&[case as u64, pass]), &mut out);
                        assert!(in_range(&out), "{height}x{width} {config:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_image_of_the_size_is_only_converted() {
    let picture = noise(48, 48);
    let mut out = vec![0.0; 3 * 48 * 48];
    for crop in [Crop::Random, Crop::None] {
        Transform::new(&config(TransformSet::None, 48, crop), RAW).valid(&picture, &mut out);
        let wanted: Vec<f32> = picture.as_raw().iter().map(|v| f32::from(*v) / 255.0).collect();
        close("converted", &interleave(&out), &wanted, 1e-7);
    }
}

#[test]
fn padding_moves_the_crop_into_the_border() {
    let picture = noise(48, 48);
    let padded = Transform::new(&Transforms { pad: 5, ..config(TransformSet::None, 48, Crop::Random) }, RAW);
    let mut out = vec![0.0; 3 * 48 * 48];
    padded.apply(&picture, &Draw::plain(Cut::At { row: 0.0, column: 0.0 }), &mut out);
    let got = interleave(&out);
    let at = |y: usize, x: usize, c: usize| f32::from(picture.get_pixel(x as u32, y as u32).0[c]) / 255.0;
    for c in 0..3 {
        // Five rows above and five columns to the left, the edge repeated: 4 3 2 1 0 | 0 1 2.
        assert!((got[c] - at(4, 4, c)).abs() < 1e-6);
        assert!((got[(4 * 48 + 5) * 3 + c] - at(0, 0, c)).abs() < 1e-6);
        assert!((got[(5 * 48 + 5) * 3 + c] - at(0, 0, c)).abs() < 1e-6);
        assert!((got[(47 * 48 + 47) * 3 + c] - at(42, 42, c)).abs() < 1e-6);
    }
    let mut with = vec![0.0; 3 * 48 * 48];
    padded.valid(&picture, &mut with);
    Transform::new(&config(TransformSet::None, 48, Crop::Random), RAW).valid(&picture, &mut out);
    assert_eq!(out, with, "the centre sees no border");
}

#[test]
fn borders_and_squashing_are_opencvs() {
    let golden = Golden::open();
    let mut out = vec![0.0; 3 * 31 * 31];
    for (mode, name) in [(PadMode::Reflect, "reflect"), (PadMode::Constant, "constant")] {
        let config = Transforms { pad: 5, pad_mode: mode, ..config(TransformSet::None, 31, Crop::Random) };
        let at = Draw::plain(Cut::At { row: 0.0, column: 0.7 });
        Transform::new(&config, RAW).apply(&golden.picture("noise_75x100"), &at, &mut out);
        close(name, &interleave(&out), &golden.floats(&format!("pad_{name}_noise_75x100")).1, TOLERANCE);
    }
    let mut out = vec![0.0; 3 * 32 * 32];
    for name in ["noise_75x100", "noise_40x31"] {
        let picture = golden.picture(name);
        let squash = config(TransformSet::None, 32, Crop::None);
        Transform::new(&squash, RAW).valid(&picture, &mut out);
        close("squash", &interleave(&out), &golden.floats(&format!("squash_{name}")).1, TOLERANCE);
        // Training may see a black border, validation does not.
        for mode in [PadMode::Reflect, PadMode::Constant] {
            let padded = Transforms { pad: 5, pad_mode: mode, ..squash.clone() };
            Transform::new(&padded, RAW).valid(&picture, &mut out);
            close("squash_pad", &interleave(&out), &golden.floats(&format!("squash_pad_{name}")).1, TOLERANCE);
        }
        let black = Transforms { pad: 5, pad_mode: PadMode::Constant, ..squash };
        Transform::new(&black, RAW).apply(&picture, &Draw::plain(Cut::Squash), &mut out);
        assert_eq!(interleave(&out)[..3], [0.0; 3]);
    }
}

#[test]
fn draws_follow_the_set() {
    let stream = fastai_data::random::Stream::new(11, "transform");
    let draws = |set, crop, max_zoom| -> Vec<Draw> {
        let t = Transform::new(&Transforms { max_zoom, crop, ..Transforms::new(set, 64) }, RAW);
        (0..4000).map(|i| t.draw(stream.address(&[i]))).collect()
    };
    let share =
        |draws: &[Draw], f: &dyn Fn(&Draw) -> bool| draws.iter().filter(|d| f(d)).count() as f64 / draws.len() as f64;
    // Four standard deviations of the mean of 4000 draws are below 0.032.
    let near = |a: f64, b: f64| assert!((a - b).abs() < 0.032, "{a} {b}");

    let none = draws(TransformSet::None, Crop::Random, [1.0, 1.0]);
    assert!(none.iter().all(|d| Draw { cut: Cut::Center, ..d.clone() } == Draw::plain(Cut::Center)));
    near(share(&none, &|d| matches!(d.cut, Cut::At { row, column } if row < 0.5 && column < 0.5)), 0.25);

    let basic = draws(TransformSet::Basic, Crop::Center, [1.0, 1.2]);
    assert!(basic.iter().all(|d| dihedral(d) == Dihedral::IDENTITY && d.cut == Cut::Center));
    near(share(&basic, &|d| d.zoom == 1.0), 0.25);
    near(share(&basic, &|d| d.zoom > 1.1), 0.375);
    let (angle, light) = (
        |d: &Draw| match d.parts[..] {
            [Effect::Lighting(_)] => None,
            [Effect::Warp(Warp::Rotate(angle)), Effect::Lighting(_)] => Some(angle),
            _ => panic!("{d:?}"),
        },
        |d: &Draw| match d.parts[..] {
            [.., Effect::Lighting(lighting)] => lighting,
            _ => panic!("{d:?}"),
        },
    );
    near(share(&basic, &|d| angle(d).is_some()), 0.75);
    near(share(&basic, &|d| angle(d).is_some_and(|a| a > 5.0)), 0.1875);
    assert!(basic.iter().all(|d| angle(d).is_none_or(|a| a.abs() <= 10.0)));
    assert!(basic.iter().all(|d| light(d).brightness.abs() <= 0.05 && light(d).contrast.abs() <= 0.05));
    near(share(&basic, &|d| light(d).brightness > 0.0 && light(d).contrast > 0.0), 0.25);

    // A pair's minimum is that of the zoom where there is one, not of all images.
    let pair = draws(TransformSet::None, Crop::Center, [1.3, 1.5]);
    near(share(&pair, &|d| d.zoom == 1.0), 0.25);
    near(share(&pair, &|d| d.zoom > 1.4), 0.375);
    assert!(pair.iter().all(|d| d.zoom == 1.0 || (1.3..1.5).contains(&d.zoom)));

    let side_on = draws(TransformSet::SideOn, Crop::Random, [1.0, 1.0]);
    near(share(&side_on, &|d| dihedral(d) == Dihedral { turns: 0, flip: true }), 0.5);
    near(share(&side_on, &|d| dihedral(d) == Dihedral::IDENTITY), 0.5);
    let top_down = draws(TransformSet::TopDown, Crop::Random, [1.0, 1.0]);
    for turns in 0..4 {
        for flip in [false, true] {
            near(share(&top_down, &|d| dihedral(d) == Dihedral { turns, flip }), 0.125);
        }
    }
}

/// Turns and flip, which come last in the sets.
fn dihedral(draw: &Draw) -> Dihedral {
    match draw.parts.last() {
        Some(Effect::Dihedral(dihedral)) => *dihedral,
        _ => Dihedral::IDENTITY,
    }
}

#[test]
fn the_googlenet_crop_is_a_squashed_part_of_the_full_image() {
    let golden = Golden::open();
    let picture = golden.picture("noise_75x100");
    let t = Transform::new(&config(TransformSet::None, 32, Crop::Googlenet), RAW);
    let mut out = vec![0.0; 3 * 32 * 32];
    let never = Try { fraction: 1.0, aspect: 0.75, row: 0.0, column: 0.0 };
    let fits = Try { fraction: 0.5, aspect: 1.0, row: 0.999, column: 0.5 };
    let mut tries = [never; 10];
    tries[3] = fits;
    let area = Box::new(Area { swap: false, tries });
    t.apply(&picture, &Draw::plain(Cut::Area(area.clone())), &mut out);
    // sqrt(0.5 * 7500) = 61.2: 61 of 75 rows, the last of 15 offsets; half of 40 offsets.
    close("area", &interleave(&out), &golden.floats("googlenet_noise_75x100").1, TOLERANCE);

    // sqrt(0.0784 * 7500 * 0.75) = 21.0 and sqrt(0.0784 * 7500 / 0.75) = 28.0; row 3 of 55 and column 50 of 73 offsets.
    let wide = Try { fraction: 0.0784, aspect: 0.75, row: 3.5 / 55.0, column: 50.5 / 73.0 };
    let small = Box::new(Area { swap: true, tries: [wide; 10] });
    t.apply(&picture, &Draw::plain(Cut::Area(small)), &mut out);
    close("small area", &interleave(&out), &golden.floats("googlenet_small_noise_75x100").1, TOLERANCE);

    // Ten failures: the scaled centre, which is what validation shows.
    let area = Box::new(Area { tries: [never; 10], ..*area });
    t.apply(&picture, &Draw::plain(Cut::Area(area)), &mut out);
    let mut centre = vec![0.0; 3 * 32 * 32];
    t.valid(&picture, &mut centre);
    close("fallback", &out, &centre, 1e-6);
}

/// What `cv2.resize` (4.14 and 5.0) shows at `column` of the row 0, 1, 2, .. of `from` values enlarged to `to`: places where
/// a new pixel falls on an old one, so that the rounding decides which.
#[test]
fn enlarging_rounds_as_opencv_does() {
    for (from, to, column, value) in [
        (102, 224, 112, 50.0),
        (204, 224, 56, 50.0),
        (204, 224, 112, 101.0),
        (204, 224, 168, 152.0),
        (209, 231, 21, 18.0),
        (209, 231, 147, 132.0),
        (36, 224, 168, 26.0),
    ] {
        let row: Vec<f32> = (0..from).flat_map(|v| [v as f32; 3]).collect();
        let ramp = FloatImage::from_rgb(1, from, &row).unwrap();
        let shown = resize(&ramp, 2, to).pixel(column)[0];
        assert!((shown - value).abs() < 1e-3, "{from} to {to}: {shown} at {column}, not {value}");
    }
}
