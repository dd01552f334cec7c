//! A recipe's metrics on one set of predictions.

use fastai_dsl::{Metric, Threshold};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::probabilities::{Probabilities, Truth};
use super::{
    absolute_errors, accuracy, bootstrap, f2, f2_of_images, f2_search, log_loss, log_loss_of_images,
    loss_of_predictions, wilson,
};
use crate::report::MetricValue;

/// The metric's value; NaN for a metric that is not of this task, which a checked recipe never asks for.
pub fn measure(metric: &Metric, probabilities: &Probabilities, truth: &Truth) -> f64 {
    match (metric, truth) {
        (Metric::Accuracy, Truth::Classes(classes)) => accuracy(probabilities, classes),
        (Metric::LogLoss, _) => log_loss(probabilities, truth),
        (Metric::F2 { threshold: Threshold::Fixed(t) }, Truth::Tags { .. }) => f2(probabilities, truth, *t),
        (Metric::F2 { threshold: Threshold::Search }, Truth::Tags { .. }) => f2_search(probabilities, truth).1,
        (Metric::MeanAbsError, Truth::Values(_)) => loss_of_predictions(probabilities, truth),
        (Metric::RootMeanSquareError, Truth::Values(values)) => {
            let squares: f64 = absolute_errors(probabilities, values).iter().map(|e| e * e).sum();
            (squares / values.len().max(1) as f64).sqrt()
        }
        _ => f64::NAN,
    }
}

/// The metric with its 95 % interval and with what was chosen on these very images.
///
/// Accuracy has Wilson's interval, the others a bootstrap over the images drawn from `rng`. A searched threshold is kept
/// while resampling: the interval is that of the threshold's F2, not of the search.
pub fn measure_with_interval(
    metric: &Metric,
    probabilities: &Probabilities,
    truth: &Truth,
    rng: &mut ChaCha8Rng,
) -> MetricValue {
    let mut found = MetricValue {
        name: metric.column().to_string(),
        value: measure(metric, probabilities, truth),
        interval: None,
        n: truth.len(),
        chosen_here: None,
    };
    let draw = || rng.next_u64();
    found.interval = match metric {
        Metric::Accuracy => {
            let right = (found.value * truth.len() as f64).round() as u64;
            Some(wilson(right, truth.len() as u64))
        }
        Metric::LogLoss => bootstrap(&log_loss_of_images(probabilities, truth), draw),
        Metric::F2 { threshold } => {
            let t = match threshold {
                Threshold::Fixed(t) => *t,
                Threshold::Search => {
                    let (t, _) = f2_search(probabilities, truth);
                    found.chosen_here = Some(format!("threshold {t:.2}, the best of .17 to .23 on these images"));
                    t
                }
            };
            bootstrap(&f2_of_images(probabilities, truth, t), draw)
        }
        Metric::MeanAbsError | Metric::RootMeanSquareError => match truth {
            Truth::Values(values) => {
                let errors = absolute_errors(probabilities, values);
                if matches!(metric, Metric::MeanAbsError) {
                    bootstrap(&errors, draw)
                } else {
                    let squares: Vec<f64> = errors.iter().map(|e| e * e).collect();
                    bootstrap(&squares, draw).map(|ends| ends.map(f64::sqrt))
                }
            }
            _ => None,
        },
    };
    found
}
