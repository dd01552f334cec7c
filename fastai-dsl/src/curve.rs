//! The learning-rate curve of a plan, drawn as text and as SVG.
//!
//! The curve shows the factor of each fit's rate, 0 to 1, over all training batches, which is known before a rate is found.

use crate::plan::{Plan, Stage};

/// The most batches of a plan that is drawn.
const MOST_BATCHES: u64 = 20_000_000;

/// The smallest and largest factor in each of several equal parts of the training.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// (smallest, largest) factor, part by part.
    pub parts: Vec<(f64, f64)>,
    /// For each fit, its index among the plan's stages and the part in which it starts.
    pub fits: Vec<(usize, usize)>,
    /// Training batches of all fits.
    pub batches: u64,
}

impl Curve {
    /// Computes the curve in `columns` parts, or fewer if there are fewer batches. `None` if the batches are unknown, if
    /// there are none, or if there are more than 20 million.
    pub fn new(plan: &Plan, columns: usize) -> Option<Curve> {
        let fits = || plan.stages.iter().enumerate().filter(|(_, s)| s.step.is_fit());
        let batches = fits().map(|(_, s)| s.iterations).sum::<Option<u64>>()?;
        if batches == 0 || batches > MOST_BATCHES || columns == 0 {
            return None;
        }
        let columns = columns.min(batches as usize);
        let part = |batch: u64| (batch * columns as u64 / batches) as usize;
        let mut curve = Curve { parts: vec![(f64::INFINITY, 0.0); columns], fits: Vec::new(), batches };
        let mut batch = 0;
        for (index, stage) in fits() {
            curve.fits.push((index, part(batch)));
            for factor in Stage::factors(stage) {
                let (low, high) = &mut curve.parts[part(batch)];
                (*low, *high) = (low.min(factor), high.max(factor));
                batch += 1;
            }
        }
        Some(curve)
    }

    /// Draws the curve as `rows` lines of braille, with two parts and four height steps per character, and a line with the
    /// step numbers (from 1) where fits start.
    pub fn text(&self, rows: usize) -> String {
        let (columns, dots) = (self.parts.len().div_ceil(2), rows * 4);
        let mut cells = vec![vec![0u8; columns]; rows];
        let height = |factor: f64| ((factor.clamp(0.0, 1.0) * (dots - 1) as f64).round() as usize).min(dots - 1);
        for (x, (low, high)) in self.parts.iter().enumerate().filter(|(_, (low, high))| low <= high) {
            for y in height(*low)..=height(*high) {
                let from_top = dots - 1 - y;
                cells[from_top / 4][x / 2] |= dot(x % 2, from_top % 4);
            }
        }
        let mut out = String::new();
        for (i, row) in cells.iter().enumerate() {
            let label = match i {
                0 => "1 ",
                _ if i + 1 == rows => "0 ",
                _ => "  ",
            };
            let line: String = row.iter().map(|bits| braille(*bits)).collect();
            out += &format!("{label}{line}\n");
        }
        let mut numbers = String::from("  ");
        for (stage, part) in &self.fits {
            let column = 2 + part / 2;
            // A number without room is omitted.
            if numbers.len() <= column {
                numbers.extend(std::iter::repeat_n(' ', column - numbers.len()));
                numbers += &(stage + 1).to_string();
            }
        }
        out += &numbers;
        out.push('\n');
        out
    }

    /// Draws the curve as an SVG document of 800 x 240 pixels.
    pub fn svg(&self, title: &str) -> String {
        const LEFT: f64 = 40.0;
        const TOP: f64 = 30.0;
        const WIDTH: f64 = 740.0;
        const HEIGHT: f64 = 170.0;
        let x = |part: usize| LEFT + WIDTH * part as f64 / self.parts.len() as f64;
        let y = |factor: f64| TOP + HEIGHT * (1.0 - factor.clamp(0.0, 1.0));
        let mut points = String::new();
        for (part, (low, high)) in self.parts.iter().enumerate().filter(|(_, (low, high))| low <= high) {
            points += &format!("{:.1},{:.1} {:.1},{:.1} ", x(part), y(*high), x(part + 1), y(*low));
        }
        let mut marks = String::new();
        for (stage, part) in &self.fits {
            marks += &format!(
                "<line x1=\"{0:.1}\" y1=\"{TOP}\" x2=\"{0:.1}\" y2=\"{1}\" stroke=\"#bbb\"/><text x=\"{0:.1}\" y=\"{2}\">{3}</text>\n",
                x(*part),
                TOP + HEIGHT,
                TOP + HEIGHT + 16.0,
                stage + 1
            );
        }
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 240\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"800\" height=\"240\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"18\">{title}: share of each fit's learning rate</text>\n{marks}\
             <text x=\"8\" y=\"{}\">1</text><text x=\"8\" y=\"{}\">0</text>\n\
             <polyline fill=\"none\" stroke=\"#2563eb\" points=\"{}\"/>\n\
             <text x=\"{LEFT}\" y=\"234\">step numbers where each begins; {} training batches</text>\n</svg>\n",
            TOP + 4.0,
            TOP + HEIGHT + 4.0,
            points.trim_end(),
            self.batches
        )
    }
}

/// The bit of a dot in a braille cell: column 0 or 1, row 0 to 3 from the top.
fn dot(column: usize, row: usize) -> u8 {
    match (column, row) {
        (0, 3) => 0x40,
        (_, 3) => 0x80,
        (0, row) => 1 << row,
        (_, row) => 8 << row,
    }
}

fn braille(bits: u8) -> char {
    char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Facts;
    use crate::source::RecipeText;

    fn plan(train: &str, images: Option<u64>) -> Plan {
        let text = format!(
            "A {{ task: single_label, data: folders {{ root: \"d\", batch: 64 }}, transforms: none {{ size: 64 }}, \
             model: squeezenet1_1, metrics: [accuracy], train: {{ {train} }} }}"
        );
        let recipe = RecipeText::new("x", &text, &[]).result.unwrap().recipe;
        Plan::new(&recipe, &Facts { train: images, ..Facts::default() })
    }

    #[test]
    fn restarts_are_seen() {
        let plan = plan("fit(1e-2, 2); fit(1e-2, 2, cycle_len = 1);", Some(6400));
        let curve = Curve::new(&plan, 160).unwrap();
        assert_eq!((curve.batches, curve.parts.len()), (400, 160));
        assert_eq!(curve.fits, [(0, 0), (1, 80)]);
        assert!(curve.parts[..80].iter().all(|p| *p == (1.0, 1.0)), "a constant rate");
        assert!(curve.parts[119].0 < 0.01 && curve.parts[121].1 > 0.9, "a restart in the middle: {:?}", curve.parts);
        let text = curve.text(4);
        assert_eq!(text.lines().count(), 5);
        assert!(text.lines().take(4).all(|l| l.chars().count() == 82), "{text}");
        assert_eq!(text.lines().last().unwrap().trim_end(), format!("  1{}2", " ".repeat(39)));
        let svg = curve.svg("a < b");
        assert!(svg.starts_with("<svg") && svg.contains("a &lt; b") && svg.matches("<line").count() == 2);
    }

    #[test]
    fn what_is_not_known_is_not_drawn() {
        assert_eq!(Curve::new(&plan("fit(1e-2, 2);", None), 160), None);
        assert_eq!(Curve::new(&plan("freeze();", Some(100)), 160), None);
        assert_eq!(Curve::new(&plan("fit(1e-2, 100000);", Some(1_000_000)), 160), None);
        assert_eq!(Curve::new(&plan("fit(1e-2, 1);", Some(3)), 160).unwrap().parts.len(), 1);
    }
}
