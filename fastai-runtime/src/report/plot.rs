//! Plots as SVG, for the run folder and inline in the report.
//!
//! Labels are SVG text in the reader's sans-serif font, so no font is embedded. Values that are not finite are omitted,
//! long series are thinned, and nothing is drawn outside the axes.

use std::fmt::Display;
use std::ops::Range;

use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::numbers::{grouped, power, short as rate};
use crate::train::{FindCurve, FitCurve, skipped, windowed};

/// Okabe and Ito's palette, which is distinguishable with every common kind of colour vision.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(230, 230, 230);
const BORDER: RGBColor = RGBColor(153, 153, 153);
const SIZE: (u32, u32) = (860, 340);
/// With room for the labels, both axes are equally long.
const SQUARE: (u32, u32) = (600, 564);
/// Points per line: about two per pixel.
const POINTS: usize = 1600;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Plots the loss of an `lr_find` over the learning rate (log scale) and marks the suggestion: the smoothed loss, as the
/// original draws it, and the mean of neighbouring batches, from which the rate follows. As in the original, the first ten
/// batches are left out. The curves end where the loss diverges.
pub fn find(curve: &FindCurve) -> String {
    let first = skipped(curve.rates.len());
    let points = |losses: &[f64], from: usize| -> Vec<(f64, f64)> {
        let all = curve.rates.iter().skip(from).zip(losses).skip(first.saturating_sub(from));
        all.map(|(x, y)| (*x, *y)).filter(|(x, y)| x.is_finite() && *x > 0.0 && y.is_finite()).collect()
    };
    let smoothed = points(&curve.losses, 0);
    if smoothed.len() < 2 {
        return nothing("too few batches to draw a curve");
    }
    let (means, half) = windowed(&curve.batch_losses);
    let means = points(&means, half);
    draw(|area| draw_find(area, curve, &smoothed, &means))
}

/// The learning rate of each layer group over the batches of all fits.
pub fn rates(fits: &[FitCurve]) -> String {
    let groups = fits.iter().map(|fit| fit.rates.len()).max().unwrap_or(0);
    let starts = starts(fits);
    let lines: Vec<Vec<Vec<(f64, f64)>>> = (0..groups)
        .map(|group| {
            // A fit of fewer groups trains the last ones.
            let rates = |fit: &FitCurve| (group + fit.rates.len()).checked_sub(groups);
            let series = |(fit, start): (&FitCurve, &usize)| {
                line(rates(fit).map_or(&[][..], |trained| &fit.rates[trained]), *start)
            };
            fits.iter().zip(&starts).map(series).collect()
        })
        .collect();
    let Some(top) = lines.iter().flatten().flatten().map(|p| p.1).reduce(f64::max) else {
        return nothing("no batch was trained");
    };
    draw(|area| {
        let legend: Vec<(String, RGBColor)> = (0..groups).map(|g| (group_name(g, groups), colour(g, groups))).collect();
        draw_legend(area, &legend)?;
        let x = 0.0..batches(fits).max(1) as f64;
        let y = 0.0..if top > 0.0 { top * 1.12 } else { 1.0 };
        let mut chart = builder(area, 46).build_cartesian_2d(x, y.clone())?;
        mesh(&mut chart, "training batch", "learning rate", 10, &batch_label)?;
        for (group, series) in lines.iter().enumerate() {
            for points in series {
                chart.draw_series(LineSeries::new(thin(points), colour(group, groups).stroke_width(2)))?;
            }
        }
        draw_borders(&mut chart, fits, &starts, y)
    })
}

/// The smoothed training loss after every batch and the validation loss after every epoch, over all fits.
pub fn losses(fits: &[FitCurve]) -> String {
    let starts = starts(fits);
    let train: Vec<Vec<(f64, f64)>> = fits.iter().zip(&starts).map(|(fit, start)| line(&fit.losses, *start)).collect();
    let valid: Vec<(f64, f64)> = fits.iter().zip(&starts).flat_map(|(fit, start)| epoch_ends(fit, *start)).collect();
    let valid: Vec<(f64, f64)> = valid.into_iter().filter(|p| p.1.is_finite()).collect();
    let Some((low, high)) = loss_axis(train.iter().flatten().map(|p| p.1), valid.iter().map(|p| p.1)) else {
        return nothing("no batch was trained");
    };
    draw(|area| {
        draw_legend(
            area,
            &[
                ("training loss, smoothed".to_string(), PALETTE[0]),
                ("validation loss, each epoch".to_string(), PALETTE[1]),
            ],
        )?;
        let y = padded(low, high);
        let mut chart = builder(area, 46).build_cartesian_2d(0.0..batches(fits).max(1) as f64, y.clone())?;
        mesh(&mut chart, "training batch", "loss", 10, &batch_label)?;
        for points in &train {
            let cut = points.iter().map(|(x, v)| (*x, v.min(y.end))).collect::<Vec<_>>();
            chart.draw_series(LineSeries::new(thin(&cut), PALETTE[0].stroke_width(2)))?;
        }
        let shown = || valid.iter().map(|(x, v)| (*x, v.min(y.end)));
        chart.draw_series(shown().map(|p| Circle::new(p, 5, WHITE.filled())))?;
        chart.draw_series(shown().map(|p| Circle::new(p, 4, PALETTE[1].filled())))?;
        draw_borders(&mut chart, fits, &starts, y)
    })
}

/// The lowest and the highest loss that the axis of [`losses`] serves; `None` without any. The first batches of a new head may be
/// far above the rest, and so may the epochs of a fit that diverged: it serves 98 % of the batches, and the epochs that are at most
/// [`FAR_ABOVE`] times as high.
fn loss_axis(train: impl Iterator<Item = f64>, valid: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = train.collect();
    values.sort_by(f64::total_cmp);
    let high = values.get(values.len().saturating_sub(1) * 98 / 100).copied();
    let served = valid.clone().filter(|v| high.is_none_or(|high| *v <= FAR_ABOVE * high));
    let ends = high.into_iter().chain(values.first().copied()).chain(served);
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

/// Epochs whose loss is more than so many times that of nearly all batches lie at the top edge of their plot.
const FAR_ABOVE: f64 = 20.0;

/// A column of dots for each row of `rows`, with a line at its mean, over the rows' names.
pub fn dots(rows: &[(String, Vec<f64>)], x_title: &str, y_title: &str) -> String {
    let values: Vec<f64> = rows.iter().flat_map(|(_, values)| values).copied().filter(|v| v.is_finite()).collect();
    let ends = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    if values.is_empty() {
        return nothing("no run is complete");
    }
    draw(|area| {
        let y = padded(ends.0, ends.1);
        let mut chart = builder(area, 16).build_cartesian_2d(-0.6..rows.len() as f64 - 0.4, y)?;
        let name = |x: &f64| {
            let row = (*x - x.round()).abs() < 1e-6 && *x > -0.5;
            let text = rows.get(x.round() as usize).filter(|_| row).map_or("", |(name, _)| name.as_str());
            // What does not fit below its column is cut.
            let room = (110 / rows.len().max(1)).max(4);
            let short: String = text.chars().take(room).collect();
            printable(if short.len() < text.len() { format!("{short}..") } else { short })
        };
        // A label for each row; the axis rounds its steps to whole numbers.
        mesh(&mut chart, x_title, y_title, rows.len() * 2 + 1, &name)?;
        for (x, (_, values)) in rows.iter().enumerate() {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            if finite.is_empty() {
                continue;
            }
            let (x, mean) = (x as f64, finite.iter().sum::<f64>() / finite.len() as f64);
            chart.draw_series([PathElement::new([(x - 0.3, mean), (x + 0.3, mean)], PALETTE[1].stroke_width(3))])?;
            chart.draw_series(finite.iter().map(|v| Circle::new((x, *v), 4, PALETTE[0].mix(0.7).filled())))?;
        }
        Ok(())
    })
}

/// The predicted numbers over the true ones, on equal axes, with the line on which both are the same. `points` are finite.
pub fn predicted(points: &[[f32; 2]], name: &str) -> String {
    let values = points.iter().flatten().copied().map(f64::from);
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    if points.is_empty() {
        return nothing("nothing was measured");
    }
    draw_on(SQUARE, |area| {
        let axis = padded(low, high);
        let mut chart = builder(area, 16).build_cartesian_2d(axis.clone(), axis.clone())?;
        mesh(&mut chart, &format!("{name}, true"), &format!("{name}, predicted"), 7, &|x| rate(*x))?;
        let equal = [(axis.start, axis.start), (axis.end, axis.end)];
        chart.draw_series([PathElement::new(equal, BORDER.stroke_width(2))])?;
        let dot =
            |[is, said]: &[f32; 2]| Circle::new((f64::from(*is), f64::from(*said)), 4, PALETTE[0].mix(0.6).filled());
        chart.draw_series(points.iter().map(dot))?;
        Ok(())
    })
}

/// The range of a finder's curve that a reader looks at: from its lowest point to its highest before that one, with some of
/// the rise after it, which may be many times as high.
fn fall(points: &[(f64, f64)]) -> (usize, f64, f64) {
    let (lowest, min) =
        points.iter().enumerate().map(|(i, p)| (i, p.1)).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
    let before = points[..points.len().min(lowest + 1)].iter().map(|p| p.1).fold(min, f64::max);
    let span = (before - min).max(if lowest == 0 { min.abs() } else { 0.1 * min.abs() }).max(1e-6);
    (lowest, min, (before + 0.3 * span).max(min + span))
}

fn draw_find(area: &Area, curve: &FindCurve, smoothed: &[(f64, f64)], means: &[(f64, f64)]) -> Drawn {
    let (lowest, mut min, mut top) = fall(smoothed);
    let mut legend = vec![("training loss, smoothed".to_string(), PALETTE[0])];
    let around = (means.len() > 1).then(|| fall(means));
    if let Some((_, low, high)) = around {
        (min, top) = (min.min(low), top.max(high));
        legend.push(("mean of neighbouring batches".to_string(), BORDER));
    }
    let y = padded(min, top);
    let (first, last) = (smoothed[0].0, smoothed[smoothed.len() - 1].0);
    let x = if last > first { first..last } else { first..first * 10.0 };
    draw_legend(area, &legend)?;
    let mut chart = builder(area, 46).build_cartesian_2d(x.clone().log_scale(), y.clone())?;
    mesh(&mut chart, "learning rate (log scale)", "training loss", 10, &|x| power(*x))?;
    if let Some((lowest, ..)) = around {
        let within: Vec<(f64, f64)> = means.iter().filter(|p| x.contains(&p.0)).copied().collect();
        let before = means.len() - within.len();
        let shown = cut_at(&within, lowest.saturating_sub(before), y.end);
        chart.draw_series(LineSeries::new(thin(&shown), BORDER.stroke_width(1)))?;
    }
    let shown = cut_at(smoothed, lowest, y.end);
    chart.draw_series(LineSeries::new(thin(&shown), PALETTE[0].stroke_width(2)))?;
    let Some(at) = curve.suggestion.filter(|s| x.contains(s)) else { return Ok(()) };
    chart.draw_series(LineSeries::new([(at, y.start), (at, y.end)], PALETTE[1].stroke_width(2)))?;
    // The label sits on the side with more room.
    let right = (at / x.start).ln() < 0.6 * (x.end / x.start).ln();
    let (h, shift) = if right { (HPos::Left, 8) } else { (HPos::Right, -8) };
    let label = if curve.rule.is_empty() { rate(at) } else { format!("{}  {}", rate(at), printable(&curve.rule)) };
    let style = ("sans-serif", 16).into_font().color(&PALETTE[1]).pos(Pos::new(h, VPos::Top));
    chart.draw_series([EmptyElement::at((at, y.end)) + Text::new(label, (shift, 6), style)])?;
    Ok(())
}

/// Returns `points` up to the first one above `top` after the lowest; that point moves down along the line to `top`.
fn cut_at(points: &[(f64, f64)], lowest: usize, top: f64) -> Vec<(f64, f64)> {
    let Some(over) = (lowest + 1..points.len()).find(|i| points[*i].1 > top) else { return points.to_vec() };
    let ((x0, y0), (x1, y1)) = (points[over - 1], points[over]);
    let mut kept = points[..over].to_vec();
    kept.push((x0 * (x1 / x0).powf((top - y0) / (y1 - y0)), top));
    kept
}

fn draw(plot: impl FnOnce(&Area) -> Drawn) -> String {
    draw_on(SIZE, plot)
}

fn draw_on(size: (u32, u32), plot: impl FnOnce(&Area) -> Drawn) -> String {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).map_err(Into::into).and_then(|()| plot(&area)).and_then(|()| Ok(area.present()?))
    };
    // Writing into a string does not fail; a plot that cannot be laid out must not cost the run.
    match drawn {
        Ok(()) => svg,
        Err(e) => nothing(&e.to_string()),
    }
}

/// A placeholder with the reason for a missing plot.
fn nothing(why: &str) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (SIZE.0, 60)).into_drawing_area();
        let style = ("sans-serif", 18).into_font().color(&INK);
        // Writing into a string does not fail.
        let _ = area.fill(&WHITE).and_then(|()| area.draw(&Text::new(printable(why), (20, 20), style)));
        let _ = area.present();
    }
    svg
}

fn builder<'a, 'b>(area: &'a Area<'b>, top: i32) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin_top(top).margin_right(24).margin_bottom(6).margin_left(6);
    builder.x_label_area_size(50).y_label_area_size(78);
    builder
}

fn mesh<'a, 'b, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>,
    x_title: &str,
    y_title: &str,
    x_labels: usize,
    x_label: &dyn Fn(&f64) -> String,
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(printable(x_title))
        .y_desc(printable(y_title))
        .x_labels(x_labels)
        .y_labels(7)
        .x_label_formatter(x_label)
        .y_label_formatter(&|y| rate(*y))
        .label_style(("sans-serif", 15).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 17).into_font().color(&INK))
        .axis_style(BORDER)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    Ok(())
}

/// One row of coloured strokes with their names above the plot.
fn draw_legend(area: &Area, entries: &[(String, RGBColor)]) -> Drawn {
    let mut x = 84;
    for (name, colour) in entries {
        area.draw(&PathElement::new([(x, 16), (x + 22, 16)], colour.stroke_width(3)))?;
        let style = ("sans-serif", 16).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(name.as_str(), (x + 28, 16), style))?;
        x += 52 + 7 * name.chars().count() as i32;
    }
    Ok(())
}

/// Draws a line at the start of each fit, with the number of its step.
fn draw_borders<X, Y>(
    chart: &mut ChartContext<SVGBackend, Cartesian2d<X, Y>>,
    fits: &[FitCurve],
    starts: &[usize],
    y: Range<f64>,
) -> Drawn
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let total = batches(fits).max(1) as f64;
    let mut labelled = f64::NEG_INFINITY;
    for (fit, start) in fits.iter().zip(starts) {
        if length(fit) == 0 {
            continue;
        }
        let x = *start as f64;
        if *start > 0 {
            let dashes = [(x, y.start), (x, y.end)];
            chart.draw_series(DashedLineSeries::new(dashes, 4, 4, BORDER.stroke_width(1)))?;
        }
        // A stage too short for a label has none.
        if x - labelled < 0.07 * total {
            continue;
        }
        labelled = x;
        let style = ("sans-serif", 14).into_font().color(&BORDER).pos(Pos::new(HPos::Left, VPos::Top));
        let label = format!("step {}", fit.step + 1);
        chart.draw_series([EmptyElement::at((x, y.end)) + Text::new(label, (0, -15), style)])?;
    }
    Ok(())
}

/// Batches before each fit.
fn starts(fits: &[FitCurve]) -> Vec<usize> {
    fits.iter().scan(0, |sum, fit| Some(std::mem::replace(sum, *sum + length(fit)))).collect()
}

fn batches(fits: &[FitCurve]) -> usize {
    fits.iter().map(length).sum()
}

fn length(fit: &FitCurve) -> usize {
    fit.rates.iter().map(Vec::len).max().unwrap_or(0).max(fit.losses.len())
}

fn line(values: &[f64], start: usize) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(i, v)| ((start + i) as f64, *v)).filter(|p| p.1.is_finite()).collect()
}

/// The end of each epoch with its validation loss.
fn epoch_ends(fit: &FitCurve, start: usize) -> Vec<(f64, f64)> {
    fit.ends.iter().zip(&fit.epochs).map(|(end, epoch)| ((start + end) as f64, epoch.val_loss)).collect()
}

/// Thins a series to about [`POINTS`] points with the same appearance: the lowest and the highest of each run of
/// neighbours.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let run = points.len().div_ceil(POINTS / 2);
    let mut kept = Vec::with_capacity(POINTS + 2);
    for run in points.chunks(run) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        if let (Some(low), Some(high)) = (run.iter().min_by(by_value), run.iter().max_by(by_value)) {
            let mut pair = [*low, *high];
            pair.sort_by(|a, b| a.0.total_cmp(&b.0));
            kept.extend(pair);
        }
    }
    kept
}

/// Extends a range by a margin, so that it is never empty; the margin alone does not take a loss axis below 0.
fn padded(low: f64, high: f64) -> Range<f64> {
    let air = if high > low { 0.06 * (high - low) } else { 0.1 * low.abs().max(1e-3) };
    let bottom = if low >= 0.0 { (low - air).max(0.0) } else { low - air };
    bottom..high + 2.0 * air
}

fn colour(group: usize, groups: usize) -> RGBColor {
    // The head always trains, so it always has the first colour.
    PALETTE[(groups - 1 - group) % PALETTE.len()]
}

fn group_name(group: usize, groups: usize) -> String {
    match group {
        _ if groups == 1 => "all groups".to_string(),
        _ if group + 1 == groups => "head".to_string(),
        0 => "group 0 (earliest)".to_string(),
        _ => format!("group {group}"),
    }
}

/// The label of a batch on a linear axis.
fn batch_label(batch: &f64) -> String {
    grouped(batch.round().max(0.0) as u64)
}

/// Removes the control characters that XML forbids.
fn printable(text: impl Display) -> String {
    text.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::EpochRow;

    #[test]
    fn an_epoch_that_diverged_does_not_hide_the_others() {
        let batches = || (0..48).map(|k| 0.4 + f64::from(k % 10) / 10.0);
        let axis = |epochs: &[f64]| loss_axis(batches(), epochs.iter().copied()).unwrap();
        assert_eq!(axis(&[0.66, 0.2, 5.8e7, 3.4]), (0.2, 3.4));
        assert_eq!(axis(&[0.66, 0.2, 20.0]), (0.2, 20.0));
        assert_eq!(loss_axis(std::iter::empty(), [5.8e7].into_iter()), Some((5.8e7, 5.8e7)));
        assert_eq!(loss_axis(std::iter::empty(), std::iter::empty()), None);
    }

    #[test]
    fn a_stopped_fit_shows_its_epochs_where_they_ended() {
        let losses: Vec<f64> = (0..25).map(|i| 1.0 / f64::from(i + 1)).collect();
        let row = |end: usize| EpochRow { trn_loss: losses[end - 1], val_loss: 0.5, ..EpochRow::default() };
        let (epochs, ends) = (vec![row(10), row(20)], vec![10, 20]);
        let fit = FitCurve { epochs, ends, losses: losses.clone(), ..FitCurve::default() };
        assert_eq!(epoch_ends(&fit, 100), [(110.0, 0.5), (120.0, 0.5)]);
    }

    #[test]
    fn the_rates_of_a_frozen_body_are_the_heads() {
        let fit =
            |rates: &[&[f64]]| FitCurve { rates: rates.iter().map(|r| r.to_vec()).collect(), ..FitCurve::default() };
        let all = fit(&[&[1e-4; 3], &[1e-3; 3], &[1e-2; 3]]);
        let of_head = rates(&[fit(&[&[0.5, 0.4, 0.3]]), all.clone()]);
        assert_eq!(of_head, rates(&[fit(&[&[], &[], &[0.5, 0.4, 0.3]]), all.clone()]));
        assert_ne!(of_head, rates(&[fit(&[&[0.5, 0.4, 0.3], &[], &[]]), all]));
    }

    #[test]
    fn numbers_lie_on_the_line_where_they_are_predicted_as_they_are() {
        let place = |point: [f32; 2]| -> (f64, f64) {
            let svg = predicted(&[[0.0, 20.0], [20.0, 0.0], point], "red");
            assert!(svg.contains("red, true") && svg.contains("red, predicted"), "{svg}");
            let (_, dot) = svg.rsplit_once("<circle ").unwrap();
            let at =
                |key: &str| dot.split_once(&format!("{key}=\"")).unwrap().1.split_once('"').unwrap().0.parse().unwrap();
            (at("cx"), at("cy"))
        };
        // Equal steps of the numbers are equal steps to the right and up.
        let ((x0, y0), (x1, y1)) = (place([5.0, 5.0]), place([15.0, 15.0]));
        assert!(x1 - x0 > 100.0 && (x1 - x0 - (y0 - y1)).abs() <= 4.0, "{x0} {y0} {x1} {y1}");
        assert!(predicted(&[], "red").contains("nothing was measured"));
    }

    #[test]
    fn thinning_keeps_spikes_and_order() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[33_333].1 = 9.0;
        points[44_444].1 = -9.0;
        let kept = thin(&points);
        assert!(kept.len() <= POINTS + 2);
        assert!(kept.contains(&(33_333.0, 9.0)) && kept.contains(&(44_444.0, -9.0)));
        assert!(kept.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
