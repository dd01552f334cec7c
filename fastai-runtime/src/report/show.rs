//! A page for inspecting a data set before training.

use std::path::Path;

use fastai_dsl::{Data, Recipe, Source};
use image::RgbImage;
use image::codecs::png::PngEncoder;
use maud::{Markup, html};

use super::bars::{Bars, range};
use super::gallery::base64;
use super::numbers::grouped;
use super::page::{marked, page};
use super::samples::samples;
use super::sheet::Sheet;
use crate::RunError;
use crate::data::{Dataset, Finding, Health, Preflight, first_rows};
use crate::progress::{Progress, StopSignal};

/// Rows of the csv file on the page.
const ROWS: usize = 5;
/// Characters of a cell on the page.
const LETTERS: usize = 80;

/// What `fastai show` writes.
#[derive(Clone, Debug)]
pub struct Show {
    /// A self-contained page: images are inline, nothing is fetched, and no script runs.
    pub html: String,
    /// Nine augmented versions of one training image, if one can be read.
    pub sheet: Option<Sheet>,
    /// Errors that would prevent training. The page still shows everything readable.
    pub findings: Vec<Finding>,
    /// Warnings that do not prevent training.
    pub notes: Vec<String>,
}

impl Show {
    /// Checks every image of the recipe's data set and applies the transforms to the middle training image.
    ///
    /// `cache` is the folder with the list of valid files; without it, every image is decoded again.
    ///
    /// # Errors
    /// If the data folder does not exist; [`RunError::Stopped`].
    pub fn new(
        recipe: &Recipe,
        cache: Option<&Path>,
        stop: &StopSignal,
        progress: &mut dyn Progress,
    ) -> Result<Show, RunError> {
        let known = cache.map(|cache| cache.join("verified.bin"));
        let preflight = Preflight { known: known.as_deref(), ..Preflight::of(recipe, stop) };
        let (dataset, health, mut findings) = preflight.survey(recipe.data(), recipe.task(), progress)?;
        let sheet = match Sheet::of(recipe, &dataset) {
            Err(RunError::Data(error)) => {
                findings.extend(error.findings);
                None
            }
            other => other?,
        };
        let mut notes = dataset.notes.clone();
        notes.extend(health.notes_beside_page(&dataset.root, &dataset.split));
        let mut show = Show { html: String::new(), sheet, findings, notes };
        show.html = page(&format!("{} – data", recipe.name()), &show.content(recipe, &dataset, &health));
        Ok(show)
    }

    /// The sheet as the bytes of a PNG file, equal to the picture on the page.
    pub fn png(&self) -> Option<Vec<u8>> {
        self.sheet.as_ref().map(|sheet| png(&sheet.image))
    }

    fn content(&self, recipe: &Recipe, dataset: &Dataset, health: &Health) -> Markup {
        let [train, valid, test] =
            [&dataset.train, &dataset.valid, &dataset.test].map(|part| grouped(part.len() as u64));
        html! {
            h1 { (recipe.name()) ": the data" }
            @if let Some(doc) = recipe.doc() { @for part in doc.split("\n\n") { p.soft { (marked(part)) } } }
            p {
                (train) " training, " (valid) " validation, " (test) " test images in " code { (dataset.root.display()) }
            }
            (self.checked(dataset, health))
            (csv_rows(recipe.data(), dataset))
            @if let Some(sheet) = &self.sheet {
                h2 { "Augmented" }
                @let source = format!("data:image/png;base64,{}", base64(&png(&sheet.image)));
                (sheet.figure(recipe.transforms(), &source))
            }
            (samples(dataset))
            (sizes(health))
        }
    }

    /// The findings of preflight, errors first.
    fn checked(&self, dataset: &Dataset, health: &Health) -> Markup {
        let mut notes = dataset.notes.clone();
        notes.extend(health.notes_with_lists(&dataset.root, &dataset.split));
        html! {
            @if !self.findings.is_empty() {
                div.banner { "As it is, nothing would be trained on this data. The page shows what can be read." }
                ul.findings { @for finding in &self.findings { li { (marked(&finding.text)) } } }
            }
            h2 { "Checked" }
            p {
                (grouped(health.images as u64)) " images can be decoded"
                @if self.findings.is_empty() && notes.is_empty() { "; nothing to report" } "."
            }
            @if !notes.is_empty() { ul { @for note in &notes { li { (marked(note)) } } } }
            @for (what, pairs) in health.pairs(&dataset.root) {
                details {
                    summary { (what) ": " (grouped(pairs.len() as u64)) }
                    div.wide { table.narrow { tbody { @for [a, b] in pairs { tr { td.name { (a) } td.name { (b) } } } } } }
                }
            }
        }
    }
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and the dimensions are those of an existing image.
    let _ = image.write_with_encoder(PngEncoder::new(&mut bytes));
    bytes
}

/// The first rows of the csv file.
fn csv_rows(data: &Data, dataset: &Dataset) -> Markup {
    let Source::Csv { labels, header, delimiter, encoding, .. } = &data.source else { return html! {} };
    let rows = first_rows(&dataset.root.join(labels), *delimiter, *encoding, ROWS + usize::from(*header));
    if rows.is_empty() {
        return html! {};
    }
    let (head, body) = rows.split_at(usize::from(*header).min(rows.len()));
    let cell = |text: &str| {
        let mut letters = text.chars();
        let shown: String = letters.by_ref().take(LETTERS).collect();
        if letters.next().is_some() { shown + "…" } else { shown }
    };
    html! {
        h2 { "Labels" }
        p.soft { "The first rows of " code { (labels) } }
        div.wide { table.narrow {
            @for row in head { thead { tr { @for text in row { th { (cell(text)) } } } } }
            tbody { @for row in body { tr { @for text in row { td { (cell(text)) } } } } }
        } }
    }
}

/// Image sizes: histograms for the training part, a line for the others.
fn sizes(health: &Health) -> Markup {
    let [train, valid, test] = &health.sizes;
    let bars = Bars::of_sizes(train);
    let line =
        |[[w0, w1], [h0, h1]]: [[u32; 2]; 2]| format!("width {}, height {} pixels", range(w0, w1), range(h0, h1));
    html! {
        @if !bars.is_empty() {
            h2 { "Sizes" }
            p.soft { (grouped(train.images())) " training images, as their files are." }
            div.cards.pairs { @for bars in &bars { (bars.card()) } }
            @for (what, sizes) in [("Validation", valid), ("Test", test)] {
                @if let Some(extremes) = sizes.extremes() {
                    p.soft { (what) ": " (grouped(sizes.images())) " images, " (line(extremes)) "." }
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use image::Rgb;
    use tempfile::TempDir;

    use super::*;
    use crate::progress::Silent;

    /// Twenty pictures of 40 to 59 x 60 pixels, `p0` to `p19`, and `labels.csv` with what `label` says of each.
    pub(in crate::report) fn pictures(label: impl Fn(u32) -> String) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        std::fs::create_dir(&images).unwrap();
        let mut csv = String::from("name,kind\n");
        for i in 0..20u32 {
            let picture =
                RgbImage::from_fn(40 + i, 60, |x, y| Rgb([(x * 5 + i) as u8, (y * 3 + i * 11) as u8, (x * y) as u8]));
            picture.save(images.join(format!("p{i}.png"))).unwrap();
            csv += &format!("p{i},{}\n", label(i));
        }
        std::fs::write(folder.path().join("labels.csv"), csv).unwrap();
        folder
    }

    pub(in crate::report) fn odd_or_even(i: u32) -> String {
        if i.is_multiple_of(2) { "even" } else { "<odd>" }.to_string()
    }

    /// A recipe on such a folder, with more keys of `data` and other sections.
    pub(in crate::report) fn recipe(folder: &TempDir, task: &str, data: &str, sections: &str) -> Recipe {
        let text = format!(
            "Shown {{ task: {task},
                data: csv {{ root: {:?}, labels: \"labels.csv\", images: \"images\", suffix: \".png\", batch: 2, {data} }},
                transforms: side_on {{ size: 32, max_zoom: 1.1 }}, model: squeezenet1_1, {sections} }}",
            folder.path()
        );
        let source = fastai_dsl::source::RecipeText::new("shown.recipe", &text, &[]);
        source.result.as_ref().unwrap_or_else(|_| panic!("{}", source.render(false))).recipe.clone()
    }

    const PLAIN: &str = "metrics: [accuracy], train: { fit(0.01, 1); }";

    fn show(recipe: &Recipe) -> Show {
        Show::new(recipe, None, &StopSignal::default(), &mut Silent).unwrap()
    }

    #[test]
    fn the_page_shows_rows_classes_sizes_and_nine_versions() {
        let folder = pictures(odd_or_even);
        let show = show(&recipe(&folder, "single_label", "", PLAIN));
        let sheet = show.sheet.as_ref().unwrap();
        let decoded = image::load_from_memory(&show.png().unwrap()).unwrap().into_rgb8();
        assert_eq!(decoded, sheet.image);
        let page = &show.html;
        assert!(page.contains(&base64(&show.png().unwrap())), "the picture is the page's");
        assert!(page.contains("<th>kind</th>") && page.contains("<td>p0</td>"), "the first rows");
        assert!(page.contains("&lt;odd&gt;") && !page.contains("<odd>"), "names are escaped");
        assert_eq!(page.matches("data:image/jpeg;base64,").count(), 12, "six images a class");
        assert_eq!(page.matches("data:image/png;base64,").count(), 1);
        assert_eq!(sheet.id, "p10", "the image in the middle of the list");
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
        assert!(show.findings.is_empty() && !page.contains("nothing would be trained"));
    }

    #[test]
    fn the_first_rows_are_read_as_the_recipe_says() {
        let folder = pictures(odd_or_even);
        let labels = folder.path().join("labels.csv");
        let text = std::fs::read_to_string(&labels).unwrap().replace(',', ";").replace("even", "pärchen");
        let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
        std::fs::write(&labels, latin1).unwrap();
        let page = show(&recipe(&folder, "single_label", "delimiter: \";\", encoding: latin1", PLAIN)).html;
        assert!(page.contains("<th>kind</th>") && page.contains("<td>p0</td><td>pärchen</td>"), "{page}");
    }

    #[test]
    fn sizes_are_those_of_the_training_images() {
        let folder = pictures(odd_or_even);
        // The widest and the narrowest are held out.
        std::fs::write(folder.path().join("held_out.txt"), "p0\np19\n").unwrap();
        let page = show(&recipe(&folder, "single_label", "valid: indices(\"held_out.txt\")", PLAIN)).html;
        assert!(page.contains("18 training images, as their files are."));
        assert!(
            page.contains(">41 – 42<") && page.contains(">57 – 58<") && !page.contains(">40 – 4"),
            "bins of widths"
        );
        assert!(page.contains(">60</td><td class=\"n\">18<"), "one height needs no bins");
        assert!(page.contains("Validation: 2 images, width 40 – 59, height 60 pixels."));
        assert!(!page.contains("below 1,000"), "no side is longer");
        RgbImage::new(1200, 8).save(folder.path().join("images/p5.png")).unwrap();
        let page = show(&recipe(&folder, "single_label", "valid: none", PLAIN)).html;
        assert!(page.contains("Width below 1,000 pixels: 19 images") && !page.contains("Height below"));
    }

    #[test]
    fn what_is_broken_comes_first_and_the_rest_is_shown() {
        let folder = pictures(odd_or_even);
        std::fs::write(folder.path().join("images/p3.png"), "no image").unwrap();
        std::fs::remove_file(folder.path().join("images/p4.png")).unwrap();
        let show = show(&recipe(&folder, "single_label", "", PLAIN));
        for expected in ["labels.csv:6: no image", "p3.png: not an image", "images cannot be decoded: replace"] {
            let said = show.findings.iter().any(|finding| finding.text.contains(expected));
            assert!(said, "{expected}: {:#?}", show.findings);
        }
        let place = |text: &str| show.html.find(text).unwrap_or_else(|| panic!("{text}"));
        assert!(place("nothing would be trained") < place("p3.png: not an image"));
        assert!(place("p3.png: not an image") < place("18 images can be decoded"));
        assert_eq!(show.html.matches("data:image/jpeg;base64,").count(), 12);
        assert!(show.sheet.is_some());
    }

    #[test]
    fn a_page_is_made_even_if_no_image_is_left() {
        let folder = pictures(odd_or_even);
        for i in 0..20 {
            std::fs::write(folder.path().join(format!("images/p{i}.png")), "").unwrap();
        }
        let show = show(&recipe(&folder, "single_label", "corrupt: skip", PLAIN));
        assert!(show.findings.iter().any(|finding| finding.text.contains("more than half")), "{:#?}", show.findings);
        assert!(show.sheet.is_none() && show.png().is_none());
        assert!(show.html.contains("<td>p0</td>") && show.html.contains("No training image."));
    }

    #[test]
    fn numbers_are_shown_across_their_range() {
        let folder = pictures(|i| format!("{}", f64::from(i * 7 % 20) / 2.0));
        let show = show(&recipe(&folder, "regression", "valid: none", "metrics: [], train: { fit(0.01, 1); }"));
        let page = &show.html;
        assert!(
            page.contains("kind, 20 training images") && page.contains("0.00 – 0.95") && page.contains("8.55 – 9.50")
        );
        assert_eq!(page.matches("data:image/jpeg;base64,").count(), 12);
        let mut places = (0..20).filter_map(|v| page.find(&format!("<strong>{}</strong>", f64::from(v) / 2.0)));
        assert!(page.contains("<strong>0</strong>") && page.contains("<strong>9.5</strong>"));
        assert!(places.by_ref().collect::<Vec<_>>().is_sorted());
    }

    #[test]
    fn no_folder_is_no_page() {
        let folder = pictures(odd_or_even);
        let recipe = recipe(&folder, "single_label", "", PLAIN);
        drop(folder);
        let result = Show::new(&recipe, None, &StopSignal::default(), &mut Silent);
        assert!(matches!(result, Err(RunError::Data(_))));
    }
}
