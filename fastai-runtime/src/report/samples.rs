//! The content of a data set: counts and sample images.

use std::collections::HashMap;
use std::path::Path;

use fastai_dsl::TaskKind;
use maud::{Markup, html};
use rayon::prelude::*;

use super::bars::Bars;
use super::gallery::{loading, thumbnail};
use super::numbers::grouped;
use super::record::ClassCount;
use super::tables::{bars_of, class_counts};
use crate::data::{Dataset, Item, Target};

/// With more classes than this, the page shows them in columns.
const MANY: usize = 30;
/// Sample images per class, with few classes.
const SAMPLES: usize = 6;
/// Sample images per class, with many classes.
const FEW: usize = 3;
/// Largest number of images on the page; with more classes than this, only some classes appear.
const BUDGET: usize = 360;
/// Sample images across the range of a regression's target.
const VALUES: usize = 12;

/// The thumbnails of a page by file, in base64; images that can no longer be read are left out.
type Thumbnails<'a> = HashMap<&'a Path, String>;

/// Counts and samples of each class or tag, or of the regression target.
pub fn samples(dataset: &Dataset) -> Markup {
    if dataset.task == TaskKind::Regression { values(dataset) } else { classes(dataset) }
}

/// The regression targets, and images from the smallest target to the largest.
fn values(dataset: &Dataset) -> Markup {
    let numbers = dataset.train.iter().filter_map(|item| Some((item.target.value()?, item)));
    let mut items: Vec<(f32, &Item)> = numbers.collect();
    if items.is_empty() {
        return html! {};
    }
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    let shown = spread(&items, VALUES);
    let pictures = thumbnails(shown.iter().map(|(_, item)| *item));
    html! {
        h2 { "Values" }
        div.cards.pairs { @for bars in Bars::of_targets(dataset) { (bars.card()) } }
        p.soft { "Training images from the smallest to the largest value, evenly spaced in their order." }
        div.gallery { @for (value, item) in shown { (picture(item, html! { strong { (exact(value)) } }, &pictures)) } }
    }
}

/// The number as read: `40.512`, `7`, `1e20`.
fn exact(value: f32) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// The number of images of each class, and a few of its training images.
fn classes(dataset: &Dataset) -> Markup {
    let tags = dataset.task == TaskKind::MultiLabel;
    let (what, plural) = if tags { ("tag", "Tags") } else { ("class", "Classes") };
    if dataset.classes.is_empty() {
        return html! {};
    }
    let (counts, train) = (ClassCount::of(dataset), members(dataset));
    html! {
        h2 { (plural) }
        @if tags { p.soft { "An image counts for each of its tags." } }
        @if counts.len() > MANY { (columns(&counts)) } @else { (class_counts(what, &counts)) }
        @if counts.len() > MANY { (grid(dataset, &train)) } @else { (rows(dataset, &train)) }
    }
}

/// The training images of each class, in their order.
fn members(dataset: &Dataset) -> Vec<Vec<&Item>> {
    let mut members = vec![Vec::new(); dataset.classes.len()];
    for item in &dataset.train {
        item.target.classes().iter().for_each(|class| members[*class as usize].push(item));
    }
    members
}

fn columns(counts: &[ClassCount]) -> Markup {
    let bar = bars_of(counts);
    let train = |class: &&ClassCount| class.train;
    html! {
        @if let (Some(least), Some(most)) = (counts.iter().min_by_key(train), counts.iter().max_by_key(train)) {
            p.soft {
                (counts.len()) " in all, from " (grouped(least.train as u64)) " (" (least.name) ") to " (grouped(most.train as u64))
                " (" (most.name) ") training images. Training and validation images of each:"
            }
        }
        div.counts { @for class in counts { div {
            span.name title=(class.name) { (class.name) }
            span.n { (grouped(class.train as u64)) } span.n.soft { (grouped(class.valid as u64)) }
            span.bar { (bar(class)) }
        } } }
    }
}

/// One row of images per class.
fn rows(dataset: &Dataset, members: &[Vec<&Item>]) -> Markup {
    let shown: Vec<Vec<&Item>> = members.iter().map(|items| spread(items, SAMPLES)).collect();
    let pictures = thumbnails(shown.iter().flatten().copied());
    html! { @for (class, (name, items)) in dataset.classes.iter().zip(&shown).enumerate() {
        h3 { (name) }
        @if items.is_empty() { p.soft { "No training image." } }
        div.gallery { @for item in items { (picture(item, others(dataset, item, class), &pictures)) } }
    } }
}

/// A few images per class; with very many classes, only of the largest and the smallest.
fn grid(dataset: &Dataset, members: &[Vec<&Item>]) -> Markup {
    let all = members.len();
    let mut order: Vec<usize> = (0..all).collect();
    let each = if FEW * all <= BUDGET { FEW } else { 1 };
    if all > BUDGET {
        order.sort_by_key(|class| std::cmp::Reverse(members[*class].len()));
        order.drain(BUDGET / 2..all - BUDGET / 2);
    }
    let shown: Vec<(usize, Vec<&Item>)> = order.iter().map(|class| (*class, spread(&members[*class], each))).collect();
    let pictures = thumbnails(shown.iter().flat_map(|(_, items)| items.iter().copied()));
    html! {
        h3 { "Training images" }
        @if all > BUDGET {
            p.soft { "One each of the " (BUDGET / 2) " largest and the " (BUDGET / 2) " smallest of " (grouped(all as u64)) "." }
        }
        div.classes.single[each == 1] { @for (class, items) in shown { figure {
            div.strip { @for item in &items { (thumb(item, &pictures)) } }
            figcaption { (dataset.classes[class]) " " small { (grouped(members[class].len() as u64)) } }
        } } }
    }
}

/// The other tags of an image.
fn others(dataset: &Dataset, item: &Item, class: usize) -> Markup {
    let Target::Tags(tags) = &item.target else { return html! {} };
    let names: Vec<&str> =
        tags.iter().filter(|tag| **tag as usize != class).map(|tag| dataset.classes[*tag as usize].as_str()).collect();
    html! { @if !names.is_empty() { div { "+ " (names.join(", ")) } } }
}

fn picture(item: &Item, caption: Markup, pictures: &Thumbnails) -> Markup {
    html! {
        figure.picture {
            (thumb(item, pictures))
            figcaption { (caption) div.id title=(item.path.display()) { (item.id) } }
        }
    }
}

fn thumb(item: &Item, pictures: &Thumbnails) -> Markup {
    html! {
        @match pictures.get(item.path.as_path()) {
            Some(data) => img src=(format!("data:image/jpeg;base64,{data}")) alt=(item.id) title=(item.id) loading=[loading(pictures.len())];,
            None => div.gone { "no longer readable" },
        }
    }
}

/// Selects at most `count` items of `list`, evenly spaced, including the first and the last.
fn spread<T: Copy>(list: &[T], count: usize) -> Vec<T> {
    if list.len() <= count {
        return list.to_vec();
    }
    if count == 1 {
        return vec![list[0]];
    }
    (0..count).map(|i| list[i * (list.len() - 1) / (count - 1)]).collect()
}

fn thumbnails<'a>(items: impl Iterator<Item = &'a Item>) -> Thumbnails<'a> {
    let mut paths: Vec<&Path> = items.map(|item| item.path.as_path()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_par_iter().filter_map(|path| Some((path, thumbnail(path)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class number `i` of `classes` has `i + 1` training images and one validation image; their files are not there.
    fn dataset(classes: usize) -> Dataset {
        let item = |class: usize, number: usize| Item {
            id: format!("{class}/{number}"),
            path: format!("/nowhere/{class}/{number}.jpg").into(),
            target: Target::Class(class as u32),
        };
        Dataset {
            root: "/nowhere".into(),
            classes: (0..classes).map(|i| format!("class{i}.")).collect(),
            task: TaskKind::SingleLabel,
            train: (0..classes).flat_map(|class| (0..=class).map(move |number| item(class, number))).collect(),
            valid: (0..classes).map(|class| item(class, classes)).collect(),
            test: Vec::new(),
            split: fastai_dsl::Valid::None,
            notes: Vec::new(),
        }
    }

    fn pictures_on(page: &str) -> usize {
        page.matches("no longer readable").count()
    }

    #[test]
    fn every_class_is_counted_and_shown_up_to_a_sane_number() {
        let page = samples(&dataset(4)).into_string();
        assert_eq!(pictures_on(&page), 1 + 2 + 3 + 4);
        assert!(page.contains("<h3>class3.</h3>"));
        let page = samples(&dataset(120)).into_string();
        assert_eq!(pictures_on(&page), 1 + 2 + 118 * 3);
        assert!((0..120).all(|i| page.matches(&format!(">class{i}.<")).count() == 1), "counted");
        assert!((0..120).all(|i| page.contains(&format!("class{i}. <small>{}</small>", i + 1))), "shown");
        assert!(page.contains("120 in all, from 1 (class0.) to 120 (class119.) training images."));
        assert!(!page.contains("largest and the"));
    }

    #[test]
    fn of_very_many_classes_the_largest_and_the_smallest_are_shown() {
        let page = samples(&dataset(400)).into_string();
        assert_eq!(pictures_on(&page), 360);
        assert!(page.contains("One each of the 180 largest and the 180 smallest of 400."));
        let shown = |i: usize| page.contains(&format!("class{i}. <small>"));
        assert!((0..180).all(shown) && !(180..220).any(shown) && (220..400).all(shown));
        assert!((0..400).all(|i| page.contains(&format!(">class{i}.<"))), "all are counted");
        assert!(page.find("class399. <small>") < page.find("class0. <small>"));
    }

    #[test]
    fn a_class_without_training_images_is_there_all_the_same() {
        let mut dataset = dataset(3);
        dataset.train.retain(|item| item.target != Target::Class(1));
        let page = samples(&dataset).into_string();
        assert!(page.contains("<h3>class1.</h3><p class=\"soft\">No training image.</p>"), "{page}");
    }

    #[test]
    fn an_image_with_tags_names_its_other_ones() {
        let mut dataset = dataset(3);
        dataset.task = TaskKind::MultiLabel;
        dataset.train.iter_mut().for_each(|item| item.target = Target::Tags(vec![0, 2]));
        let page = samples(&dataset).into_string();
        assert_eq!((page.matches("+ class2.").count(), page.matches("+ class0.").count()), (6, 6));
        assert!(page.contains("<h2>Tags</h2>") && page.contains("counts for each of its tags"));
    }

    #[test]
    fn values_are_shown_as_they_were_read() {
        assert_eq!([40.512, 7.0, -0.1, 1e20, 100_234.0].map(exact), ["40.512", "7", "-0.1", "1e20", "100234"]);
    }

    #[test]
    fn samples_reach_from_the_first_to_the_last() {
        let list: Vec<usize> = (0..100).collect();
        assert_eq!(spread(&list, 4), [0, 33, 66, 99]);
        assert_eq!(spread(&list[..3], 4), [0, 1, 2]);
        assert_eq!(spread(&list, 1), [0]);
    }
}
