//! The parts of `augment`, each by itself: against OpenCV's output where it does the same
//! (`tools/reference_transforms.py`), else against its definition.

use fastai_data::random::Stream;
use fastai_data::transforms::{Cut, Dihedral, Draw, Effect, FloatImage, Hole, Pixels, Transform, Warp, blur};
use fastai_dsl::{Augmentation, Stats, TransformSet, Transforms};

use crate::golden_file::{Golden, RAW, TOLERANCE};

const PICTURES: [&str; 2] = ["noise_40x31", "smooth_75x100"];
/// What `draw` makes of the whole picture, which is scaled to its shorter side and so stays as it is; the square from
/// the top left.
fn shown(name: &str, draw: Draw) -> (usize, Vec<f32>) {
    let picture = Golden::open().picture(name);
    let size = picture.width().min(picture.height());
    let mut out = vec![0.0; 3 * (size * size) as usize];
    Transform::new(&Transforms::new(TransformSet::None, size), RAW).apply(&picture, &draw, &mut out);
    (size as usize, out)
}

fn from(parts: Vec<Effect>) -> Draw {
    Draw { parts, ..Draw::plain(Cut::At { row: 0.0, column: 0.0 }) }
}

fn close(name: &str, (size, got): (usize, Vec<f32>), wanted: &FloatImage, tolerance: f32) {
    let worst = (0..size * size)
        .flat_map(|i| (0..3).map(move |c| (i, c)))
        .map(|(i, c)| (got[c * size * size + i] - wanted.pixels()[i / size * wanted.width() + i % size][c]).abs())
        .fold(0.0, f32::max);
    println!("{name}: largest difference {worst:e}");
    assert!(worst <= tolerance, "{name}: {worst:e}");
}

#[test]
fn zoom_and_blur_are_opencvs() {
    for name in PICTURES {
        let zoomed = shown(name, from(vec![Effect::Warp(Warp::Zoom(1.3))]));
        close(name, zoomed, &Golden::open().image(&format!("zoom_{name}")), TOLERANCE);
        for side in [3, 9] {
            let wanted = Golden::open().image(&format!("blur_{side}_{name}"));
            close(name, shown(name, from(vec![Effect::Blur(side)])), &wanted, TOLERANCE);
            let whole = blur(&FloatImage::from_pixels(&Golden::open().picture(name)), side);
            assert_eq!(whole.size(), wanted.size());
        }
    }
}

/// What the original's `INTER_AREA` makes of it lies up to this far away, on noise, and further from the truth
/// (`sequence.rs`).
const STRETCHED: f32 = 0.1;

#[test]
fn stretching_is_opencvs_linear_one() {
    let name = "noise_40x31";
    for (across, direction) in [(true, "across"), (false, "down")] {
        let draw = || from(vec![Effect::Warp(Warp::Stretch { factor: 1.25, across })]);
        close(
            name,
            shown(name, draw()),
            &Golden::open().image(&format!("stretch_linear_{direction}_{name}")),
            TOLERANCE,
        );
        close(name, shown(name, draw()), &Golden::open().image(&format!("stretch_area_{direction}_{name}")), STRETCHED);
    }
}

/// One sampling loses less than two: going there and back gives the picture itself, which two samplings blur.
#[test]
fn warps_are_one_sampling() {
    for name in PICTURES {
        let there_and_back = [Warp::Rotate(20.0), Warp::Zoom(1.5), Warp::Zoom(1.0 / 1.5), Warp::Rotate(-20.0)];
        let source = FloatImage::from_pixels(&Golden::open().picture(name));
        close(name, shown(name, from(there_and_back.map(Effect::Warp).to_vec())), &source, TOLERANCE);
        // Nor do turns and flips among them part them.
        let mirror = Effect::Dihedral(Dihedral { turns: 0, flip: true });
        let half = Effect::Dihedral(Dihedral { turns: 2, flip: false });
        let [a, b, c, d] = there_and_back.map(Effect::Warp);
        let turned = vec![mirror, a, b, mirror, half, half, mirror, c, d, mirror];
        close(name, shown(name, from(turned)), &source, TOLERANCE);
    }
}

#[test]
fn cutout_is_the_originals() {
    let name = "noise_40x31";
    // The middles of the reference, as parts of 40 rows and 31 columns.
    let holes = [(20, 10, 7), (11, 23, 6), (0, 0, 8), (39, 30, 5), (5, 15, 1)];
    let hole = |(y, x, length)| {
        Effect::Hole(Hole { row: (f64::from(y) + 0.5) / 40.0, column: (f64::from(x) + 0.5) / 31.0, length })
    };
    close(
        name,
        shown(name, from(holes.map(hole).to_vec())),
        &Golden::open().image(&format!("cutout_{name}")),
        TOLERANCE,
    );
}

fn draws(augment: Vec<Augmentation>) -> Vec<Draw> {
    let config = Transforms { augment, ..Transforms::new(TransformSet::None, 64) };
    let transform = Transform::new(&config, RAW);
    (0..2000).map(|i| transform.draw(Stream::new(9, "transform").address(&[0, 0, i]))).collect()
}

#[test]
fn parts_are_drawn_as_often_and_as_strongly_as_they_say() {
    let share =
        |draws: &[Draw], is: &dyn Fn(&Draw) -> bool| draws.iter().filter(|d| is(d)).count() as f64 / draws.len() as f64;
    // Five standard deviations of 2000 draws are at most 0.056.
    let near = |share: f64, p: f64| assert!((share - p).abs() < 0.056, "{share} is not {p}");

    let zooms = draws(vec![Augmentation::Zoom { max: 0.4, min: 0.2 }]);
    assert!(zooms.iter().all(|d| matches!(d.parts[..], [Effect::Warp(Warp::Zoom(z))] if (1.2..1.4).contains(&z))));
    let stretches = draws(vec![Augmentation::Stretch { max: 0.5 }]);
    near(share(&stretches, &|d| matches!(d.parts[..], [Effect::Warp(Warp::Stretch { across: true, .. })])), 0.5);
    let one_of =
        draws(vec![Augmentation::RotateZoom { degrees: 9.0, zoom: 0.2, stretch: 0.1, ps: [0.1, 0.2, 0.3, 0.4] }]);
    near(share(&one_of, &|d| matches!(d.parts[..], [Effect::Warp(Warp::Rotate(_))])), 0.1);
    near(share(&one_of, &|d| matches!(d.parts[..], [Effect::Warp(Warp::Zoom(_))])), 0.2);
    near(share(&one_of, &|d| matches!(d.parts[..], [Effect::Warp(Warp::Stretch { .. })])), 0.3);
    near(share(&one_of, &|d| d.parts.is_empty()), 0.4);
    let blurs = draws(vec![Augmentation::Blur { strength: 3, p: 0.2 }]);
    near(share(&blurs, &|d| d.parts == [Effect::Blur(5)]), 0.2);
    let holes = draws(vec![Augmentation::Cutout { holes: 2, length: 16, p: 0.7 }]);
    near(share(&holes, &|d| matches!(d.parts[..], [Effect::Hole(_), Effect::Hole(_)])), 0.7);
    let flips = draws(vec![Augmentation::Flip { p: 0.3 }, Augmentation::Flip { p: 0.6 }]);
    near(share(&flips, &|d| d.parts.len() == 2), 0.18);
    let eight = draws(vec![Augmentation::Dihedral]);
    near(share(&eight, &|d| d.parts == [Effect::Dihedral(Dihedral { turns: 3, flip: true })]), 0.125);
}

#[test]
fn a_list_after_a_set_adds_to_it() {
    let stream = Stream::new(9, "transform");
    let set = Transform::new(&Transforms::new(TransformSet::SideOn, 64), RAW);
    let listed = Transforms {
        augment: vec![
            Augmentation::Rotate { degrees: 10.0, p: 0.75 },
            Augmentation::Lighting { brightness: 0.05, contrast: 0.05 },
            Augmentation::Flip { p: 0.5 },
        ],
        ..Transforms::new(TransformSet::None, 64)
    };
    let listed = Transform::new(&listed, RAW);
    let more = Transforms { augment: vec![Augmentation::Dihedral], ..Transforms::new(TransformSet::SideOn, 64) };
    let more = Transform::new(&more, RAW);
    let mut turned = 0;
    for i in 0..100 {
        let draw = set.draw(stream.address(&[i]));
        assert_eq!(draw, listed.draw(stream.address(&[i])), "the set is that list");
        let other = more.draw(stream.address(&[i]));
        assert_eq!((draw.zoom, &draw.cut), (other.zoom, &other.cut));
        assert!(other.parts.starts_with(&draw.parts));
        let of = |part: &Effect| matches!(part, Effect::Dihedral(dihedral) if dihedral.turns > 0);
        turned += usize::from(other.parts.last().is_some_and(of));
    }
    assert!(turned > 50, "{turned}");
}

#[test]
fn statistics_can_be_chosen_and_undone() {
    use fastai_dsl::StatsWish;
    let picture = Golden::open().picture("smooth_75x100");
    let values = |stats| {
        let transform =
            Transform::new(&Transforms { stats, ..Transforms::new(TransformSet::None, 75) }, Stats::IMAGENET);
        let mut out = vec![0.0; 3 * 75 * 75];
        transform.valid(&picture, &mut out);
        let pixels = transform.denorm(&out);
        (out, pixels)
    };
    let (raw, pixels) = values(StatsWish::None);
    for stats in [StatsWish::Weights, StatsWish::Imagenet, StatsWish::Inception] {
        let (normalised, undone) = values(stats);
        assert!(pixels.iter().zip(&undone).all(|(a, b)| (a - b).abs() < 1e-6), "{stats:?}");
        assert_ne!(raw, normalised);
    }
    assert_eq!(values(StatsWish::Weights), values(StatsWish::Imagenet));
}

/// Two images of 2 x 2 pixels: red planes first, then green, then blue, of one image after the other.
#[test]
fn a_batch_is_undone_image_by_image() {
    let transform = Transform::new(&Transforms::new(TransformSet::None, 2), Stats::IMAGENET);
    let batch: Vec<f32> = (0..24u8).map(f32::from).collect();
    let pixels = transform.denorm(&batch);
    // By hand: x * (.229, .224, .225) + (.485, .456, .406).
    let first = [0.485, 1.352, 2.206];
    let second = [0.714, 1.576, 2.431];
    let last = [0.229 * 15.0 + 0.485, 0.224 * 19.0 + 0.456, 0.225 * 23.0 + 0.406];
    for (at, expected) in [(0, first), (1, second), (7, last)] {
        for (value, expected) in pixels[3 * at..].iter().zip(expected) {
            assert!((f64::from(*value) - expected).abs() < 1e-6, "pixel {at}: {value}, not {expected}");
        }
    }
    assert_eq!(pixels.len(), 24);
    assert_eq!(pixels[..12], transform.denorm(&batch[..12]));
    assert_eq!(pixels[12..], transform.denorm(&batch[12..]));
    for part in [3, 9, 11, 18] {
        let scrambled = std::panic::catch_unwind(|| transform.denorm(&batch[..part]));
        assert!(scrambled.is_err(), "{part} values are no whole image");
    }
}
