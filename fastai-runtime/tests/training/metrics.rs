//! The metrics against scikit-learn. The golden file is made by `tools/reference_metrics.py`.

use fastai_dsl::{Average, KappaWeights, Metric, Threshold};
use fastai_runtime::metrics::{
    self, Auroc, ClassRow, ClassScore, ClassTable, Measure, Probabilities, Thresholds, Truth, accuracy, auroc,
    class_table, confusion, f2, f2_of_images, f2_search, log_loss, tag_table,
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

fn tags(case: &Value, probabilities: &Probabilities) -> Truth {
    let cells = rows(&case["targets"]).iter().flatten().map(|t| *t == 1.0).collect();
    Truth::Tags { cells, tags: probabilities.classes() }
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|number| number.to_string()).collect()
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
        close(accuracy(&p, &classes), &case["accuracy"], 1e-12);
        // Probabilities are f32 here and f64 there.
        close(log_loss(&p, &Truth::Classes(classes.clone())), &case["log_loss"], 1e-6);
        close(auroc(&p, &Truth::Classes(classes.clone())), &case["auroc"], 1e-12);
        let found = confusion(&p, &classes, &names(p.classes()));
        assert_eq!(serde_json::to_value(found.matrix()).unwrap(), case["confusion"]);
        assert_eq!(scores(&class_table(&found), &case["by_class"]), ["precision", "recall", "f_beta"]);
    }
}

#[test]
fn multi_label() {
    for case in golden()["multi"].as_array().unwrap() {
        let p = probabilities(&case["probs"]);
        let truth = tags(case, &p);
        close(f2(&p, &truth, 0.2), &case["fbeta2_at_0.2"], 1e-12);
        close(auroc(&p, &truth), &case["auroc"], 1e-12);
        // Probabilities are f32 here and f64 there.
        close(log_loss(&p, &truth), &case["log_loss"], 1e-6);
        let (threshold, best) = f2_search(&p, &truth);
        close(best, &case["fbeta2_best"], 1e-12);
        close(threshold, &case["best_threshold"], 1e-12);
        let Thresholds::Each(each) = metrics::f2_search_each(&p, &truth) else { panic!("a threshold for each tag") };
        for (found, expected) in each.iter().zip(case["thresholds_each"].as_array().unwrap()) {
            close(*found, expected, 1e-12);
        }
        let each = Thresholds::Each(each);
        close(f2(&p, &truth, &each), &case["fbeta2_each"], 1e-12);
        for (thresholds, expected) in [(&Thresholds::All(0.2), "by_class"), (&each, "by_class_each")] {
            let table = tag_table(&p, &truth, thresholds, &names(p.classes()));
            assert_eq!(scores(&table, &case[expected]), ["precision", "recall"]);
        }
        let of_halves = metrics::F2 { threshold: Threshold::SearchEach };
        close(of_halves.value(&p, &truth), &case["fbeta2_of_halves"], 1e-12);
        for (found, expected) in f2_of_images(&p, &truth, 0.2).iter().zip(case["per_row_f2"].as_array().unwrap()) {
            close(*found, expected, 1e-12);
        }
    }
}

/// Compares the scores of each class with scikit-learn's, which has none where ours has none, and returns those whose intervals
/// scipy has, too.
#[track_caller]
fn scores(table: &ClassTable, expected: &Value) -> Vec<&'static str> {
    type Score = fn(&ClassRow) -> Option<ClassScore>;
    let counts = |of: fn(&ClassRow) -> u64| table.rows.iter().map(of).collect::<Vec<u64>>();
    assert_eq!(serde_json::to_value(counts(|row| row.support)).unwrap(), expected["support"]);
    assert_eq!(serde_json::to_value(counts(|row| row.said)).unwrap(), expected["said"]);
    let mut compared = Vec::new();
    let all: [(&str, Score); 3] =
        [("precision", |row| row.precision), ("recall", |row| row.recall), ("f_beta", |row| row.f_beta)];
    for (name, of) in all {
        let values = expected[name].as_array().unwrap();
        assert_eq!(values.len(), table.rows.len());
        for (row, value) in table.rows.iter().zip(values) {
            match of(row) {
                Some(score) => close(score.value, value, 1e-6),
                None => assert!(value.is_null(), "{name} of {}", row.name),
            }
        }
        let Some(intervals) = expected[format!("{name}_interval")].as_array() else { continue };
        for (row, wanted) in table.rows.iter().zip(intervals) {
            let Some(score) = of(row) else { continue };
            close(score.interval[0], &wanted[0], 1e-9);
            close(score.interval[1], &wanted[1], 1e-9);
        }
        compared.push(name);
    }
    compared
}

/// With many images, the interval of F-beta is that of a bootstrap over them. Both are approximations, which differ by up to
/// .043 of the length here.
#[test]
fn an_f_beta_of_many_images_has_the_interval_of_a_bootstrap() {
    for case in golden()["f_beta"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let kinds = [(true, true, count("hits")), (true, false, count("missed")), (false, true, count("wrong"))];
        let rest = count("n") - kinds.iter().map(|(.., n)| n).sum::<usize>();
        let images: Vec<(bool, bool)> = kinds
            .into_iter()
            .chain([(false, false, rest)])
            .flat_map(|(is, said, n)| std::iter::repeat_n((is, said), n))
            .collect();
        let table = match count("beta") {
            // The first of two classes.
            1 => {
                let p: Vec<f32> =
                    images.iter().flat_map(|(_, said)| if *said { [0.9, 0.1] } else { [0.1, 0.9] }).collect();
                let truth: Vec<u32> = images.iter().map(|(is, _)| u32::from(!is)).collect();
                class_table(&confusion(&Probabilities::new(p, 2), &truth, &names(2)))
            }
            _ => {
                let p: Vec<f32> = images.iter().map(|(_, said)| if *said { 0.9 } else { 0.1 }).collect();
                let truth = Truth::Tags { cells: images.iter().map(|(is, _)| *is).collect(), tags: 1 };
                tag_table(&Probabilities::new(p, 1), &truth, &Thresholds::All(0.5), &names(1))
            }
        };
        let [low, high] = table.rows[0].f_beta.unwrap().interval;
        let [from, to] = serde_json::from_value::<[f64; 2]>(case["interval"].clone()).unwrap();
        let off = (low - from).abs().max((high - to).abs()) / (to - from);
        assert!(off < 0.06, "{case}: {low} to {high}");
    }
}

#[test]
fn area_under_the_curve_with_ties_and_missing_classes() {
    for case in golden()["auroc"].as_array().unwrap() {
        let p = probabilities(&case["probs"]);
        let truth = match serde_json::from_value::<Vec<u32>>(case["targets"].clone()) {
            Ok(classes) => Truth::Classes(classes),
            Err(_) => tags(case, &p),
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
        columns(case, &forms(&[0.5, 0.3], Average::ALL), &p, &tags(case, &p));
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

/// Compares the intervals of a golden case, and returns the lengths of those from a bootstrap in terms of the golden ones.
#[track_caller]
fn intervals(case: &Value, all: &[Metric], p: &Probabilities, truth: &Truth) -> Vec<f64> {
    let mut lengths = Vec::new();
    for (column, expected) in case["intervals"].as_object().unwrap() {
        let metric = metrics::of(all.iter().find(|metric| metric.column() == *column).unwrap());
        let [from, to] = serde_json::from_value::<[f64; 2]>(expected.clone()).unwrap();
        let mut rng = Stream::new(1, "bootstrap").at(&[]);
        let [low, high] = metric.interval(p, truth, &mut || rng.next_u64()).unwrap();
        let value = metric.value(p, truth);
        assert!(low <= value && value <= high, "{column}: {value} is not in {low} to {high}");
        if column == "accuracy" {
            // A formula, not a bootstrap.
            assert!((low - from).abs() < 1e-9 && (high - to).abs() < 1e-9, "{column}: {low} to {high}, not {expected}");
            continue;
        }
        // The ends of 1000 resamples are off by .02 of the length (a standard deviation), by .04 in the long tail of r2.
        let off = (low - from).abs().max((high - to).abs()) / (to - from);
        assert!(off < 0.2, "{column}: {low} to {high}, not {expected}");
        lengths.push((high - low) / (to - from));
    }
    lengths
}

#[test]
fn intervals_are_as_long_as_those_of_a_larger_bootstrap() {
    let golden = golden();
    let cases = |kind: &str| golden[kind].as_array().unwrap().clone();
    let mut lengths = Vec::new();
    for case in cases("single") {
        let truth = Truth::Classes(serde_json::from_value(case["targets"].clone()).unwrap());
        let all = [Metric::Accuracy, Metric::LogLoss];
        lengths.extend(intervals(&case, &all, &probabilities(&case["probs"]), &truth));
    }
    for case in cases("multi") {
        let p = probabilities(&case["probs"]);
        let f2 = |threshold| Metric::F2 { threshold };
        let all = [Metric::LogLoss, f2(Threshold::Fixed(0.2)), f2(Threshold::Search)];
        lengths.extend(intervals(&case, &all, &p, &tags(&case, &p)));
    }
    for case in cases("numbers") {
        let numbers = |key: &str| serde_json::from_value::<Vec<f32>>(case[key].clone()).unwrap();
        let (p, truth) = (Probabilities::new(numbers("predicted"), 1), Truth::Values(numbers("targets")));
        let all = [Metric::MeanAbsError, Metric::RootMeanSquareError, Metric::Determination];
        lengths.extend(intervals(&case, &all, &p, &truth));
    }
    assert_eq!(lengths.len(), 5 + 3 * 3 + 2 * 3);
    // Chance moves the mean of so many lengths by .008 (a standard deviation); 90 % intervals would be a sixth shorter.
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!((mean - 1.0).abs() < 0.04, "{mean}: {lengths:?}");
}
