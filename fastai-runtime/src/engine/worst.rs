//! Selects the images for the report.

use super::measured::Look;
use crate::data::Item;
use crate::metrics::{
    Probabilities, Thresholds, Truth, f2_of_images, log_loss_of_images, most_incorrect, most_uncertain,
};
use crate::models::DEFAULT_THRESHOLD;
use crate::report::numbers::metric;
use crate::report::{Gallery, GalleryGroup, GalleryImage};

/// Largest number of images in a report, about 6 kB each.
const BUDGET: usize = 96;
/// Largest number of images per class and kind.
const PER_CLASS: usize = 4;
/// Images per kind if there are too many classes to show images of each.
const OVERALL: usize = 30;
/// Largest number of dots in the plot of a regression.
const POINTS: usize = 2_000;
/// Other classes or tags named beside an image.
const NAMED: usize = 6;

/// Selects the most incorrect and the most uncertain predictions.
///
/// With few classes, images of each class; otherwise the worst of all. For tags, the images with the lowest F2 at
/// `thresholds`; for numbers, those with the largest errors.
pub(super) fn gallery(
    look: &Look,
    truth: &Truth,
    items: &[Item],
    classes: &[String],
    thresholds: Option<&Thresholds>,
) -> Gallery {
    let p = &look.probabilities;
    let mut points = Vec::new();
    let (wrong, groups) = match truth {
        Truth::Classes(truth) => single(p, truth, items, classes),
        Truth::Tags { .. } => tags(p, truth, items, classes, thresholds.unwrap_or(&Thresholds::All(DEFAULT_THRESHOLD))),
        Truth::Values(truth) => {
            let pairs = finite(p, truth);
            let step = pairs.len().div_ceil(POINTS).max(1);
            points = pairs.iter().step_by(step).map(|(_, pair)| *pair).collect();
            (0, numbers(pairs, items))
        }
    };
    Gallery { made: look.made.clone(), wrong: wrong as u64, n: truth.len() as u64, groups, points }
}

/// The true and the predicted number of each image for which both are finite.
fn finite(p: &Probabilities, truth: &[f32]) -> Vec<(usize, [f32; 2])> {
    let pairs = truth.iter().zip(p.values()).map(|(is, said)| [*is, *said]).enumerate();
    pairs.filter(|(_, [is, said])| (said - is).is_finite()).collect()
}

/// The images with the largest errors.
fn numbers(mut pairs: Vec<(usize, [f32; 2])>, items: &[Item]) -> Vec<GalleryGroup> {
    let error = |[is, said]: [f32; 2]| (said - is).abs();
    pairs.sort_by(|(a, first), (b, second)| error(*second).total_cmp(&error(*first)).then(a.cmp(b)));
    pairs.truncate(OVERALL);
    let image = |(image, [is, said]): (usize, [f32; 2])| GalleryImage {
        id: items[image].id.clone(),
        path: items[image].path.clone(),
        is: is.to_string(),
        said: vec![(metric(f64::from(said)), said - is)],
        value: error([is, said]),
        ..GalleryImage::default()
    };
    let images: Vec<GalleryImage> = pairs.into_iter().map(image).collect();
    if images.is_empty() { Vec::new() } else { vec![GalleryGroup { title: "Largest errors".to_string(), images }] }
}

fn single(p: &Probabilities, truth: &[u32], items: &[Item], classes: &[String]) -> (usize, Vec<GalleryGroup>) {
    let image = |&image: &usize| {
        let (row, is) = (p.row(image), truth[image] as usize);
        let said = p.top(image);
        GalleryImage {
            id: items[image].id.clone(),
            path: items[image].path.clone(),
            is: classes[is].clone(),
            said: if said == is { Vec::new() } else { vec![(classes[said].clone(), row[said])] },
            value: row[is],
            ..GalleryImage::default()
        }
    };
    let group = |title: String, images: &[usize]| GalleryGroup { title, images: images.iter().map(image).collect() };
    let wrong: Vec<usize> = (0..truth.len()).filter(|i| p.top(*i) != truth[*i] as usize).collect();
    let each = (BUDGET / (2 * classes.len().max(1))).min(PER_CLASS);
    let mut groups = Vec::new();
    if each >= 2 {
        for (class, name) in classes.iter().enumerate() {
            groups.push(group(format!("{name}: most incorrect"), &most_incorrect(p, truth, class, each)));
            groups.push(group(format!("{name}: most uncertain"), &most_uncertain(p, truth, class, each)));
        }
    } else {
        let of_truth = |i: &usize| p.row(*i)[truth[*i] as usize];
        let mut worst = wrong.clone();
        worst.sort_by(|a, b| of_truth(a).total_cmp(&of_truth(b)).then(a.cmp(b)));
        worst.truncate(OVERALL);
        groups.push(group("Most incorrect".to_string(), &worst));
        let mut unsure: Vec<usize> = (0..truth.len()).collect();
        unsure.sort_by(|a, b| lead(p.row(*a)).total_cmp(&lead(p.row(*b))).then(a.cmp(b)));
        unsure.truncate(OVERALL / 2);
        groups.push(group("Most uncertain: the two most probable classes are closest".to_string(), &unsure));
    }
    groups.retain(|group| !group.images.is_empty());
    (wrong.len(), groups)
}

/// The margin of the most probable class.
fn lead(row: &[f32]) -> f32 {
    let (first, second) = row
        .iter()
        .fold((f32::MIN, f32::MIN), |(first, second), &p| if p > first { (p, first) } else { (first, second.max(p)) });
    first - second
}

fn tags(
    p: &Probabilities,
    truth: &Truth,
    items: &[Item],
    classes: &[String],
    thresholds: &Thresholds,
) -> (usize, Vec<GalleryGroup>) {
    let f2 = f2_of_images(p, truth, thresholds);
    let losses = log_loss_of_images(p, truth);
    let mut wrong: Vec<usize> = (0..items.len())
        .filter(|&i| {
            let mut cells = p.row(i).iter().zip(truth.tags_of(i)).enumerate();
            cells.any(|(number, (p, tag))| thresholds.are_exceeded(number, *p) != *tag)
        })
        .collect();
    let all = wrong.len();
    wrong.sort_by(|a, b| f2[*a].total_cmp(&f2[*b]).then(losses[*b].total_cmp(&losses[*a])).then(a.cmp(b)));
    wrong.truncate(OVERALL);
    let image = |&image: &usize| {
        let cells = || classes.iter().zip(p.row(image)).zip(truth.tags_of(image)).enumerate();
        let named = |said: bool, has: bool| -> Vec<(String, f32)> {
            let mut found: Vec<(String, f32)> = cells()
                .filter(|(number, ((_, p), tag))| thresholds.are_exceeded(*number, **p) == said && **tag == has)
                .map(|(_, ((name, p), _))| (name.clone(), *p))
                .collect();
            found.sort_by(|a, b| b.1.total_cmp(&a.1));
            found.truncate(NAMED);
            found
        };
        let right: Vec<String> = named(true, true).into_iter().map(|(name, _)| name).collect();
        GalleryImage {
            id: items[image].id.clone(),
            path: items[image].path.clone(),
            is: right.join(" "),
            said: named(true, false),
            missing: named(false, true),
            value: f2[image] as f32,
            thumbnail: None,
        }
    };
    let images: Vec<GalleryImage> = wrong.iter().map(image).collect();
    let title = format!("Worst F2, tags said above {thresholds}");
    (all, if images.is_empty() { Vec::new() } else { vec![GalleryGroup { title, images }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Target;

    fn items(n: usize) -> Vec<Item> {
        (0..n).map(|i| Item { id: i.to_string(), path: "x".into(), target: Target::Unlabelled }).collect()
    }

    fn look(values: Vec<f32>, classes: usize) -> Look {
        let probabilities = Probabilities::new(values, classes);
        Look { probabilities, loss: 0.0, trn_loss: None, made: "plain".into(), chosen: None }
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("c{i}")).collect()
    }

    #[test]
    fn few_classes_show_some_of_each() {
        let look = look(vec![0.9, 0.1, 0.3, 0.7, 0.45, 0.55, 0.2, 0.8], 2);
        let found = gallery(&look, &Truth::Classes(vec![0, 0, 0, 1]), &items(4), &names(2), None);
        assert_eq!((found.wrong, found.n), (2, 4));
        let titles: Vec<&str> = found.groups.iter().map(|g| g.title.as_str()).collect();
        assert_eq!(titles, ["c0: most incorrect", "c0: most uncertain", "c1: most uncertain"]);
        let first = &found.groups[0].images[0];
        assert_eq!((first.id.as_str(), first.said[0].0.as_str(), first.value), ("1", "c1", 0.3));
    }

    #[test]
    fn many_classes_show_the_worst_of_all_within_bounds() {
        let n = 300;
        let values = (0..n * 120).map(|i| if i % 120 == 5 { 0.4 } else { 0.005 }).collect();
        let found = gallery(&look(values, 120), &Truth::Classes(vec![7; n]), &items(n), &names(120), None);
        assert_eq!(found.wrong, 300);
        assert_eq!(found.groups.iter().map(|g| g.images.len()).collect::<Vec<_>>(), [OVERALL, OVERALL / 2]);
    }

    #[test]
    fn tags_name_what_is_missing_and_what_is_too_much() {
        let look = look(vec![0.9, 0.1, 0.8, 0.9, 0.9, 0.1], 3);
        let cells = vec![true, true, false, true, true, false];
        let found = gallery(&look, &Truth::Tags { cells, tags: 3 }, &items(2), &names(3), Some(&Thresholds::All(0.2)));
        assert_eq!((found.wrong, found.groups.len(), found.groups[0].images.len()), (1, 1, 1));
        let image = &found.groups[0].images[0];
        assert_eq!(image.is, "c0");
        assert_eq!((&image.missing[0], &image.said[0]), (&("c1".to_string(), 0.1), &("c2".to_string(), 0.8)));
        assert!((image.value - 0.5).abs() < 1e-6, "one hit, one missed, one wrong: 5 / (5 + 4 + 1)");
    }

    #[test]
    fn numbers_show_the_largest_errors_and_a_dot_for_each_image() {
        let found = gallery(
            &look(vec![1.5, 9.0, f32::NAN, -2.0], 1),
            &Truth::Values(vec![1.0, 4.0, 3.0, -1.0]),
            &items(4),
            &names(1),
            None,
        );
        assert_eq!(found.points, [[1.0, 1.5], [4.0, 9.0], [-1.0, -2.0]]);
        let ids: Vec<&str> = found.groups[0].images.iter().map(|image| image.id.as_str()).collect();
        assert_eq!(ids, ["1", "3", "0"]);
        let worst = &found.groups[0].images[0];
        assert_eq!((worst.is.as_str(), &worst.said[0], worst.value), ("4", &("9.0000".to_string(), 5.0), 5.0));
        let many = gallery(&look(vec![0.0; 5001], 1), &Truth::Values(vec![1.0; 5001]), &items(5001), &names(1), None);
        assert_eq!((many.points.len(), many.groups[0].images.len(), many.n), (1667, OVERALL, 5001));
        assert!(
            gallery(&look(vec![f32::NAN], 1), &Truth::Values(vec![1.0]), &items(1), &names(1), None).groups.is_empty()
        );
    }

    #[test]
    fn nothing_wrong_shows_nothing() {
        let truth = Truth::Tags { cells: vec![true], tags: 1 };
        assert!(gallery(&look(vec![0.9], 1), &truth, &items(1), &names(1), None).groups.is_empty());
    }
}
