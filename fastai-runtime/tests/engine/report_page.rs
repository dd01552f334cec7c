//! The whole report of two realistic runs. `REPORT_OUT=FOLDER` keeps the pages to look at.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use fastai_dsl::{Direction, MetricKind, StepKind, TaskKind};
use fastai_runtime::data::Sizes;
use fastai_runtime::metrics::{ClassRow, ClassScore, ClassTable, Confusion, MetricValue, class_table};
use fastai_runtime::report::{
    Bars, Baseline, ByClass, CacheUse, ClassCount, Counts, DataOverview, Evaluation, Gallery, GalleryGroup,
    GalleryImage, MeasuredSet, Record, RunFolder, StageSummary, Status, Summary, html, plot,
};
use fastai_runtime::train::{EpochRow, FindCurve, FitCurve};

fn metric(name: &str, value: f64, interval: Option<[f64; 2]>, n: usize) -> MetricValue {
    MetricValue { name: name.into(), direction: Direction::Higher, value, interval, n, chosen_here: None }
}

fn evaluation(predictions: &str, n: usize, loss: f64, metrics: Vec<MetricValue>) -> Evaluation {
    let trn_loss = (predictions == "plain").then_some(loss * 1.2);
    Evaluation { set: MeasuredSet::Valid, predictions: predictions.into(), n, trn_loss, val_loss: loss, metrics }
}

/// A loss curve as `lr_find` sees it: flat, falling, running away.
fn find(step: usize, title: &str) -> FindCurve {
    let rates: Vec<f64> = (0..200).map(|i| 1e-5 * 1e6f64.powf(f64::from(i) / 200.0)).collect();
    let loss = |r: &f64| 0.68 - 0.55 / (1.0 + (-(r.ln() - 0.004f64.ln()) * 1.6).exp()) + (r / 0.35).powf(2.2) * 0.4;
    let losses: Vec<f64> = rates.iter().map(loss).take_while(|l| *l < 2.4).collect();
    let rates = rates[..losses.len()].to_vec();
    FindCurve {
        step,
        title: title.into(),
        rates,
        batch_losses: losses.clone(),
        losses,
        suggestion: Some(1e-2),
        rule: "valley".into(),
        ratio: Vec::new(),
    }
}

/// `cycles` of `batches`, each a cosine down from the rates; the loss falls from `high` to `low`.
fn fit(
    step: usize,
    title: &str,
    rates: &[f64],
    lens: &[usize],
    loss: Range<f64>,
    column: &str,
    vals: &[(f64, f64)],
) -> FitCurve {
    let (high, low) = (loss.start, loss.end);
    let batches = 120;
    let cosine = |i: usize, len: usize| ((i as f64 / (len * batches) as f64 * std::f64::consts::PI).cos() + 1.0) / 2.0;
    let factors: Vec<f64> = lens.iter().flat_map(|len| (0..len * batches).map(move |i| cosine(i, *len))).collect();
    let n = factors.len();
    let loss = |i: usize| {
        low + (high - low) * (-(i as f64) / n as f64 * 4.0).exp() + 0.02 * low * ((i * 7919 % 97) as f64 / 48.0 - 1.0)
    };
    let losses: Vec<f64> = (0..n).map(loss).collect();
    let epochs = vals
        .iter()
        .enumerate()
        .map(|(e, (val_loss, value))| EpochRow {
            epoch: e as u64,
            trn_loss: losses[(e + 1) * batches - 1],
            val_loss: *val_loss,
            metrics: vec![(column.to_string(), *value)],
            seconds: 74.3 + e as f64,
            ..EpochRow::default()
        })
        .collect();
    FitCurve {
        step,
        title: title.into(),
        rates: rates.iter().map(|r| factors.iter().map(|f| r * f).collect()).collect(),
        batch_losses: losses.clone(),
        losses,
        ends: (1..=vals.len()).map(|e| e * batches).collect(),
        epochs,
    }
}

fn stage(step: usize, kind: &str, text: &str, trains: Option<&str>, result: Option<Evaluation>) -> StageSummary {
    StageSummary {
        step,
        kind: StepKind::parse(kind).unwrap(),
        text: text.into(),
        size: 224,
        trains: trains.map(str::to_string),
        seconds: 185.2,
        images: if kind == "fit" { 23_000 } else { 0 },
        images_per_s: 124.2,
        evaluation: result,
        ..StageSummary::default()
    }
}

fn cats() -> (Summary, Record) {
    let accuracy = |value, interval| vec![metric("accuracy", value, Some(interval), 2000)];
    let last = evaluation("plain", 2000, 0.0193, accuracy(0.9925, [0.9877, 0.9954]));
    let tta = evaluation("tta: 1 plain + 4 augmented", 2000, 0.0181, accuracy(0.994, [0.9895, 0.9966]));
    let mut found =
        stage(1, "lr_find", "lr_find(suggest = valley, or = 0.01)", Some("the head, on cached activations"), None);
    found.suggestion = Some(1e-2);
    let mut cached = stage(0, "precompute", "precompute(on)", None, None);
    cached.cache =
        Some(CacheUse { path: ".fastai/activations/9f3c2a".into(), found: false, incomplete: false, seconds: 412.0 });
    let confusion = Confusion {
        classes: vec!["cat".into(), "dog".into()],
        cells: vec![(0, 0, 996), (0, 1, 4), (1, 0, 8), (1, 1, 992)],
    };
    let summary = Summary {
        format: 1,
        status: Status::Complete,
        name: "DogsCats".into(),
        doc: Some("Is this a dog or a cat?".into()),
        recipe: "recipe DogsCats {\n    task: single_label,\n    data: folders { root: \"data/dogscats\" },\n    train: {\n        precompute(on);\n        let lr = lr_find(suggest = valley, or = 1e-2);\n        fit(lr, 2);\n    },\n}\n".into(),
        task: TaskKind::SingleLabel,
        seed: 42,
        device: "CPU, 2 threads (flex)".into(),
        device_reason: "no CUDA driver, no wgpu adapter".into(),
        threads: 2,
        classes: vec!["cat".into(), "dog".into()],
        counts: Counts { train: 23_000, valid: 2000, test: 12_500 },
        stages: vec![
            cached,
            found,
            stage(2, "fit", "fit(lr, 2)", Some("the head, on cached activations"), Some(evaluation("plain", 2000, 0.0262, accuracy(0.9885, [0.9828, 0.9923])))),
            stage(3, "precompute", "precompute(off)", None, None),
            stage(4, "fit", "fit(lr, 3, cycle_len = 1)", Some("the head, on images"), Some(evaluation("plain", 2000, 0.0237, accuracy(0.9915, [0.9864, 0.9947])))),
            stage(5, "unfreeze", "unfreeze()", None, None),
            StageSummary {
                turned_at: Some(4),
                trains_body: true,
                ..stage(6, "fit", "fit([lr / 100, lr / 10, lr], 3, cycle_len = 1, cycle_mult = 2)", Some("the whole network, on images"), Some(last.clone()))
            },
            stage(7, "tta", "tta(n_aug = 4)", None, Some(tta.clone())),
        ],
        tta: Some(tta),
        r#final: Some(last),
        by_class: Some(ByClass::new("tta: 1 plain + 4 augmented", class_table(&confusion))),
        found_rates: vec![1e-2],
        baseline: Some(Baseline {
            says: "dog".into(),
            metric: MetricKind::Accuracy,
            value: 0.5,
            reached: Some(0.9925),
            gain: Some([0.47, 0.515]),
        }),
        seconds: 3725.0,
        notes: vec!["23 000 images in batches of 64: the last batch has 24.".into()],
        ..Summary::default()
    };
    let record = Record {
        data: DataOverview {
            classes: vec![
                ClassCount { name: "cat".into(), train: 11_500, valid: 1000 },
                ClassCount { name: "dog".into(), train: 11_500, valid: 1000 },
            ],
            histograms: Bars::of_sizes(&Sizes(vec![[300, 400, 11_000], [499, 375, 11_990], [1050, 768, 10]])),
        },
        finds: vec![find(1, "lr_find(suggest = valley, or = 0.01)")],
        fits: vec![
            fit(
                2,
                "fit(lr, 2)",
                &[1e-4, 1e-3, 1e-2],
                &[1, 1],
                0.68..0.06,
                "accuracy",
                &[(0.031, 0.9875), (0.0262, 0.9885)],
            ),
            fit(
                4,
                "fit(lr, 3, cycle_len = 1)",
                &[1e-4, 1e-3, 1e-2],
                &[1, 1, 1],
                0.12..0.05,
                "accuracy",
                &[(0.026, 0.99), (0.0245, 0.991), (0.0237, 0.9915)],
            ),
            fit(
                6,
                "fit(..)",
                &[1e-4, 1e-3, 1e-2],
                &[1, 2, 4],
                0.1..0.02,
                "accuracy",
                &[
                    (0.03, 0.99),
                    (0.024, 0.991),
                    (0.021, 0.9915),
                    (0.022, 0.9915),
                    (0.0185, 0.992),
                    (0.0189, 0.9925),
                    (0.0193, 0.9925),
                ],
            ),
        ],
        confusion: Some(confusion),
        gallery: None,
    };
    (summary, record)
}

/// Multi label, stopped while smoking, with a name and a tag that try to be markup.
fn planet() -> (Summary, Record) {
    let f2 = |value, interval| {
        let mut f2 = metric("f2", value, Some(interval), 8095);
        f2.chosen_here = Some("the threshold 0.19 (of 7)".into());
        vec![f2, metric("accuracy_thresh", 0.9581, None, 8095)]
    };
    let last = evaluation("plain", 8095, 0.0839, f2(0.9299, [0.9273, 0.9324]));
    let tags = [
        "clear",
        "primary",
        "agriculture",
        "</td><script>alert('x')</script>",
        "a \"quoted\" & 'odd' tag",
        "blow_down",
    ];
    let score = |value: f64| Some(ClassScore { value, interval: [value - 0.02, value + 0.02] });
    let rows = tags.iter().enumerate().map(|(i, tag)| ClassRow {
        name: (*tag).into(),
        support: 6000 / (i as u64 * 3 + 1),
        threshold: Some(0.2),
        said: if i == 5 { 0 } else { 6200 / (i as u64 * 3 + 1) },
        precision: if i == 5 { None } else { score(0.93 - 0.1 * i as f64) },
        recall: score(0.97 - 0.12 * i as f64),
        f_beta: score(0.96 - 0.15 * i as f64),
    });
    let table = ClassTable { beta: 2.0, rows: rows.collect(), left_out: 0 };
    let summary = Summary {
        format: 1,
        status: Status::Stopped,
        smoke: true,
        name: "Planet<img src=x onerror=alert(1)>".into(),
        doc: Some("</style><script src=//evil.example/x.js></script>".into()),
        recipe: "recipe Planet { task: multi_label, data: csv { root: \"</pre><b>\" } }".into(),
        task: TaskKind::MultiLabel,
        device: "CUDA 0: NVIDIA H100 <80GB>".into(),
        device_reason: "the first of 1".into(),
        threads: 16,
        classes: tags.iter().map(|t| (*t).to_string()).collect(),
        counts: Counts { train: 32_384, valid: 8095, test: 0 },
        stages: vec![stage(
            0,
            "fit",
            "fit(0.2, 3, cycle_len = 1, cycle_mult = 2)",
            Some("the head, on images"),
            Some(last.clone()),
        )],
        r#final: Some(last),
        by_class: Some(ByClass::new("plain", table)),
        baseline: Some(Baseline {
            says: "clear primary".into(),
            metric: MetricKind::F2,
            value: 0.6412,
            reached: Some(0.6),
            gain: Some([-0.0481, -0.0349]),
        }),
        notes: vec!["<i>cache</i> found".into()],
        ..Summary::default()
    };
    let record = Record {
        data: DataOverview {
            classes: tags
                .iter()
                .enumerate()
                .map(|(i, t)| ClassCount { name: (*t).into(), train: 28_000 / (i * 3 + 1), valid: 7000 / (i * 3 + 1) })
                .collect(),
            histograms: Bars::of_sizes(&Sizes(vec![[256, 256, 28_000]])),
        },
        finds: vec![FindCurve {
            step: 9,
            title: "lr_find(\"<x>\")".into(),
            rates: vec![1e-5],
            losses: vec![f64::NAN],
            ..FindCurve::default()
        }],
        fits: vec![fit(
            0,
            "fit(0.2, ..)",
            &[0.2 / 9.0, 0.2 / 3.0, 0.2],
            &[1, 2],
            0.4..0.1,
            "f2",
            &[(0.11, 0.9), (0.1, 0.91), (0.0839, 0.9299)],
        )],
        confusion: None,
        gallery: Some(Gallery {
            made: "plain".into(),
            wrong: 1,
            n: 8095,
            groups: vec![GalleryGroup {
                title: "Worst <F2>".into(),
                images: vec![GalleryImage {
                    id: "<img src=1>".into(),
                    is: "clear".into(),
                    said: vec![("</td><script>alert('x')</script>".into(), 0.9)],
                    missing: vec![("primary".into(), 0.1)],
                    thumbnail: Some("/9j/".into()),
                    ..GalleryImage::default()
                }],
            }],
            ..Gallery::default()
        }),
    };
    (summary, record)
}

fn keep(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("REPORT_OUT") {
        std::fs::write(Path::new(&folder).join(name), page).unwrap();
    }
}

/// Everything that could load something: only the namespace of SVG may look like an address.
fn assert_self_contained(page: &str) {
    let rest = page.replace("http://www.w3.org/2000/svg", "").replace("src=\"data:image/jpeg;base64,", "");
    for fetch in
        ["http:", "https:", "src=\"", "<script", "<link", "<iframe", "<object", "@import", "url(", "xlink:href"]
    {
        assert!(!rest.contains(fetch), "the page contains {fetch}");
    }
    for (at, _) in rest.match_indices("href=\"") {
        assert!(rest[at..].starts_with("href=\"./"), "a link leaves the folder: {}", &rest[at..at + 40]);
    }
}

#[test]
fn a_single_label_run_tells_its_story() {
    let (summary, record) = cats();
    let base = tempfile::tempdir().unwrap();
    let mut folder = RunFolder::create(Some(&base.path().join("run")), &summary.name).unwrap();
    folder.write_recipe(&summary.recipe, summary.seed).unwrap();
    for fit in &record.fits {
        for row in &fit.epochs {
            folder.append_epoch(fit.step, row).unwrap();
        }
    }
    folder.write_summary(&summary).unwrap();
    std::fs::write(folder.model_path("224_all").unwrap(), vec![0u8; 4200]).unwrap();
    let path = folder.write_report(&summary, &record).unwrap();
    let page = std::fs::read_to_string(&path).unwrap();
    keep("cats.html", &page);
    assert_self_contained(&page);

    for text in [
        "0.9940",
        "95 % interval 0.9895 – 0.9966",
        "tta: 1 plain + 4 augmented",
        "Saying <q>dog</q>",
        "accuracy 0.9885 → <strong>0.9915</strong>",
        "accuracy 0.9915 → <strong>0.9925</strong>",
        "brought 0.0030",
        "▲ validation loss rose after epoch 4 while training loss fell",
        "cache built in 6 min 52 s: .fastai/activations/9f3c2a",
        "Suggested: 0.01 (valley).",
        "no CUDA driver, no wgpu adapter",
        "let lr = lr_find(suggest = valley, or = 1e-2);",
        ">996</td>",
        "99.6 %",
        "<a href=\"./models/224_all.safetensors\">",
        "4.2 kB",
        "<h2>Classes</h2>",
        "<td class=\"n\">0.9960<div><small>0.9898 – 0.9984</small></div></td>",
        "Predictions: tta: 1 plain + 4 augmented.",
        "Width of training images, pixels",
        ">300 – 374</td><td class=\"n\">11\u{202f}000</td>",
        "Width below 1,000 pixels: 22\u{202f}990 images",
    ] {
        assert!(page.contains(text), "the report lacks: {text}");
    }
    assert_eq!(page.matches("▲ </span>0.0").count(), 3, "val_loss rose in epochs 3, 5 and 6 of the last fit");
    assert!(!["SMOKE", "STOPPED", "NOT BETTER"].iter().any(|banner| page.contains(banner)));

    let mut files: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let want = [
        "history.csv",
        "losses.svg",
        "lr_find-2.svg",
        "models",
        "rates.svg",
        "recipe.recipe",
        "report.html",
        "summary.json",
    ];
    assert_eq!(files, want);
    let history = std::fs::read_to_string(folder.path().join("history.csv")).unwrap();
    assert_eq!(history.lines().count(), 1 + 2 + 3 + 7);
    assert_eq!(history.lines().next(), Some("step,epoch,trn_loss,val_loss,accuracy,seconds"));
}

#[test]
fn hostile_text_stays_text_and_a_stopped_smoke_run_says_so() {
    let (summary, record) = planet();
    let page = html::report(&summary, &record, &[]);
    keep("planet.html", &page);
    assert_self_contained(&page);
    for text in ["<img src=x", "<img src=1", "<F2>", "<b>", "<i>cache", "</td><script", "<x>", "<80GB>"] {
        assert!(!page.contains(text), "{text} is not escaped");
    }
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</pre>").count(), 1);
    for text in [
        "SMOKE RUN",
        "STOPPED before",
        "NOT BETTER THAN A CONSTANT: the run ended with f2 0.6000, no better than always saying `clear primary` (0.6412; \
         gain -0.0412, 95 % from -0.0481 to -0.0349): nothing useful was learned",
        "&lt;script&gt;alert('x')",
        "Flattered: the threshold 0.19 (of 7) was chosen on these images.",
        "no interval, n\u{a0}=\u{a0}8\u{202f}095",
        "too few batches to draw a curve",
        "An image counts for each of its tags.",
        "<h2>Tags</h2>",
        "The lowest F2 comes first, what has no image last. Predictions: plain.",
        "src=\"data:image/jpeg;base64,/9j/\"",
        "<blockquote><p>&lt;/style&gt;",
        "Figures in them are not of this run.",
    ] {
        assert!(page.contains(text), "the report lacks: {text}");
    }
    assert!(page.contains("<td class=\"n\">–</td>"), "a precision of nothing is a dash, not NaN");
    let place = |tag: &str| page.find(&format!("<th class=\"name\">{tag}</th><td")).unwrap();
    let order = ["blow_down", "agriculture", "primary", "clear"].map(place);
    assert!(order.is_sorted(), "the lowest F2 comes first: {order:?}");
}

#[test]
fn many_classes_show_the_most_confused_pairs() {
    let classes: Vec<String> = (0..120).map(|i| format!("breed {i}")).collect();
    let cells =
        (0..120u32).flat_map(|truth| [(truth, truth, 60), (truth, (truth + 1) % 120, u64::from(truth) + 1)]).collect();
    let record = Record { confusion: Some(Confusion { classes, cells }), ..Record::default() };
    let page = html::report(&Summary::default(), &record, &[]);
    assert!(!page.contains("class=\"matrix"));
    assert!(page.contains("30 of 120"));
    assert!(page.contains("breed 119</th><td class=\"name\">breed 0</td>"), "the most confused pair comes first");
    assert!(page.contains("66.7 % of 180"));
    assert!(!page.contains("breed 89</th>"), "only thirty pairs");
}

#[test]
fn many_classes_show_the_scores_of_the_worst() {
    let classes: Vec<String> = (0..120).map(|i| format!("breed {i}")).collect();
    let cells =
        (0..120u32).flat_map(|truth| [(truth, truth, 60), (truth, (truth + 1) % 120, u64::from(truth) + 1)]).collect();
    let table = class_table(&Confusion { classes, cells });
    let worst: Vec<String> = table.worst_first().iter().take(30).map(|row| row.name.clone()).collect();
    let summary = Summary { by_class: Some(ByClass::new("plain", table)), ..Summary::default() };
    let page = html::report(&summary, &Record::default(), &[]);
    let found: Vec<&str> = page.split("<th class=\"name\">").skip(1).filter_map(|row| row.split('<').next()).collect();
    assert_eq!(found, worst, "the thirty worst classes, the worst first");
    assert!(page.contains("30 of 120 classes; <code>summary.json</code> has 120."));
}

#[test]
fn an_empty_run_still_has_a_report() {
    let page = html::report(&Summary::default(), &Record::default(), &[]);
    assert!(page.contains("Nothing was measured."));
    assert_self_contained(&page);
}

#[test]
fn plots_keep_to_their_axes_whatever_they_are_given() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e300, 1e-300];
    let mut curves = vec![Vec::new(), vec![0.0; 3], vec![1.0; 5], odd.to_vec()];
    curves.push((0..200_000).map(|i| f64::from(i % 1000)).collect());
    for losses in curves {
        let rates: Vec<f64> = (0..losses.len()).map(|i| 1e-5 * 1.01f64.powi(i as i32 % 900)).collect();
        let curve =
            FindCurve { rates: rates.clone(), losses: losses.clone(), suggestion: Some(1e-4), ..FindCurve::default() };
        let epochs = vec![EpochRow { val_loss: f64::NAN, ..EpochRow::default() }; 2];
        let ends = vec![losses.len() / 2, losses.len()];
        let fits = [FitCurve { rates: vec![rates], losses: losses.clone(), ends, epochs, ..FitCurve::default() }];
        for svg in [plot::find(&curve), plot::rates(&fits), plot::losses(&fits)] {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN"));
            assert!(svg.len() < 100_000, "{} bytes", svg.len());
        }
    }
}

#[test]
fn the_find_plot_marks_the_suggestion_and_cuts_the_flight() {
    let svg = plot::find(&find(1, "lr_find"));
    assert!(svg.contains("0.01  valley"));
    assert!(svg.contains("learning rate (log scale)") && svg.contains("training loss, smoothed"));
    assert_within_axes(&svg, 44..=290);
}

#[test]
fn a_wild_first_loss_neither_leaves_the_axes_nor_flattens_the_rest() {
    let mut losses: Vec<f64> = (0..400).map(|i| 0.7 - 0.001 * f64::from(i)).collect();
    losses[0] = 50.0;
    let svg = plot::losses(&[FitCurve { losses, ..FitCurve::default() }]);
    let ys = assert_within_axes(&svg, 44..=290);
    assert!(ys.last().unwrap() - ys[20] > 150, "the fall fills the height");
}

/// The y of every point of the blue curve; all are in `height` and some are near its top.
fn assert_within_axes(svg: &str, height: RangeInclusive<i32>) -> Vec<i32> {
    // The legend's stroke is blue too, and short.
    let blue = svg.split("<polyline").filter(|part| part.contains("#0072B2"));
    let line = blue.max_by_key(|part| part.len()).expect("the curve");
    let points = line.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("its points");
    let ys: Vec<i32> = points.split_whitespace().map(|p| p.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert!(ys.iter().all(|y| height.contains(y)), "the curve leaves the axes: {ys:?}");
    let top = *ys.iter().min().unwrap();
    assert!(top < height.start() + 20, "the curve uses the height");
    assert!(ys.iter().filter(|y| **y == top).count() <= 2, "no line along the top: {ys:?}");
    ys
}
