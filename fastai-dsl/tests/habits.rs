//! What readers of the original's lessons will type, and the line that they are told to type instead.

mod common;

use common::HEAD;
use fastai_dsl::Severity;
use fastai_dsl::source::RecipeText;

/// (what is replaced, by what, code, what the help holds)
const HABITS: &[(&str, &str, &str, &str)] = &[
    // The learner and its methods.
    ("fit(1e-2, 1);", "learn.fit(1e-2, 3);", "E0109", "`fit(1e-2, 3);`"),
    (
        "fit(1e-2, 1);",
        "learn.precompute=True; fit(1e-2, 1); precompute(off); fit(1e-2, 1);",
        "E0109",
        "`precompute(on);`",
    ),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.unfreeze(); fit(1e-3, 1);", "E0109", "`unfreeze();`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.freeze_to(-1); fit(1e-3, 1);", "E0109", "`freeze_to(-1);`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.bn_freeze(True); fit(1e-3, 1);", "E0109", "`bn_freeze(on);`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); learn.sched.plot_lr();", "E0109", "`report.html`"),
    ("fit(1e-2, 1);", "fine_tune(4);", "E0209", "`unfreeze();`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); resize(96, 96);", "E0211", "`batch = 96`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); TTA();", "E0209", "`tta();`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); set_data(299);", "E0209", "`resize(299);`"),
    ("fit(1e-2, 1);", "fit(1e-2, 1); predict();", "E0209", "predictions are made after the run"),
    // Assignments.
    ("fit(1e-2, 1);", "precompute=True; fit(1e-2, 1); precompute(off); fit(1e-2, 1);", "E0109", "`precompute(on);`"),
    ("fit(1e-2, 1);", "lr=0.2; fit(lr, 1);", "E0109", "`let lr = 0.2;`"),
    (
        "fit(1e-2, 1);",
        "fit(1e-2, 1); unfreeze(); lrs = np.array([1e-4,1e-3,1e-2]); fit(lrs, 1);",
        "E0109",
        "`let lrs = [1e-4, 1e-3, 1e-2];`",
    ),
    (
        "fit(1e-2, 1);",
        "tfms = tfms_from_model(resnet34, 64, aug_tfms=transforms_side_on); fit(1e-2, 1);",
        "E0109",
        "`transforms: side_on {",
    ),
    (
        "fit(1e-2, 1);",
        "data = ImageClassifierData.from_paths(PATH, tfms=tfms); fit(1e-2, 1);",
        "E0109",
        "`data: folders { root: ",
    ),
    (
        "fit(1e-2, 1);",
        "learn = ConvLearner.pretrained(arch, data, precompute=True); fit(1e-2, 1);",
        "E0109",
        "`model: resnet34`",
    ),
    // Arguments.
    ("fit(1e-2, 1)", "fit(1e-2, 3, cycle_len: 1)", "E0107", "`cycle_len = 1`"),
    ("fit(1e-2, 1)", "fit(1e-2, n_cycle=3)", "E0210", "`cycles = 3`"),
    ("fit(1e-2, 1)", "fit(lr=1e-2, 3)", "E0210", "`lrs = 0.01`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, wd=1e-4)", "E0210", "`wds = 0.0001`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, cycle_save_name=\"x\")", "E0416", "`cycle_len = 1`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, best_save_name=\"x\")", "E0210", "`keep_best: accuracy`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, use_clr=[20, 8])", "E0416", "`cycle_len = 1`"),
    ("fit(1e-2, 1)", "fit(1e-2, 3, cycle_len=None)", "E0301", "remove `cycle_len`"),
    ("fit(1e-2, 1)", "fit(3, 1e-2)", "E0303", "the rate comes first: `fit(0.01, 3);`"),
    ("fit(1e-2, 1)", "fit_one_cycle(3, 1e-2)", "E0303", "the rate comes first: `fit_one_cycle(0.01, 3);`"),
    ("fit(1e-2, 1)", "fit_one_cycle(3, lr_max=1e-2)", "E0210", "`lrs = 0.01`"),
    ("fit(1e-2, 1)", "fit_one_cycle(1e-2, n_epoch=3)", "E0210", "`epochs = 3`"),
    ("fit(1e-2, 1)", "fit(1e-2, n_epoch=3)", "E0210", "`cycles = 3`"),
    ("fit(1e-2, 1)", "fit(1e-2, 9, patience=3)", "E0210", "`stop_early = 3`"),
    ("fit(1e-2, 1)", "fit(1e-2, 1); unfreeze(); fit(slice(1e-4, 1e-2), 3)", "E0301", "`[1e-4, 1e-3, 1e-2]`"),
    ("fit(1e-2, 1)", "fit_flat_cos(5)", "E0209", "`fit(1e-2, 5, schedule = cosine);`"),
    ("fit(1e-2, 1)", "lr_find(start_lr=1e-5); fit(1e-2, 1)", "E0210", "`start = 1e-5`"),
    ("fit(1e-2, 1)", "fit(1e-2, 1); unfreeze(); fit([1e-4, 1e-2], 3)", "E0404", "`[0.0001, 0.001, 0.01]`"),
    ("fit(1e-2, 1)", "for i in range(3) { fit(1e-2, 1); save(\"{i}\"); }", "E0603", "`for i in [0, 1, 2]`"),
    // Keys.
    ("size: 64", "sz: 64", "E0204", "`size: 64`"),
    ("size: 64", "size: 64, aug_tfms: transforms_side_on", "E0204", "`side_on { size: 224 }`"),
    ("size: 64", "size: 64, crop_type: random", "E0204", "`crop: random`"),
    ("size: 64", "size: 64px", "E0110", "`64`"),
    ("size: 64", "size: 64, normalise: off", "E0204", "`stats: imagenet`"),
    ("size: 64", "size: 64, rotate: 10", "E0204", "a value of `augment`: `augment: [rotate(10)]`"),
    ("size: 64", "size: 64, colour: 0.1", "E0204", "`augment: [lighting(0.1, 0.1)]`"),
    ("root: \"d\"", "path: \"d\"", "E0204", "`root: \"d\"`"),
    ("root: \"d\"", "root: \"d\", bs: 58", "E0204", "`batch: 58`"),
    ("root: \"d\"", "root: \"d\", num_workers: 4", "E0204", "`workers: 4`"),
    ("root: \"d\"", "root: \"d\", batch_size: \"x\"", "E0204", "`batch: 64`"),
    ("root: \"d\"", "path: d", "E0204", "`root: \"d\"`"),
    ("root: \"d\"", "root: \"d\", fit_one_cycle: 3", "E0204", "a step of `train`: `fit_one_cycle(0.01, 3);`"),
    ("root: \"d\"", "root: \"d\", shuffle: on", "E0204", "a value of `sampler`: `sampler: shuffle`"),
    (
        "root: \"d\"",
        "root: \"d\", item_tfms: Resize(224)",
        "E0204",
        "`transforms: side_on { size: 224, max_zoom: 1.1 }`",
    ),
    ("root: \"d\"", "root: \"d\", valid: RandomSplitter(0.2)", "E0206", "`valid: random(0.2, seed = 42)`"),
    ("folders { root: \"d\" }", "\"d\"", "E0301", "`data: folders { root: \"d\" }`"),
    ("root: \"d\"", "root: \"d\", val_idxs: random(0.2)", "E0204", "`valid: random(0.2)`"),
    ("root: \"d\"", "root: \"d\", val_name: \"valid\"", "E0204", "`valid: \"valid\"`"),
    ("root: \"d\"", "root: \"d\", test_name: \"test\"", "E0204", "`test: \"test\"`"),
    ("root: \"d\"", "root: \"d\", valid: random(val_pct = 0.2)", "E0210", "`share = 0.2`"),
    ("root: \"d\"", "root: \"d\", valid: random(20%)", "E0110", "`0.2`"),
    ("root: \"d\"", "root: \"d\", valid: get_cv_idxs(n)", "E0206", "`valid: random(0.2, seed = 42)`"),
    ("root: \"d\"", "root: 'data/d'", "E0110", "`\"data/d\"`"),
    ("squeezenet1_1", "squeezenet1_1 { ps: 0.5 }", "E0204", "`dropout: 0.5`"),
    ("squeezenet1_1", "squeezenet1_1 { xtra_fc: [512] }", "E0204", "`hidden: [512]`"),
    ("squeezenet1_1", "squeezenet1_1 { precompute: True }", "E0204", "`precompute(on);`"),
    ("squeezenet1_1", "squeezenet1_1, optimizer: sgd { mom: 0.9 }", "E0204", "`momentum: 0.9`"),
    ("squeezenet1_1", "models.squeezenet1_1", "E0103", "`squeezenet1_1`"),
    ("squeezenet1_1", "squeezenet1_1 { arch: resnet34 }", "E0204", "the word before the braces: `resnet34 { .. }`"),
    ("squeezenet1_1", "resnet50d", "E0207", "`resnet50`"),
    ("squeezenet1_1", "squeezenet1_1 { pretrained: on }", "E0204", "`weights: pretrained`"),
    ("[accuracy],", "[accuracy, val_loss],", "E0208", "the loss is measured in every run"),
    // Calls in place of braces.
    ("side_on { size: 64 }", "side_on(64)", "E0301", "options stand in braces: `side_on { size: "),
    ("folders { root: \"d\" }", "csv(\"x\")", "E0301", "options stand in braces: `csv { root: "),
    ("folders { root: \"d\" }", "folders(root = \"d\")", "E0301", "options stand in braces: `folders { root: "),
    // Strings without their quotes.
    ("root: \"d\"", "root: train.csv", "E0103", "`\"train.csv\"`"),
    ("root: \"d\"", "root: data/train.csv", "E0103", "`\"data/train.csv\"`"),
    ("root: \"d\"", "root: 2024/my-dogs/train-1.csv", "E0103", "`\"2024/my-dogs/train-1.csv\"`"),
    ("root: \"d\"", "root: ../dogs", "E0103", "`\"../dogs\"`"),
    (
        "root: \"d\"",
        "root: /home/anna-b/projects/2024-05-12-cats-and-dogs/data/raw/train-images-v2/part-1-of-3",
        "E0103",
        "`\"/home/anna-b/projects/2024-05-12-cats-and-dogs/data/raw/train-images-v2/part-1-of-3\"`",
    ),
    ("root: \"d\"", "root: data/dogs", "E0602", "`\"data/dogs\"`"),
    ("root: \"d\"", "root: /abs/data", "E0103", "`\"/abs/data\"`"),
    ("root: \"d\"", "root: .jpg", "E0103", "`\".jpg\"`"),
    (
        "folders { root: \"d\" }",
        "csv { root: \"d\", labels: \"l.csv\", images: \"i\", suffix: jpg }",
        "E0301",
        "`\".jpg\"`",
    ),
    ("squeezenet1_1", "\"squeezenet1_1\"", "E0301", "without quotes: `squeezenet1_1`"),
    ("fit(1e-2, 1);", "fit(1e-2..1e-3, 1);", "E0104", "`[1e-3, 1e-2]`"),
    ("fit(1e-2, 1);", "lr = lr_find(); fit(lr, 1);", "E0109", "`let lr = lr_find(or = 1e-2);`"),
    // Sections and words.
    ("    model:", "    arch:", "E0201", "`model: "),
    ("    transforms:", "    tfms:", "E0201", "`transforms: "),
    ("[accuracy],", "[accuracy], sz: 64,", "E0201", "`size: 64`"),
    ("[accuracy],", "[accuracy], bs: 58,", "E0201", "it belongs into `data`: `batch: 58`"),
    ("[accuracy],", "[accuracy], grad_clip: 1.0,", "E0201", "`clip: 1.0`"),
    ("[accuracy],", "[accuracy], label_col: 3,", "E0201", "it belongs into `data: csv { .. }`: `label: 3`"),
    ("[accuracy],", "[accuracy], to_fp16: on,", "E0201", "`precision: mixed`"),
    ("[accuracy]", "[RocAuc]", "E0208", "`auroc`"),
    ("[accuracy],", "[accuracy], report: True,", "E0206", "`on`"),
    ("[accuracy]", "[f2]", "E0501", "`accuracy`"),
    ("side_on", "transforms_side_on", "E0206", "`side_on { size: 224 }`"),
    ("1);", "1); # the new head\n", "E0111", "`// ..`"),
];

#[test]
fn habits_are_answered_with_what_to_type() {
    let mut failures = Vec::new();
    for (from, to, code, help) in HABITS {
        assert!(HEAD.contains(from), "{from}");
        let source = RecipeText::new("demo.recipe", &HEAD.replacen(from, to, 1), &[]);
        let found: Vec<_> = source.diagnostics().iter().filter(|d| d.severity == Severity::Error).collect();
        let said =
            |d: &&&fastai_dsl::Diagnostic| d.code.id == *code && d.help.as_ref().is_some_and(|h| h.contains(help));
        if found.len() != 1 || !found.iter().any(|d| said(&d)) {
            failures.push(format!("{to}: expected {code} with {help}\n{}", source.render(false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn what_works_as_it_is_typed_is_no_mistake() {
    for (from, to) in [
        ("fit(1e-2, 1)", "fit(1e-2/9, 1)"),
        ("fit(1e-2, 1)", "let lr=1e-2; fit(lr/9,1)"),
        ("fit(1e-2, 1)", "fit(lrs = 1e-2, cycles = 3, cycle_len=1)"),
        ("size: 64", "size:64,max_zoom:1.1,"),
    ] {
        let source = RecipeText::new("demo.recipe", &HEAD.replacen(from, to, 1), &[]);
        assert!(source.diagnostics().is_empty(), "{to}\n{}", source.render(false));
    }
}

/// The lines of the course's slides, in their order, and the help that answers each; a second one where the line has two
/// statements.
const SLIDES: &[(&str, &[&str])] = &[
    (
        "data=ImageClassifierData.from_paths(PATH, tfms=tfms_from_model(arch, sz))",
        &["sections of their own: `data: folders { root: \"data\" }` and `transforms: none { size: 224 }`"],
    ),
    (
        "learn = ConvLearner.pretrained(f_model, data, metrics=metrics)",
        &["sections of their own: `model: resnet34` and `metrics: [accuracy]`"],
    ),
    ("lrf=learn.lr_find()", &["`let lrf = lr_find(or = 1e-2);`"]),
    ("learn.sched.plot()", &[PLOTS]),
    ("learn.fit(1e-2, 3, cycle_len=1)", &["`fit(1e-2, 3, cycle_len = 1);`"]),
    ("learn.sched.plot_lr()", &[PLOTS]),
    (
        "tfms=tfms_from_model(resnet34,sz,aug_tfms=transforms_side_on,max_zoom=1.1)",
        &["a section of its own: `transforms: side_on { size: 224, max_zoom: 1.1 }`"],
    ),
    ("def get_data(sz):", &["a recipe has no functions: write what the function does where it is called"]),
    (
        "tfms = tfms_from_model(f_model, sz, aug_tfms=transforms_top_down, max_zoom=1.05)",
        &["a section of its own: `transforms: top_down { size: 224, max_zoom: 1.05 }`"],
    ),
    (
        "return ImageClassifierData.from_csv(PATH, 'train-jpg', label_csv, tfms=tfms, suffix='.jpg', val_idxs=val_idxs, \
         test_name='test-jpg')",
        &["a section of its own: `data: csv { root: \"data\", labels: \"labels.csv\", images: \"train-jpg\", suffix: \
           \".jpg\", valid: random(0.2, seed = 42), test: \"test-jpg\" }`"],
    ),
    ("sz=256", &["`let sz = 256;`"]),
    ("def get_augs():", &["a recipe has no functions: write what the function does where it is called"]),
    (
        "data = ImageClassifierData.from_csv(PATH, 'train-jpg', label_csv, tfms=tfms, suffix='.jpg', val_idxs=val_idxs, \
         test_name='test-jpg', bs=2, num_workers=1)",
        &["a section of its own: `data: csv { root: \"data\", labels: \"labels.csv\", images: \"train-jpg\", suffix: \
           \".jpg\", valid: random(0.2, seed = 42), test: \"test-jpg\", batch: 2, workers: 1 }`"],
    ),
    ("x, _ = next(iter(data.aug_dl))", &[AUGMENTED]),
    ("return data.trn_ds.denorm(x)[1]", &[DATA]),
    (
        "data = get_data(256)",
        &[
            "sections of their own: `data: folders { root: \"data\" }` and `transforms: side_on { size: 224 }`; another size \
           later is `resize(299);`",
        ],
    ),
    ("ims = np.stack(get_augs() for i in range(9))", &[AUGMENTED]),
    ("plots(ims, rows=3)", &[AUGMENTED]),
    ("log_preds,y = learn.TTA()", &["`tta();`"]),
    ("probs = np.mean(np.exp(log_preds),0)", &[MEAN]),
    ("label_df.head()", &[DATA]),
    ("val_idx = get_cv_idx(n)", &["`valid: random(0.2, seed = 42)` in `data`"]),
    (
        "data = ImageClassifierData.from_csv(PATH, 'train', f'{PATH}labels.csv', test_name='test', val_idxs=val_idxs, \
         suffix='.jpg', tfms=tfms, bs=bs)",
        &["a section of its own: `data: csv { root: \"data\", labels: \"labels.csv\", images: \"train\", suffix: \
           \".jpg\", valid: random(0.2, seed = 42), test: \"test\" }`"],
    ),
    ("fn = PATH+data.trn_ds.fnames[0]; fn", &[DATA, "a name by itself does nothing here; remove it"]),
    ("img = PIL.Image.open(fn); img", &[DATA, "a name by itself does nothing here; remove it"]),
    ("plt.hist(row_sz)", &[DATA]),
    ("plt.hist(row_sz[row_sz<1000])", &[DATA]),
    (
        "learn = ConvLearner.pretrained(arch, data, precompute=True)",
        &["`precompute(on);`; a section of its own: `model: resnet34`"],
    ),
    ("learn.fit(1e-2, 5)", &["`fit(1e-2, 5);`"]),
    (
        "learn = ConvLearner.pretrained(arch, data, precompute=True, ps=0.5)",
        &[
            "`precompute(on);`; a section of its own: `model: resnet34 { dropout: 0.5 }`; a second learner is a new head, a \
           step: `head(dropout = 0.5);`",
        ],
    ),
    ("learn.fit(1e-2, 2)", &["`fit(1e-2, 2);`"]),
    ("learn.precompute=False", &["`precompute(off);`"]),
    ("learn.fit(1e-2, 3, cycle_len=1, cycle_mult=2)", &["`fit(1e-2, 3, cycle_len = 1, cycle_mult = 2);`"]),
    ("accuracy_np(probs, y)", &[METRICS]),
    ("learn.fit(1e-2, 1, cycle_len=2)", &["`fit(1e-2, 1, cycle_len = 2);`"]),
    ("learn.set_data(get_data(299, bs))", &["`resize(299);`; another batch size, too, is `resize(299, batch = 28);`"]),
    ("learn.set_data(get_data(299, 28))", &["`resize(299, batch = 28);`"]),
    ("learn.freeze()", &["`freeze();`"]),
    ("lr = 0.2", &["`let lr = 0.2;`"]),
    ("lrs=[lr/9,lr/3,lr]", &["`let lrs = [lr / 9, lr / 3, lr];`"]),
    ("learn.unfreeze()", &["`unfreeze();`"]),
    ("learn.fit(lrs, 3, cycle_len=1, cycle_mult=2)", &["`fit(lrs, 3, cycle_len = 1, cycle_mult = 2);`"]),
    ("learn.save(f'{sz}')", &["`save(\"{sz}\");`"]),
    ("learn.sched.plot_loss()", &[PLOTS]),
    ("learn.set_data(get_data(sz))", &["`resize(sz);`"]),
    ("plot_confusion_matrix(cm, data.classes)", &["it is in the run's `report.html`; remove this step"]),
    ("probs = np.exp(logs_preds)", &[MEAN]),
    ("accuracy(logs_preds, y), metrics.log_loss(y, probs)", &[METRICS]),
];

const PLOTS: &str = "plots are in the run's `report.html`; remove this step";
const AUGMENTED: &str = "`fastai show FILE` draws an image as nine epochs see it";
const DATA: &str = "`fastai show FILE` shows the data set: labels, sample images, sizes";
const MEAN: &str = "`tta();` and predictions give mean probabilities already";
const METRICS: &str = "metrics are measured after each epoch and by `tta();`: `metrics: [accuracy, log_loss]`";

/// A recipe in which the pasted line stands after what the notebook says before it.
fn with_line(line: &str) -> String {
    let before = "let lr = 1e-2; let lrs = [lr / 9, lr / 3, lr]; let sz = 128; fit(lr, 1); resize(sz); fit(lrs, 1);";
    let first = if line.contains("precompute") { "" } else { "unfreeze();" };
    HEAD.replacen("fit(1e-2, 1);", &format!("\n{before}\n{first}\n{line}\nfit(1e-3, 1);\n"), 1)
}

#[test]
fn every_line_of_the_slides_has_its_answer_and_no_other() {
    assert!(SLIDES.len() >= 32);
    let mut failures = Vec::new();
    for (line, answers) in SLIDES {
        let source = RecipeText::new("demo.recipe", &with_line(line), &[]);
        let errors = source.diagnostics().iter().filter(|d| d.severity == Severity::Error);
        let helps: Vec<&str> = errors.map(|d| d.help.as_deref().unwrap_or_default()).collect();
        if helps != *answers {
            failures.push(format!("{line}\n  expected {answers:?}\n{}", source.render(false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn answers_with_a_step_can_be_typed() {
    let mut typed = 0;
    for (line, answers) in SLIDES {
        let Some(step) = answers[0].strip_prefix('`').and_then(|rest| rest.split('`').next()) else { continue };
        if !step.ends_with(';') || line.contains("precompute") {
            continue;
        }
        let source = RecipeText::new("demo.recipe", &with_line(step), &[]);
        assert!(!source.diagnostics().has_errors(), "{line} -> {step}\n{}", source.render(false));
        typed += 1;
    }
    assert!(typed >= 18, "{typed}");
}

#[test]
fn code_in_the_answers_is_legal() {
    let mut failures = Vec::new();
    let mut check = |line: &str, help: &str| {
        for piece in common::code(help) {
            if let Err(why) = common::check(piece) {
                failures.push(format!("{line}: `{piece}`\n{why}"));
            }
        }
    };
    for (from, to, ..) in HABITS {
        for d in RecipeText::new("demo.recipe", &HEAD.replacen(from, to, 1), &[]).diagnostics().iter() {
            check(to, d.help.as_deref().unwrap_or_default());
        }
    }
    for (line, answers) in SLIDES {
        answers.iter().for_each(|answer| check(line, answer));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Lesson 1 of the course, cell by cell.
const LESSON1: &[&str] = &[
    "%reload_ext autoreload\n%matplotlib inline",
    "from fastai.imports import *\nfrom fastai.conv_learner import *",
    "PATH = \"data/dogscats/\"\nsz=224",
    "torch.cuda.is_available()",
    "!ls {PATH}",
    "files = !ls {PATH}valid/cats | head",
    "img = plt.imread(f'{PATH}valid/cats/{files[0]}')\nplt.imshow(img);",
    "arch=resnet34\ndata = ImageClassifierData.from_paths(PATH, tfms=tfms_from_model(arch, sz))\n\
     learn = ConvLearner.pretrained(arch, data, precompute=True)\nlearn.fit(0.01, 2)",
    "log_preds = learn.predict()\nlog_preds.shape",
    "def rand_by_mask(mask): return np.random.choice(np.where(mask)[0], 4, replace=False)",
    "lrf=learn.lr_find()",
    "learn.sched.plot_lr()\nlearn.sched.plot()",
    "tfms = tfms_from_model(resnet34, sz, aug_tfms=transforms_side_on, max_zoom=1.1)",
    "def get_augs():\n    data = ImageClassifierData.from_paths(PATH, bs=2, tfms=tfms, num_workers=1)\n    \
     x,_ = next(iter(data.aug_dl))\n    return data.trn_ds.denorm(x)[1]",
    "ims = np.stack([get_augs() for i in range(6)])\nplots(ims, rows=2)",
    "data = ImageClassifierData.from_paths(PATH, tfms=tfms)\nlearn = ConvLearner.pretrained(arch, data, precompute=True)",
    "learn.fit(1e-2, 1)\nlearn.precompute=False\nlearn.fit(1e-2, 3, cycle_len=1)",
    "learn.save('224_lastlayer')\nlearn.load('224_lastlayer')",
    "learn.unfreeze()\nlr=np.array([1e-4,1e-3,1e-2])\nlearn.fit(lr, 3, cycle_len=1, cycle_mult=2)",
    "learn.save('224_all')",
    "log_preds,y = learn.TTA()\nprobs = np.mean(np.exp(log_preds),0)\naccuracy_np(probs, y)",
    "cm = confusion_matrix(y, np.argmax(probs, axis=1))\nplot_confusion_matrix(cm, data.classes)",
];

/// The code of the recipe without comments and layout.
fn steps_of(text: &str) -> Vec<String> {
    let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty());
    code.map(str::to_string).collect()
}

fn imported(cells: &[&str]) -> fastai_dsl::import::Imported {
    let imported = fastai_dsl::import::notebook("Lesson", cells.iter().copied());
    let source = RecipeText::new("lesson.recipe", &imported.text, &[]);
    assert!(!source.diagnostics().has_errors(), "{}\n{}", imported.text, source.render(false));
    imported
}

#[test]
fn lesson_1_becomes_a_recipe() {
    let imported = imported(LESSON1);
    let expected = [
        "Lesson {",
        "task: single_label,",
        "data: folders { root: \"data/dogscats\" },",
        "transforms: side_on { size: 224, max_zoom: 1.1 },",
        "model: resnet34,",
        "metrics: [accuracy],",
        "train: {",
        "precompute(on);",
        "fit(0.01, 2);",
        "lr_find();",
        "head();",
        "fit(1e-2, 1);",
        "precompute(off);",
        "fit(1e-2, 3, cycle_len = 1);",
        "save(\"224_lastlayer\");",
        "load(\"224_lastlayer\");",
        "unfreeze();",
        "let lr = [1e-4, 1e-3, 1e-2];",
        "fit(lr, 3, cycle_len = 1, cycle_mult = 2);",
        "save(\"224_all\");",
        "tta();",
        "},",
        "}",
    ];
    assert_eq!(steps_of(&imported.text), expected, "{}", imported.text);
    assert!(
        imported.text.contains("// accuracy_np(probs, y)\n        //   (metrics are measured"),
        "{}",
        imported.text
    );
    assert!(imported.text.contains("// torch.cuda.is_available()"), "{}", imported.text);
    assert!(!imported.text.contains("remove this step"), "{}", imported.text);
    assert_eq!(imported.left_out, 5);
}

#[test]
fn dog_breeds_follow_functions_conditions_and_another_size() {
    let imported = imported(&[
        "PATH = \"data/dogbreed/\"\nsz = 224\narch = resnext101_64\nbs = 58",
        "label_csv = f'{PATH}labels.csv'\nn = len(list(open(label_csv))) - 1\nval_idxs = get_cv_idxs(n)",
        "def get_data(sz, bs):\n    tfms = tfms_from_model(arch, sz, aug_tfms=transforms_side_on, max_zoom=1.1)\n    \
         data = ImageClassifierData.from_csv(PATH, 'train', f'{PATH}labels.csv', test_name='test', num_workers=4,\n        \
         val_idxs=val_idxs, suffix='.jpg', tfms=tfms, bs=bs)\n    \
         return data if sz > 300 else data.resize(340, 'tmp')",
        "data = get_data(sz, bs)",
        "learn = ConvLearner.pretrained(arch, data, precompute=True, ps=0.5)\nlearn.fit(1e-2, 2)",
        "learn.precompute=False\nlearn.fit(1e-2, 5, cycle_len=1)\nlearn.save('224_pre')\nlearn.load('224_pre')",
        "learn.set_data(get_data(299, bs))\nlearn.freeze()\nlearn.fit(1e-2, 3, cycle_len=1)",
        "learn.set_data(get_data(299, 28)); learn.freeze()\nlearn.fit(1e-2, 3, cycle_len=1, cycle_mult=2)",
        "log_preds,y = learn.TTA()",
        "log_preds, y = learn.TTA(is_test=True)",
    ]);
    let code = steps_of(&imported.text).join("\n");
    for part in [
        "root: \"data/dogbreed\", labels: \"labels.csv\", images: \"train\", suffix: \".jpg\"",
        "valid: random(0.2, seed = 42), test: \"test\", batch: 58, workers: 4, resize_to: 340",
        "model: resnext101_64x4d { dropout: 0.5 },",
        "precompute(on);\nfit(1e-2, 2);\nprecompute(off);\nfit(1e-2, 5, cycle_len = 1);\nsave(\"224_pre\");",
        "resize(299);\nfreeze();\nfit(1e-2, 3, cycle_len = 1);\nresize(299, batch = 28);\nfreeze();",
        "tta();\ntta();",
    ] {
        let flat = code.replace(",\n", ", ");
        assert!(code.contains(part) || flat.contains(part), "{part}\n{}", imported.text);
    }
    assert!(imported.text.contains("`fastai submit RUN`"), "{}", imported.text);
}

#[test]
fn planet_follows_rates_loops_and_names() {
    let imported = imported(&[
        "from planet import f2\nmetrics=[f2]\nf_model = resnet34",
        "PATH='data/planet/'; label_csv = f'{PATH}train_v2.csv'; n = 40479; val_idxs = get_cv_idxs(n, val_pct=0.25, seed=7)",
        "def get_data(sz):\n    tfms = tfms_from_model(f_model, sz, aug_tfms=transforms_top_down, max_zoom=1.05)\n    \
         return ImageClassifierData.from_csv(PATH, 'train-jpg', label_csv, tfms=tfms,\n                    \
         suffix='.jpg', val_idxs=val_idxs, test_name='test-jpg')",
        "sz=64\ndata = get_data(sz)\ndata = data.resize(int(sz*1.3), 'tmp')",
        "learn = ConvLearner.pretrained(f_model, data, metrics=metrics)\nlrf=learn.lr_find()\nlearn.sched.plot()",
        "lr = 0.2\nlearn.fit(lr, 3, cycle_len=1, cycle_mult=2)",
        "lrs = np.array([lr/9,lr/3,lr])\nlearn.unfreeze()\nlearn.fit(lrs, 3, cycle_len=1, cycle_mult=2)\nlearn.save(f'{sz}')",
        "sz=128\nlearn.set_data(get_data(sz))\nlearn.freeze()\nlearn.fit(lr, 3, cycle_len=1, cycle_mult=2)",
        "learn.unfreeze()\nlearn.fit(lrs/4, 3, cycle_len=1)\nlearn.save(f'{sz}')",
    ]);
    let code = steps_of(&imported.text).join("\n");
    for part in [
        "task: multi_label,",
        "valid: random(0.25, seed = 7)",
        "transforms: top_down { size: 64, max_zoom: 1.05 },",
        "metrics: [f2(threshold = search)],",
        "lr_find();\nlet lr = 0.2;\nfit(lr, 3, cycle_len = 1, cycle_mult = 2);\nlet lrs = [lr / 9, lr / 3, lr];\nunfreeze();",
        "fit(lrs, 3, cycle_len = 1, cycle_mult = 2);\nsave(\"64\");\nresize(128);\nfreeze();",
        "fit([(lr / 9) / 4, (lr / 3) / 4, lr / 4], 3, cycle_len = 1);\nsave(\"128\");",
    ] {
        let flat = code.replace(",\n", ", ");
        assert!(code.contains(part) || flat.contains(part), "{part}\n{}", imported.text);
    }
}

#[test]
fn every_word_of_imported_transforms_is_one_of_the_language() {
    let augmentations = "aug_tfms=[RandomRotate(10), RandomLighting(0.05, 0.05), RandomFlip(), RandomDihedral(), RandomZoom(0.2), \
                         RandomStretch(0.2), RandomRotateZoom(10, 0.1, 0.1), RandomBlur(), Cutout(2, 8)]";
    let cases: [(&str, &[&str]); 13] = [
        ("", &["transforms: none {"]),
        ("aug_tfms=transforms_basic", &["transforms: basic {"]),
        ("aug_tfms=transforms_side_on", &["transforms: side_on {"]),
        ("aug_tfms=transforms_top_down", &["transforms: top_down {"]),
        ("crop_type=CropType.CENTER", &["crop: center"]),
        ("crop_type=CropType.NO", &["crop: none"]),
        ("crop_type=CropType.GOOGLENET", &["crop: googlenet"]),
        ("pad=4, pad_mode=cv2.BORDER_REFLECT", &["pad: 4"]),
        ("pad=4, pad_mode=cv2.BORDER_CONSTANT", &["pad: 4", "pad_mode: constant"]),
        ("pad=4, pad_mode=0", &["pad: 4", "pad_mode: constant"]),
        ("pad=4, pad_mode=cv2.BORDER_REPLICATE", &["pad: 4", "no border repeats the outermost pixels"]),
        ("pad=4, pad_mode=cv2.BORDER_WRAP", &["pad: 4", "the border is not known"]),
        (
            augmentations,
            &[
                "rotate(10)",
                "lighting(0.05, 0.05)",
                "flip",
                "dihedral",
                "zoom(0.2)",
                "stretch(0.2)",
                "rotate_zoom(10, 0.1, 0.1)",
                "blur",
                "cutout(2, 8)",
            ],
        ),
    ];
    for (theirs, ours) in cases {
        let transforms = format!("tfms = tfms_from_model(resnet34, 64, {theirs})");
        let text = imported(&[
            &transforms,
            "data = ImageClassifierData.from_paths('d', tfms=tfms)",
            "learn = ConvLearner.pretrained(resnet34, data)\nlearn.fit(1e-2, 1)",
        ])
        .text;
        for part in ours {
            assert!(text.contains(part), "{theirs}: {part}\n{text}");
        }
    }
}

#[test]
fn what_differs_or_has_no_equivalent_stays_with_its_reason() {
    let imported = fastai_dsl::import::notebook(
        "Odd",
        [
            "tfms = tfms_from_model(resnet34, 64, aug_tfms=[RandomRotate(10), RandomFlip(p=0.3), Strange(3)], pad=8)",
            "data = ImageClassifierData.from_csv('d', 'train', 'd/l.csv', tfms=tfms, val_idxs=[0, 5])",
            "learn = ConvLearner.pretrained(resnet34, data, opt_fn=optim.Adam)",
            "learn.fit(1e-2, 3, cycle_mult=2)",
            "learn.fit(1e-2, 3, cycle_len=1, cycle_save_name='x', use_clr=(20, 8))",
            "learn.fit_one_cycle(5, 3e-3, pct_start=0.3, moms=(0.95, 0.85, 0.95))",
            "learn.load('elsewhere')\nlearn.unfreeze()",
            "for i in range(3): print(i)",
            "with torch.no_grad():\n    x = 1",
        ],
    );
    let text = &imported.text;
    for part in [
        "augment: [rotate(10), flip(p = 0.3)]",
        "`Strange` has no equivalent",
        "rows([0, 5])",
        "optimizer: adam,",
        "fit(1e-2, 7);",
        "`cycle_mult` without `cycle_len`",
        "fit(1e-2, 3, cycle_len = 1, use_clr = [20, 8], cycle_save_name = \"x\");",
        "fit_one_cycle(3e-3, 5, pct_start = 0.3, moms = [0.95, 0.85, 0.95]);",
        "// learn.load('elsewhere')",
        "// with torch.no_grad():",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let source = RecipeText::new("odd.recipe", text, &[]);
    assert!(!source.diagnostics().has_errors(), "{text}\n{}", source.render(false));
    // A statement of which only a part was translated stands there too, and counts.
    let partly = fastai_dsl::import::notebook(
        "Partly",
        [
            "data = ImageClassifierData.from_paths('d', tfms=tfms_from_model(resnet34, 64))",
            "data = data.resize(int(sz*1.3), 'tmp')",
            "learn = ConvLearner.pretrained(resnet34, data)\nlearn.fit(1e-2, 1)",
        ],
    );
    assert!(partly.text.contains("// data = data.resize(int(sz*1.3), 'tmp')"), "{}", partly.text);
    assert_eq!((partly.translated, partly.comments), (4, 1), "{}", partly.text);
    // Nothing at all is still a recipe's text.
    let nothing = fastai_dsl::import::notebook("Nothing", ["x = 1", "print(x)"]);
    assert!(nothing.text.contains("The notebook does not say"), "{}", nothing.text);
}
