//! A page to look at a data set before training on it.

use std::path::Path;

use fastai_dsl::{Data, Recipe, Source};
use image::RgbImage;
use image::codecs::png::PngEncoder;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gallery::{base64, thumbnail};
use super::html::STYLE;
use super::numbers::grouped;
use crate::RunError;
use crate::data::{DataError, Dataset, Health, Histogram, Item, Preflight, Reading, Target};
use crate::progress::{Progress, StopSignal};
use crate::random::Stream;
use crate::transforms::Transform;

/// Rows of the csv file that are shown.
const ROWS: usize = 5;
/// Letters of a cell that are shown.
const LETTERS: usize = 80;
/// Images of each class that are shown.
const SAMPLES: usize = 6;
/// Classes whose images are shown.
const CLASSES: usize = 30;
/// Bins of a histogram, as the lesson draws it.
const BINS: usize = 10;
/// Sides from here on are left out of the second histogram.
const LONG: u32 = 1000;
/// Augmented versions a side of the sheet.
const SIDE: u32 = 3;
/// Pixels between them.
const GAP: u32 = 4;
/// An image of the sheet is enlarged to at least this many pixels.
const LEAST: u32 = 128;

/// What `fastai show` writes.
#[derive(Clone, Debug)]
pub struct Show {
    /// One self-contained page: images are inline, nothing is fetched, no script runs.
    pub html: String,
    /// Nine augmented versions of one image, in rows.
    pub sheet: RgbImage,
    /// The image that the sheet shows.
    pub shown: String,
}

impl Show {
    /// Looks at the data set of `recipe`, every image of it, and at what the transforms make of the training image in the
    /// middle of the list.
    ///
    /// The nine versions are those that epochs 0 to 8 of the first stage train on.
    ///
    /// # Errors
    /// Whatever would keep a run from beginning to train: what is wrong with csv file, folders and images;
    /// [`RunError::Stopped`].
    pub fn new(
        recipe: &Recipe,
        known: Option<&Path>,
        stop: &StopSignal,
        progress: &mut dyn Progress,
    ) -> Result<Show, RunError> {
        let data = recipe.data();
        let preflight = Preflight { known, ..Preflight::of(recipe, stop) };
        let (dataset, health) = preflight.open(data, recipe.task(), progress)?;
        // The first of a list is often the odd one; the middle also lies in another class than the first folder's.
        let (sheet, shown) = match dataset.train.get(dataset.train.len() / 2) {
            Some(item) => (sheet(recipe, item)?, item.id.clone()),
            None => (RgbImage::new(1, 1), String::new()),
        };
        let html = page(recipe, &dataset, &health, &sheet, &shown).into_string();
        Ok(Show { html, sheet, shown })
    }

    /// The sheet as a PNG file's bytes.
    pub fn png(&self) -> Vec<u8> {
        png(&self.sheet)
    }
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and the sides are those of an image that is there.
    let _ = image.write_with_encoder(PngEncoder::new(&mut bytes));
    bytes
}

/// Nine augmented versions of one image.
fn sheet(recipe: &Recipe, item: &Item) -> Result<RgbImage, RunError> {
    let size = recipe.transforms().size;
    let transform = Transform::new(recipe.transforms(), recipe.model().facts().stats);
    let image = Reading::of(recipe.data().resize_to)
        .read(&item.path, transform.shorter_side())
        .map_err(|reason| DataError::one(format!("{}: {reason}", item.path.display())))?;
    let stream = Stream::new(recipe.seed(), "transform");
    let factor = LEAST.div_ceil(size);
    let cell = size * factor;
    let mut sheet = RgbImage::from_pixel(SIDE * (cell + GAP) - GAP, SIDE * (cell + GAP) - GAP, image::Rgb([255; 3]));
    let mut values = vec![0.0; 3 * (size * size) as usize];
    for epoch in 0..SIDE * SIDE {
        transform.train(&image, &mut stream.at(&[0, u64::from(epoch), 0]), &mut values);
        let pixels = transform.denorm(&values);
        let (left, top) = (epoch % SIDE * (cell + GAP), epoch / SIDE * (cell + GAP));
        for (x, y) in (0..cell).flat_map(|y| (0..cell).map(move |x| (x, y))) {
            let at = 3 * ((y / factor * size) + x / factor) as usize;
            let channel = |c: usize| (pixels[at + c].clamp(0.0, 1.0) * 255.0).round() as u8;
            sheet.put_pixel(left + x, top + y, image::Rgb([channel(0), channel(1), channel(2)]));
        }
    }
    Ok(sheet)
}

fn page(recipe: &Recipe, dataset: &Dataset, health: &Health, sheet: &RgbImage, shown: &str) -> Markup {
    let transforms = recipe.transforms();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                title { (recipe.name()) " – data" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (recipe.name()) ": the data" }
                @if let Some(doc) = recipe.doc() { p.soft { (doc) } }
                p {
                    (grouped(dataset.train.len() as u64)) " training, " (grouped(dataset.valid.len() as u64)) " validation, "
                    (grouped(dataset.test.len() as u64)) " test images in " code { (dataset.root.display()) }
                }
                (findings(dataset, health))
                (csv_rows(recipe.data(), dataset))
                @if !shown.is_empty() {
                    h2 { "Augmented" }
                    figure {
                        figcaption {
                            "Nine times " code { (shown) } " as the network is trained on it in nine epochs: "
                            code { (transforms.set.word()) } ", " (transforms.size) " pixels."
                        }
                        img style="max-width:100%" width=(sheet.width()) height=(sheet.height())
                            src=(format!("data:image/png;base64,{}", base64(&png(sheet)))) alt="nine augmented versions of one image";
                    }
                }
                (classes(dataset))
                h2 { "Sizes" }
                div.cards {
                    @for (title, sides) in [("Width", health.widths()), ("Height", health.heights())] {
                        (histogram(&format!("{title}, pixels"), &sides))
                        // A few large photos would leave the others in one bar.
                        @if sides.iter().any(|side| *side >= LONG) {
                            (histogram(&format!("{title} below 1,000"), &below(sides)))
                        }
                    }
                }
            }
        }
    }
}

/// What preflight found.
fn findings(dataset: &Dataset, health: &Health) -> Markup {
    let notes = health.notes(&dataset.root);
    html! {
        h2 { "Checked" }
        @if notes.is_empty() && dataset.notes.is_empty() {
            p { (grouped(health.images as u64)) " images were decoded; nothing to report." }
        } @else {
            p { (grouped(health.images as u64)) " images were decoded." }
            ul { @for note in dataset.notes.iter().chain(&notes) { li { (note) } } }
        }
        @for (what, pairs) in health.pairs(&dataset.root) {
            details {
                summary { (what) ": " (grouped(pairs.len() as u64)) }
                div.wide { table.narrow { tbody { @for [a, b] in pairs { tr { td.name { (a) } td.name { (b) } } } } } }
            }
        }
    }
}

/// The first rows of the csv file.
fn csv_rows(data: &Data, dataset: &Dataset) -> Markup {
    let Source::Csv { labels, header, .. } = &data.source else { return html! {} };
    let path = dataset.root.join(labels);
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(&path);
    let Ok(mut reader) = reader else { return html! {} };
    let rows: Vec<csv::StringRecord> =
        reader.records().take(ROWS + usize::from(*header)).filter_map(Result::ok).collect();
    let (head, body) = rows.split_at(usize::from(*header).min(rows.len()));
    let cell = |text: &str| text.chars().take(LETTERS).collect::<String>();
    html! {
        h2 { "Labels" }
        p.soft { "The first rows of " code { (labels) } }
        div.wide { table.narrow {
            @for row in head { thead { tr { @for text in row { th { (cell(text)) } } } } }
            tbody { @for row in body { tr { @for text in row { td { (cell(text)) } } } } }
        } }
    }
}

/// Counts of each class, and a few of its training images.
fn classes(dataset: &Dataset) -> Markup {
    let is = |item: &Item, class: u32| match &item.target {
        Target::Class(number) => *number == class,
        Target::Tags(numbers) => numbers.contains(&class),
        Target::Value(_) | Target::Unlabelled => false,
    };
    let count = |items: &[Item], class: u32| items.iter().filter(|item| is(item, class)).count() as u64;
    let numbers = 0..dataset.classes.len() as u32;
    let counts: Vec<[u64; 2]> =
        numbers.map(|class| [count(&dataset.train, class), count(&dataset.valid, class)]).collect();
    let most = counts.iter().map(|c| c[0]).max().unwrap_or(0).max(1);
    if counts.iter().all(|c| c[0] == 0) {
        return html! {};
    }
    html! {
        h2 { "Classes" }
        div.wide { table {
            thead { tr { th { "class" } th.n { "train" } th.n { "valid" } th { "share of the largest, train" } } }
            tbody { @for (name, [train, valid]) in dataset.classes.iter().zip(&counts) { tr {
                th.name { (name) } td.n { (grouped(*train)) } td.n { (grouped(*valid)) }
                td.bar { i style=(format!("width:{:.1}%", 100.0 * *train as f64 / most as f64)) {} }
            } } }
        } }
        @if dataset.classes.len() > CLASSES { p.soft { "Images of the first " (CLASSES) " classes." } }
        @for (class, name) in dataset.classes.iter().enumerate().take(CLASSES) {
            h3 { (name) }
            div.gallery {
                @for item in dataset.train.iter().filter(|item| is(item, class as u32)).take(SAMPLES) {
                    figure.picture {
                        @if let Some(data) = thumbnail(&item.path) {
                            img src=(format!("data:image/jpeg;base64,{data}")) alt=(item.id) loading="lazy";
                        }
                        figcaption { div.id title=(item.path.display()) { (item.id) } }
                    }
                }
            }
        }
    }
}

fn below(mut sides: Vec<u32>) -> Vec<u32> {
    sides.retain(|side| *side < LONG);
    sides
}

fn histogram(title: &str, sides: &[u32]) -> Markup {
    if sides.is_empty() {
        return html! {};
    }
    if let Some(side) = sides.first().filter(|first| sides.iter().all(|side| side == *first)) {
        return html! { div.card { h3 { (title) } p { "all " (grouped(u64::from(*side))) " pixels" } } };
    }
    let histogram = Histogram::new(sides, BINS);
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    html! {
        div.card {
            h3 { (title) }
            table { tbody { @for (edges, count) in histogram.edges.windows(2).zip(&histogram.counts) { tr {
                td.n { (format!("{:.0} – {:.0}", edges[0], edges[1])) }
                td.n { (grouped(*count)) }
                td.bar { i style=(format!("width:{:.1}%", 100.0 * *count as f64 / most as f64)) {} }
            } } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_page_shows_rows_classes_sizes_and_nine_versions() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        std::fs::create_dir(&images).unwrap();
        let mut csv = String::from("name,kind\n");
        for i in 0..20u32 {
            let picture =
                RgbImage::from_fn(40 + i, 60, |x, y| Rgb([(x * 5 + i) as u8, (y * 3 + i * 11) as u8, (x * y) as u8]));
            picture.save(images.join(format!("p{i}.png"))).unwrap();
            csv += &format!("p{i},{}\n", if i % 2 == 0 { "even" } else { "<odd>" });
        }
        std::fs::write(folder.path().join("labels.csv"), csv).unwrap();
        let text = format!(
            "Shown {{ task: single_label,
                data: csv {{ root: {:?}, labels: \"labels.csv\", images: \"images\", suffix: \".png\", batch: 2 }},
                transforms: side_on {{ size: 32, max_zoom: 1.1 }}, model: squeezenet1_1 {{ weights: none }},
                metrics: [accuracy], train: {{ fit(0.01, 1); }}, }}",
            folder.path()
        );
        let source = fastai_dsl::source::Source::new("shown.recipe", &text, &[]);
        let recipe = &source.result.as_ref().unwrap_or_else(|_| panic!("{}", source.render(false))).recipe;
        let show = Show::new(recipe, None, &StopSignal::default(), &mut Silent).unwrap();
        // 32 pixels are shown four times as large.
        assert_eq!(show.sheet.dimensions(), (3 * 128 + 8, 3 * 128 + 8));
        let part = |i: u32| image::imageops::crop_imm(&show.sheet, i % 3 * 132, i / 3 * 132, 128, 128).to_image();
        assert!((1..9).all(|i| part(i) != part(0)), "all versions look alike");
        let decoded = image::load_from_memory(&show.png()).unwrap().into_rgb8();
        assert_eq!(decoded, show.sheet);
        let page = &show.html;
        assert!(page.contains("<th>kind</th>") && page.contains("<td>p0</td>"), "the first rows");
        assert!(page.contains("&lt;odd&gt;") && !page.contains("<odd>"), "names are escaped");
        assert_eq!(page.matches("data:image/jpeg;base64,").count(), 12, "six images a class");
        assert_eq!(page.matches("data:image/png;base64,").count(), 1);
        assert!(page.contains("40 – 42") && page.contains("57 – 59"), "bins of widths");
        assert!(page.contains("all 60 pixels"), "one height needs no bins");
        assert!(!page.contains("below 1,000"), "no side is longer");
        assert_eq!(show.shown, "p10", "the image in the middle of the list");
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    }
}
