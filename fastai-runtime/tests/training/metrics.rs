//! The metrics against scikit-learn. The golden file is made by `tools/reference_metrics.py`.

use fastai_dsl::{Average, KappaWeights, Metric, Threshold};
use fastai_runtime::metrics::{
    self, Auroc, Measure, Probabilities, Thresholds, Truth, accuracy, auroc, confusion, f2, f2_of_images, f2_search,
    log_loss,
};
use fastai_runtime::random::Stream;
use rand::Rng;
use serde_json::Value;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/metrics.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn probabilities(value: &Value) -> Probabilities {
    let rows = rows(value);
    Probabilities::new(rows.iter().flatten().map(|p| *p as f32).collect(), rows[0].len())
}

#[track_caller]
fn close(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < tolerance, "{found}, scikit-learn has {expected}");
}

#[test]
fn single_label() {
    for case in golden()["single"].as_array().unwrap() {
        let p = probabilities(&case["probs"]);
        let classes: Vec<u32> = serde_json::from_value(case["targets"].clone()).unwrap();
        let names: Vec<String> = (0..p.classes()).map(|c| c.to_string()).collect();
        close(accuracy(&p, &classes), &case["accuracy"], 1e-12);
        // Probabilities are f32 here and f64 there.
        close(log_loss(&p, &Truth::Classes(classes.clone())), &case["log_loss"], 1e-6);
        close(auroc(&p, &Truth::Classes(classes.clone())), &case["auroc"], 1e-12);
        assert_eq!(serde_json::to_value(confusion(&p, &classes, &names).matrix()).unwrap(), case["confusion"]);
    }
}

#[test]
fn multi_label() {
    for case in golden()["multi"].as_array().unwrap() {
        let p = probabilities(&case["probs"]);
        let cells = rows(&case["targets"]).iter().flatten().map(|t| *t == 1.0).collect();
        let truth = Truth::Tags { cells, tags: p.classes() };
        close(f2(&p, &truth, 0.2), &case["fbeta2_at_0.2"], 1e-12);
        close(auroc(&p, &truth), &case["auroc"], 1e-12);
        let (threshold, best) = f2_search(&p, &truth);
        close(best, &case["fbeta2_best"], 1e-12);
        close(threshold, &case["best_threshold"], 1e-12);
        let Thresholds::Each(each) = metrics::f2_search_each(&p, &truth) else { panic!("a threshold for each tag") };
        for (found, expected) in each.iter().zip(case["thresholds_each"].as_array().unwrap()) {
            close(*found, expected, 1e-12);
        }
        close(f2(&p, &truth, Thresholds::Each(each)), &case["fbeta2_each"], 1e-12);
        let of_halves = metrics::F2 { threshold: Threshold::SearchEach };
        close(of_halves.value(&p, &truth), &case["fbeta2_of_halves"], 1e-12);
        for (found, expected) in f2_of_images(&p, &truth, 0.2).iter().zip(case["per_row_f2"].as_array().unwrap()) {
            close(*found, expected, 1e-12);
        }
    }
}

#[test]
fn area_under_the_curve_with_ties_and_missing_classes() {
    for case in golden()["auroc"].as_array().unwrap() {
        let p = probabilities(&case["probs"]);
        let truth = match serde_json::from_value::<Vec<u32>>(case["targets"].clone()) {
            Ok(classes) => Truth::Classes(classes),
            Err(_) => {
                let cells = rows(&case["targets"]).iter().flatten().map(|t| *t == 1.0).collect();
                Truth::Tags { cells, tags: p.classes() }
            }
        };
        close(auroc(&p, &truth), &case["auroc"], 1e-12);
        let mut rng = Stream::new(1, "bootstrap").at(&[]);
        let interval = Auroc.interval(&p, &truth, &mut || rng.next_u64()).unwrap();
        // Two bootstraps of 1000 resamples: their quantiles differ by about a twentieth of the interval's length.
        for (found, expected) in interval.iter().zip(case["interval"].as_array().unwrap()) {
            close(*found, expected, 0.025);
        }
    }
}

/// Every metric with arguments, in each of its forms.
fn forms(thresholds: &[f64], averages: &[Average]) -> Vec<Metric> {
    let mut forms = Vec::new();
    for &threshold in thresholds {
        for &average in averages {
            forms.extend([
                Metric::Precision { average, threshold },
                Metric::Recall { average, threshold },
                Metric::F1 { average, threshold },
                Metric::FBeta { beta: 2.0, average, threshold },
                Metric::FBeta { beta: 0.5, average, threshold },
            ]);
        }
        forms.extend([Metric::Hamming { threshold }, Metric::AccuracyThresh { threshold }]);
    }
    let weights = [KappaWeights::Unweighted, KappaWeights::Linear, KappaWeights::Quadratic];
    forms.extend(weights.map(|weights| Metric::Kappa { weights }));
    forms.extend([1, 2, 3].map(|k| Metric::TopK { k }));
    forms.extend([15, 4].map(|bins| Metric::Ece { bins }));
    forms.extend([Metric::BalancedAccuracy, Metric::Mcc, Metric::Brier, Metric::AveragePrecision]);
    forms
}

/// Compares every column of a golden case, and holds each interval to its value.
#[track_caller]
fn columns(case: &Value, forms: &[Metric], p: &Probabilities, truth: &Truth) {
    for (column, expected) in case["more"].as_object().unwrap() {
        let metric = forms.iter().find(|metric| metric.column() == *column);
        let metric = metrics::of(metric.unwrap_or_else(|| panic!("no metric has the column {column:?}")));
        let found = metric.value(p, truth);
        // Probabilities are f32 here and f64 there.
        let wanted = expected.as_f64().unwrap();
        assert!((found - wanted).abs() < 1e-6, "{column}: {found}, scikit-learn has {wanted}");
        let mut rng = Stream::new(1, "bootstrap").at(&[]);
        let [low, high] = metric.interval(p, truth, &mut || rng.next_u64()).unwrap();
        assert!(low < high && low.is_finite() && high.is_finite(), "{column}: {low} to {high}");
    }
}

#[test]
fn every_other_metric_of_classes() {
    let averages = [Average::Macro, Average::Micro, Average::Weighted];
    for case in golden()["single"].as_array().unwrap() {
        let classes: Vec<u32> = serde_json::from_value(case["targets"].clone()).unwrap();
        columns(case, &forms(&[0.5], &averages), &probabilities(&case["probs"]), &Truth::Classes(classes));
    }
}

#[test]
fn every_other_metric_of_tags() {
    for case in golden()["multi"].as_array().unwrap() {
        let p = probabilities(&case["probs"]);
        let cells = rows(&case["targets"]).iter().flatten().map(|t| *t == 1.0).collect();
        let truth = Truth::Tags { cells, tags: p.classes() };
        columns(case, &forms(&[0.5, 0.3], Average::ALL), &p, &truth);
    }
}

#[test]
fn metrics_of_numbers() {
    for case in golden()["numbers"].as_array().unwrap() {
        let numbers = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
        let (p, truth) = (Probabilities::new(numbers("predicted"), 1), Truth::Values(numbers("targets")));
        for metric in [Metric::MeanAbsError, Metric::RootMeanSquareError, Metric::Determination] {
            close(metrics::of(&metric).value(&p, &truth), &case[metric.column()], 1e-6);
        }
    }
}
