//! Habits from the original library and Python: their names, and the equivalents here.

use crate::draft::{Arg, Value, ValueKind};
use crate::suggest::{closest, is_same, list};
use crate::word::{self, Off, On};

/// (name here, its names in the original)
const RENAMED: &[(&str, &[&str])] = &[
    ("size", &["sz", "img_size"]),
    ("batch", &["bs", "batch_size"]),
    ("dropout", &["ps"]),
    ("hidden", &["xtra_fc"]),
    ("cut", &["xtra_cut"]),
    ("workers", &["num_workers"]),
    ("root", &["path", "PATH"]),
    ("train", &["trn_name", "steps", "stages", "learn"]),
    ("valid", &["val_name", "val_idxs"]),
    ("test", &["test_name"]),
    ("labels", &["csv_fname", "csv"]),
    ("label", &["label_col"]),
    ("id", &["fn_col"]),
    ("images", &["folder"]),
    ("separator", &["cat_separator", "label_delim"]),
    ("header", &["skip_header"]),
    ("share", &["val_pct", "valid_pct", "pct"]),
    ("fold", &["cv_idx"]),
    ("crop", &["crop_type"]),
    ("max_zoom", &["zoom"]),
    ("lrs", &["lr", "rate", "rates", "learning_rate", "base_lr", "lr_max", "max_lr"]),
    ("epochs", &["n_epoch"]),
    ("cycles", &["n_cycle", "n_cycles", "epochs", "n_epochs"]),
    ("wds", &["wd", "weight_decay"]),
    ("momentum", &["mom"]),
    ("start", &["start_lr"]),
    ("end", &["end_lr"]),
    ("n_aug", &["n"]),
    ("name", &["fname"]),
    ("threshold", &["thresh"]),
    ("model", &["arch", "f_model", "architecture", "network"]),
    ("transforms", &["tfms", "aug_tfms", "augment"]),
    ("task", &["is_multi", "is_reg"]),
    ("keep_best", &["best_save_name", "monitor"]),
    ("seed", &["random_seed", "random_state", "manual_seed"]),
    ("label_smoothing", &["smoothing"]),
    ("mixup", &["mixup_alpha"]),
    ("cutmix", &["cutmix_alpha"]),
    ("clip", &["grad_clip", "max_norm"]),
    ("accumulate", &["n_acc", "accumulate_grad_batches"]),
    ("ema", &["ema_decay"]),
    ("stop_early", &["patience"]),
    ("stats", &["normalise"]),
];

/// (word elsewhere, word here)
const OTHER_WORDS: &[(&str, &str)] = &[
    ("iso-8859-1", "latin1"),
    ("cp1252", "latin1"),
    ("windows-1252", "latin1"),
    ("fp16", "mixed"),
    ("float16", "mixed"),
    ("bf16", "mixed"),
    ("bfloat16", "mixed"),
    ("half", "mixed"),
    ("amp", "mixed"),
    ("16", "mixed"),
    ("fp32", "f32"),
    ("float32", "f32"),
    ("32", "f32"),
    ("gpu", "auto"),
    ("nvidia", "cuda"),
    ("mps", "metal"),
    ("binary", "single_label"),
    ("multiclass", "single_label"),
    ("classification", "single_label"),
    ("tags", "multi_label"),
    ("tagging", "multi_label"),
    ("imagenet", "pretrained"),
    ("default", "pretrained"),
    ("error_rate", "accuracy"),
    ("auc", "auroc"),
    ("roc_auc", "auroc"),
    ("roc_auc_score", "auroc"),
    ("map", "average_precision"),
    ("mse", "rmse"),
    ("l1", "mae"),
    ("loss", "val_loss"),
    ("valid_loss", "val_loss"),
];

/// Names without an equivalent in a recipe, and what to write instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["aug_tfms"], "the word before the braces: `side_on { size: 224 }`"),
    (&["pretrained"], "weights are a key of `model`: `weights: pretrained`, or `weights: none` for random ones"),
    (&["custom_head"], "the head is described by `hidden: [512]` and `dropout: 0.5`"),
    (&["continuous"], "that is a task: `task: regression`"),
    (&["loss_func", "crit"], "a section of its own, unless the task's own loss is meant: `loss: focal`"),
    (
        &["opt_fn", "opt_func"],
        "a section of its own: `optimizer: adamw`; without it SGD with momentum 0.9. Rates are those of the steps: `fit(1e-2, 3);`",
    ),
    (&["set_data"], "another size is `resize(299);`"),
    (
        &["get_cv_idxs", "RandomSplitter", "TrainTestSplitter", "train_test_split"],
        "`valid: random(0.2, seed = 42)` in `data`",
    ),
    (&["KFold", "StratifiedKFold"], "`valid: folds(5)` in `data`"),
    (
        &["GroupKFold", "GroupShuffleSplit"],
        "`valid: grouped(\"patient\")` or `valid: folds(5, grouped = \"patient\")` in `data: csv { .. }`",
    ),
    (&["GrandparentSplitter"], "`valid: \"valid\"` in `data`"),
    (&["ColSplitter"], "`valid: column(\"is_valid\")` in `data: csv { .. }`"),
    (&["IndexSplitter"], "`valid: rows([0, 5])` in `data`"),
    (&["slice"], "one rate per layer group, earliest first: `[1e-4, 1e-3, 1e-2]`"),
    (
        &["tfms_from_model", "tfms_from_stats", "aug_transforms", "item_tfms", "batch_tfms"],
        "a section of its own: `transforms: side_on { size: 224, max_zoom: 1.1 }`",
    ),
    (&["transforms_side_on"], "`side_on { size: 224 }`"),
    (&["transforms_top_down"], "`top_down { size: 224 }`"),
    (&["transforms_basic"], "`basic { size: 224 }`"),
    (&["Resize"], "`size: 224` in `transforms`"),
    (&["RandomResizedCrop"], "`crop: googlenet` in `transforms`"),
    (&["grayscale", "greyscale"], "images are read in colour, grey ones too; remove it"),
    (
        &["ImageClassifierData", "ImageDataLoaders", "DataBlock"],
        "a section of its own: `data: folders { root: \"data\" }` or `data: csv { .. }`",
    ),
    (&["from_paths", "from_folder"], "a section of its own: `data: folders { root: \"data\" }`"),
    (
        &["from_arrays", "from_names_and_array"],
        "`data: given`, and a `Dataset::from_images(..)` in `RunOptions { dataset, .. }`",
    ),
    (
        &["from_csv", "from_df"],
        "a section of its own: `data: csv { root: \"data\", labels: \"labels.csv\", images: \"train\" }`",
    ),
    (&["ConvLearner", "create_cnn", "cnn_learner", "vision_learner"], "a section of its own: `model: squeezenet1_1`"),
    (&["TTA"], "`tta();`"),
    (&["fit_gen"], "`fit(1e-2, 3);`"),
    (&["fit_sgdr"], "`fit(1e-2, 3, cycle_len = 1, cycle_mult = 2);`"),
    (
        &["fit_flat_cos"],
        "no rate stays flat before it falls: `fit(1e-2, 5, schedule = cosine);` falls from the start, \
         `fit_one_cycle(1e-2, 5);` rises first",
    ),
    (
        &["fine_tune"],
        "its two parts: the head, `fit(1e-2, 1);`, then everything, `unfreeze();` and `fit([1e-4, 1e-3, 1e-2], 3, cycle_len = 1);`",
    ),
    (
        &["momentum"],
        "a parameter of `sgd` and `rmsprop`, `optimizer: sgd { momentum: 0.95 }`; of the others the first of `betas`",
    ),
    (&["bn_freeze"], "`bn_freeze(on);`"),
    (
        &["use_swa", "swa_start", "swa_model", "AveragedModel"],
        "the last epochs whose weights are averaged are counted: `fit(1e-2, 10, swa = 5);`",
    ),
    (&["swa_eval_freq"], "the average is measured once, at the end of the fit; remove it"),
    (&["update_bn"], "`fit(1e-2, 10, swa = 5);` estimates the statistics of batch norms again; remove this step"),
    (&["RandomErasing", "random_erasing"], "`erase(p = 0.5)`"),
    (&["TrivialAugmentWide", "AutoAugment"], "`trivial_augment`"),
    (&["ColorJitter", "color_jitter", "colour", "color"], "`augment: [lighting(0.1, 0.1)]` in `transforms`"),
    (&["RandomHorizontalFlip", "hflip"], "`flip`"),
    (&["GaussianBlur"], "`blur`"),
    (&["RandAugment"], "`rand_augment(2, 9)`"),
    (&["LabelSmoothingCrossEntropy"], "a section of its own: `label_smoothing: 0.1`"),
    (&["to_fp16", "autocast"], "a section of its own: `precision: mixed`"),
    (&["EarlyStoppingCallback"], "`fit(1e-2, 20, stop_early = 3);`"),
    (&["SaveModelCallback"], "a section of its own: `keep_best: accuracy`"),
    (&["MixUp"], "a section of its own: `mixup: 0.2`"),
    (&["CutMix"], "a section of its own: `cutmix: 1.0`"),
    (&["sched"], "its plots are in the run's `report.html`; remove this step"),
    (
        &["plot", "plot_lr", "plot_loss", "plot_top_losses", "show_results"],
        "plots are in the run's `report.html`; remove this step",
    ),
    (&["plot_confusion_matrix", "confusion_matrix"], "it is in the run's `report.html`; remove this step"),
    (
        &["predict", "predict_array", "get_preds"],
        "predictions are made after the run, from a model that `save(\"224_all\");` wrote",
    ),
    (&["summary"], "`fastai plan FILE` prints it; remove this step"),
    (&["print"], "a recipe prints nothing; remove it"),
    (&["import", "from"], "nothing is imported: steps like `fit(1e-2, 3);` are there from the start"),
    (&["def"], "a recipe has no functions; remove it"),
    (&["if", "match"], "a recipe decides nothing while it runs; write two recipes, or `for size in [64, 128] { .. }`"),
    (&["while", "loop"], "loops are `for size in [64, 128] { .. }`"),
];

/// Words of the language that mean something else in fastai 0.7: what they mean there, and what that is here.
const FORMERLY: &[(&str, &str)] = &[
    ("folder", "the folder of a csv file's images, here `images` of `csv`"),
    ("path", "the folder of the data set, here `root` of `data`"),
    ("pretrained", "the call that makes a learner, here the section `model`"),
    ("ps", "the dropout of the head, here `dropout` of `model`"),
];

/// Returns what a word of the language means in fastai 0.7, if that is something else.
pub(crate) fn formerly(word: &str) -> Option<&'static str> {
    FORMERLY.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}

/// Maps Python's `True`, `False`, `None` and similar names to words of the language.
pub(crate) fn python(word: &str) -> Option<&'static str> {
    match word {
        "True" | "true" | "yes" | "On" | "ON" => Some(On::WORD),
        "False" | "false" | "no" | "Off" | "OFF" => Some(Off::WORD),
        "None" | "null" | "nil" => Some(word::none.0),
        _ => None,
    }
}

/// Returns what to write instead of a name without an equivalent.
pub(crate) fn instead(name: &str) -> Option<&'static str> {
    INSTEAD.iter().find(|(names, _)| names.contains(&name)).map(|(_, text)| *text)
}

/// What shows what a function of a notebook shows.
const SHOWN: &[(&[&str], &str)] = &[
    (
        &["plots", "show_batch", "stack", "denorm", "next", "iter", "aug_dl", "get_augs", "imshow"],
        "`fastai show FILE` draws an image as nine epochs see it",
    ),
    (
        &["hist", "open", "fnames", "trn_ds", "val_ds", "label_df", "data", "listdir", "size", "shape", "read_csv"],
        "`fastai show FILE` shows the data set: labels, sample images, sizes",
    ),
    (
        &["accuracy_np", "accuracy", "log_loss", "f2", "fbeta", "metrics"],
        "metrics are measured after each epoch and by `tta();`: `metrics: [accuracy, log_loss]`",
    ),
    (&["mean", "exp", "log_preds", "probs"], "`tta();` and predictions give mean probabilities already"),
    (
        &["get_data"],
        "sections of their own: `data: folders { root: \"data\" }` and `transforms: side_on { size: 224 }`; another size later is `resize(299);`",
    ),
];

/// Returns what shows what a function or an object of a notebook shows.
pub(crate) fn shows(name: &str) -> Option<&'static str> {
    SHOWN.iter().find(|(names, _)| names.contains(&name)).map(|(_, text)| *text)
}

/// Returns what a name of the original is called here.
pub(crate) fn renamed_to(name: &str) -> Option<&'static str> {
    let spelt = name.replace('-', "_");
    RENAMED.iter().find(|(_, theirs)| theirs.contains(&spelt.as_str())).map(|(ours, _)| *ours)
}

/// All names of the original that have an answer.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let renamed = RENAMED.iter().flat_map(|(_, theirs)| *theirs);
    renamed.chain(INSTEAD.iter().chain(SHOWN).flat_map(|(names, _)| *names)).copied()
}

/// The answers, each with a name that it is about.
pub(crate) fn advice() -> impl Iterator<Item = (&'static str, &'static str)> {
    INSTEAD.iter().chain(SHOWN).map(|(names, text)| (names[0], *text)).chain(FORMERLY.iter().copied())
}

/// What a name is called here: its own if that is not one of the original.
pub(crate) fn renamed(name: &str) -> &str {
    renamed_to(name).unwrap_or(name)
}

/// A value as a help shows it, with Python's words as those of the language.
pub(crate) fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::Word(w) => python(w).unwrap_or(w).to_string(),
        ValueKind::Broken => "..".to_string(),
        _ => value.to_string(),
    }
}

/// The help for `object.name` or `object.name(..)` as a value: `np.array([..])`, `models.resnet34`.
pub(crate) fn value_help(name: &str, args: Option<&[Arg]>) -> String {
    match args {
        Some([only]) if is_array(name) => format!("lists are written as they are: `{}`", shown(&only.value)),
        Some(_) => {
            instead(name).map_or_else(|| format!("write what it gives in place of `{name}(..)`"), str::to_string)
        }
        None => instead(name).map_or_else(|| format!("the name alone: `{name}`"), str::to_string),
    }
}

/// Whether what follows the dot in `train.csv` makes it the name of a file.
pub(crate) fn is_file_ending(name: &str) -> bool {
    const ENDINGS: [&str; 13] =
        ["csv", "tsv", "txt", "json", "pth", "pt", "safetensors", "jpg", "jpeg", "png", "tif", "tiff", "webp"];
    ENDINGS.contains(&name)
}

/// Whether a function of numpy or torch creates an array from its argument.
pub(crate) fn is_array(name: &str) -> bool {
    matches!(name, "array" | "asarray" | "tensor" | "list" | "FloatTensor")
}

/// Returns the help for a word where one of `words` is expected.
pub(crate) fn word_help(word: &str, words: &[&str]) -> String {
    if let Some(ours) = python(word).filter(|w| words.contains(w)) {
        return format!("`{ours}`");
    }
    if let Some(text) = instead(word) {
        return text.to_string();
    }
    match meant_word(word, words) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("one of {}", list(words.iter().copied())),
    }
}

/// The one of `words` that a word means: what it is called elsewhere, or what is spelt like it.
pub(crate) fn meant_word<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let known = |ours: &str| OTHER_WORDS.iter().any(|(theirs, meant)| *meant == ours && is_same(theirs, word));
    words.iter().copied().find(|ours| known(ours)).or_else(|| closest(word, words.iter().copied()))
}
