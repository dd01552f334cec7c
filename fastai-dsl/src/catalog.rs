//! Every error and lint, once: its code, what it is about, and the page (`explain/CODE.md`) that `fastai explain CODE` prints.

/// An entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `E0203`, or the lint's name.
    pub id: &'static str,
    /// One line: what the rule is.
    pub title: &'static str,
    /// The page of `fastai explain`, in Markdown: what it is about, an example with the mistake and one without, and why the
    /// rule is there.
    pub explain: &'static str,
    /// For a lint: its level unless the recipe says otherwise.
    pub lint: Option<LintLevel>,
}

/// The level of a lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintLevel {
    /// Ignored.
    Allow,
    /// Reported as a warning.
    Warn,
    /// Reported as an error.
    Deny,
}

macro_rules! catalog {
    (errors { $($(#[doc = $doc:literal])+ $name:ident = $id:literal, $title:literal;)* }
     lints { $($(#[doc = $ldoc:literal])+ $lname:ident = $lid:literal, $level:ident, $ltitle:literal;)* }) => {
        $( $(#[doc = $doc])+ pub const $name: Code =
            Code { id: $id, title: $title, explain: include_str!(concat!("explain/", $id, ".md")), lint: None }; )*
        $( $(#[doc = $ldoc])+ pub const $lname: Code =
            Code { id: $lid, title: $ltitle, explain: include_str!(concat!("explain/", $lid, ".md")), lint: Some(LintLevel::$level) }; )*
        /// All errors, by code.
        pub const ERRORS: &[&Code] = &[$(&$name),*];
        /// All lints.
        pub const LINTS: &[&Code] = &[$(&$lname),*];
    };
}

catalog! {
    errors {
        /// The text must be UTF-8. Save the file as UTF-8; a byte order mark is accepted and ignored.
        NOT_UTF8 = "E0100", "the text is not UTF-8";
        /// Every `{`, `(` and `[` needs its closing partner. The message names the one that was opened last.
        UNBALANCED = "E0101", "unbalanced delimiters";
        /// A recipe needs no more than a handful of nested brackets; 64 is the limit, which protects the compiler's stack.
        TOO_DEEP = "E0102", "brackets nested too deeply";
        /// A number, a string in double quotes, a word, a list in square brackets, or a call was expected here.
        EXPECTED_VALUE = "E0103", "expected a value";
        /// Sections, keys, arguments and list items are separated by commas.
        MISSING_COMMA = "E0104", "missing `,`";
        /// Every statement of `train` ends with a semicolon.
        MISSING_SEMICOLON = "E0105", "missing `;`";
        /// Sections and keys are written `key: value`.
        EXPECTED_KEY = "E0106", "expected `key: value`";
        /// Arguments of a call are named with `=`, keys in braces with `:`.
        WRONG_COLON = "E0107", "`:` and `=` mixed up";
        /// A recipe is a name and its sections in braces: `DogBreed { task: single_label, .. }`.
        HEADER = "E0108", "expected `Name { .. }`";
        /// `train` holds `let`, `for` and steps: `fit(1e-2, 3);`.
        EXPECTED_STEP = "E0109", "expected a step";
        /// Numbers are written without units or suffixes: `0.2` for 20 %, `224` for 224 px. Texts stand in double quotes.
        LITERAL = "E0110", "a literal that the language does not know";
        /// Only doc comments and `allow`, `warn`, `deny` are understood.
        ATTRIBUTE = "E0111", "unknown attribute";
        /// The text holds a character or an unfinished string that Rust's lexer does not accept.
        LEX = "E0112", "text that cannot be read";
        /// A file holds exactly one recipe.
        TRAILING = "E0113", "text after the recipe";

        /// The section is none of [`SECTIONS`](crate::schema::SECTIONS).
        UNKNOWN_SECTION = "E0201", "unknown section";
        /// The sections that [`SECTIONS`](crate::schema::SECTIONS) marks as required must be there.
        MISSING_SECTION = "E0202", "missing section";
        /// A section, key or argument may be given once.
        TWICE = "E0203", "given twice";
        /// The construct has no such key.
        UNKNOWN_KEY = "E0204", "unknown key";
        /// The construct needs this key or argument.
        MISSING_KEY = "E0205", "missing key";
        /// The word is not one of those that may stand here.
        UNKNOWN_WORD = "E0206", "unknown word";
        /// The architecture is not one that the engine builds.
        UNKNOWN_ARCH = "E0207", "unknown architecture";
        /// The metric is not one that the engine measures.
        UNKNOWN_METRIC = "E0208", "unknown metric";
        /// The step is not one of the language's.
        UNKNOWN_STEP = "E0209", "unknown step";
        /// The call has no such argument.
        UNKNOWN_ARGUMENT = "E0210", "unknown argument";
        /// The call takes fewer arguments.
        TOO_MANY = "E0211", "too many arguments";
        /// A `let` or `for` must bind a name before it is used.
        UNKNOWN_NAME = "E0212", "unknown name";
        /// There is no lint of that name.
        UNKNOWN_LINT = "E0213", "unknown lint";

        /// The value is of another kind than the key or argument takes.
        WRONG_TYPE = "E0301", "a value of the wrong kind";
        /// The number is outside of what makes sense here.
        OUT_OF_RANGE = "E0302", "a number out of range";
        /// Sizes, counts and epochs are whole numbers.
        NOT_WHOLE = "E0303", "not a whole number";
        /// The network halves the image several times; below its minimum nothing is left to pool.
        TOO_SMALL = "E0304", "an image too small for the architecture";
        /// `fold` counts slices of the permutation: there are floor(1 / share) of them, from 0.
        NO_FOLD = "E0305", "a fold that does not exist";
        /// The head has one dropout before each linear layer: one more than hidden layers.
        DROPOUT_COUNT = "E0306", "wrong number of dropouts";
        /// A suffix starts with a dot: `.jpg`.
        SUFFIX = "E0307", "a suffix without a dot";
        /// Folders and files of a data set are below its root.
        NOT_BELOW_ROOT = "E0308", "a path that leaves the data set";
        /// Saved models are files `models/NAME.safetensors`.
        SAVE_NAME = "E0309", "a name that cannot be a file";
        /// The googlenet crop takes a part of the image as it is, so `max_zoom`, `pad` and `decode` would do nothing.
        CROP_IGNORES = "E0310", "a key that `crop: googlenet` ignores";
        /// Stochastic depth leaves out residual branches of networks that were designed with it.
        NO_DEPTH = "E0311", "stochastic depth without branches to leave out";

        /// Cached activations are fixed: a body that trains would never be asked for new ones.
        UNFREEZE_PRECOMPUTED = "E0401", "unfreeze while activations are precomputed";
        /// Activations of a body that is about to change are of no use.
        PRECOMPUTE_UNFROZEN = "E0402", "precompute while the body trains";
        /// Test-time augmentation needs images; cached activations give the same prediction each time.
        TTA_PRECOMPUTED = "E0403", "tta while activations are precomputed";
        /// Give one rate for all layer groups, or one a group, earliest layers first.
        RATE_COUNT = "E0404", "wrong number of learning rates";
        /// With cached activations there is one layer group: the head.
        RATES_PRECOMPUTED = "E0405", "several rates while only the head trains";
        /// Without `cycle_len` there are no cycles that could grow.
        MULT_WITHOUT_LEN = "E0406", "`cycle_mult` without `cycle_len`";
        /// Layer groups are numbered from 0; negative numbers count from the end.
        NO_GROUP = "E0407", "a layer group that does not exist";
        /// A recipe without a step trains nothing.
        NO_STEPS = "E0408", "`train` without a step";
        /// A random body gives random activations.
        PRECOMPUTE_RANDOM = "E0409", "precompute with a random body";
        /// `load` reads what a `save` before it wrote.
        NEVER_SAVED = "E0410", "load of a name that was never saved";
        /// The second save would overwrite the first.
        SAVED_TWICE = "E0411", "two saves with one name";
        /// The finder sweeps upward from `start` to `end`.
        EMPTY_SWEEP = "E0412", "an empty sweep";
        /// Without `cycle_len` the rate is constant and nothing anneals.
        ANNEAL_WITHOUT_LEN = "E0413", "`anneal` without `cycle_len`";
        /// A saved model has the head that it was trained with.
        LOAD_HEAD = "E0414", "load of a model with another head";

        /// A `fit` follows one schedule: cycles, `use_clr`, `use_clr_beta`, or `schedule` and `warmup`.
        TWO_SCHEDULES = "E0415", "two schedules at once";
        /// `every` and `by` are for `schedule = step`; `use_clr` and `use_clr_beta` need `cycle_len`.
        SCHEDULE_KEY = "E0416", "a key without its schedule";
        /// The mean of the last epochs is what a `fit` with `swa` ends with: not a moving average, and not an earlier epoch.
        SWA_EXCLUDES = "E0417", "`swa` with another end of the fit";

        /// accuracy is for single_label, f2 for multi_label, mae and rmse for regression; log_loss, auroc, precision and
        /// others are for both kinds of labels.
        METRIC_TASK = "E0501", "a metric for another task";
        /// A cell holds several tags only if the task is multi_label.
        SEPARATOR_TASK = "E0502", "`separator` without tags";
        /// Without validation images nothing can be measured, compared or augmented at test time.
        NEEDS_VALIDATION = "E0503", "validation images are needed";
        /// Without a header, columns have positions only.
        NO_HEADER = "E0504", "a column name without a header";
        /// Folders are split by folder, share or list; csv files also by column.
        SPLIT_SOURCE = "E0505", "a split that this source does not have";
        /// `keep_best` compares one of the recipe's metrics.
        BEST_METRIC = "E0506", "`keep_best` without that metric";
        /// The engine has no such option for this task.
        TASK_OPTION = "E0507", "an option for another task";
        /// The loss has no such option, or already does what the option would do.
        LOSS_OPTION = "E0508", "an option for another loss";

        /// A rate that is yet to be found may be multiplied or divided by a positive constant, so that it stays a rate.
        FOUND_RATE = "E0601", "a found rate can only be scaled";
        /// Arithmetic works on numbers.
        ARITHMETIC = "E0602", "arithmetic that has no result";
        /// The list of a `for` is written out, so that the plan is known without running.
        LOOP_LIST = "E0603", "a loop over something that is no list";
        /// A Rust constant stands alone as a value inside `recipe!`; a recipe file has none.
        CONSTANT = "E0604", "a constant out of place";
        /// Only `let` at the top of `train` can be set from outside, and only keys that exist.
        OVERRIDE = "E0605", "an override that fits nothing";

        /// The summary that `fastai prepare` wrote beside the recipe must be of this format, line for line.
        SUMMARY_UNREADABLE = "E0701", "a summary that cannot be read";
        /// The summary must be of the data and labels that the recipe names.
        SUMMARY_STALE = "E0702", "a summary of other data";
        /// `id`, `label` and `valid` name columns of the csv.
        NO_COLUMN = "E0703", "a column that the csv does not have";
        /// `class_weights: [..]` has one weight a class.
        CLASS_WEIGHT_COUNT = "E0704", "class weights for another number of classes";
        /// Each class needs an image to train on, and the split must hold out at least one.
        EMPTY_SPLIT = "E0705", "a split that leaves nothing";
        /// The folder of images must hold files that end with the suffix.
        NO_SUFFIX = "E0706", "a suffix that no image has";
        /// The tags of an image are separated by `separator`.
        ONE_TAG = "E0707", "tags that are never separated";
        /// A classifier tells at least two classes apart.
        FEW_CLASSES = "E0708", "too few classes";
        /// A regression's label is a number; a column that says what is held out says yes or no.
        COLUMN_KIND = "E0709", "a column of another kind";
    }
    lints {
        /// Random transforms change nothing while activations are precomputed, and no later step reads images.
        /// Add `precompute(off);` and a `fit` on images, or choose `transforms: none`.
        PRECOMPUTE_IGNORES_AUGMENT = "precompute_ignores_augment", Warn, "random transforms that nothing sees";
        /// Cached activations were computed of one image each, so nothing is mixed, and no later step reads images.
        /// Add `precompute(off);` and a `fit` on images, or remove `mixup` and `cutmix`.
        PRECOMPUTE_IGNORES_MIXING = "precompute_ignores_mixing", Warn, "mixed images that nothing sees";
        /// The new head is random: its gradients would wreck the pretrained body. Train the head first.
        UNFREEZE_BEFORE_HEAD = "unfreeze_before_head", Warn, "unfreeze before the head has trained";
        /// Earlier layers hold more general features and usually want smaller rates: `[lr / 9, lr / 3, lr]`.
        RATES_NOT_INCREASING = "rates_not_increasing", Warn, "rates that fall toward the head";
        /// Only the head trains while the body is frozen, so the other rates do nothing.
        RATES_OF_FROZEN_GROUPS = "rates_of_frozen_groups", Warn, "rates for frozen groups";
        /// The binding does nothing; remove it, or begin its name with `_`.
        UNUSED_LET = "unused_let", Warn, "a binding that is never read";
        /// More than 500 epochs in all; with `cycle_mult` they add up quickly.
        LONG_RUN = "long_run", Warn, "more than 500 epochs";
        /// Test-time augmentation averages over augmented images; without transforms only the crop differs.
        TTA_WITHOUT_AUGMENT = "tta_without_augment", Warn, "tta without random transforms";
        /// A new head is random until a `fit` has trained it.
        UNTRAINED_HEAD = "untrained_head", Warn, "a head that no fit trains";
        /// The step changes nothing in this state.
        NO_EFFECT = "no_effect", Warn, "a step that changes nothing";
        /// Without `valid` a csv file holds out a random fifth, seed 42.
        DEFAULT_VALID = "default_valid", Allow, "a csv file without `valid`";
        /// The lesson looks for a learning rate before the first fit.
        NO_LR_FIND = "no_lr_find", Allow, "a fit before any lr_find";
        /// Once the head has trained, a sweep may suggest nothing; without `or` a tenth of the head's last rate is then used.
        FINDER_WITHOUT_OR = "finder_without_or", Warn, "a later lr_find without `or`";
        /// The lesson freezes the body after changing the size, and trains the head first.
        RESIZE_WITHOUT_FREEZE = "resize_without_freeze", Allow, "resize while unfrozen";
        /// The pretrained body expects pixels as it was trained on; without `stats` it gets them.
        STATS_OF_OTHER_WEIGHTS = "stats_of_other_weights", Warn, "statistics that the weights do not know";
        /// Scaled copies should have the pixels of the largest zoom: `size` times `max_zoom`.
        ENLARGED_COPIES = "enlarged_copies", Warn, "copies smaller than the largest zoom";
        /// `sampler: balanced` and `class_weights: balanced` each make up for rare classes alone; both together overdo it.
        BALANCED_TWICE = "balanced_twice", Warn, "rare classes that count twice";
        /// Two classes of the summary differ in upper and lower case or in blanks only: images of one class would be told
        /// apart.
        CLASSES_ALIKE = "classes_alike", Warn, "classes that differ only in how they are written";
        /// The summary of the data has one tag on every image, columns of 0 and 1 beside the label's, or classes that are
        /// lists of tags or numbers: the task, its metrics or the label are hardly meant.
        LABELS_OF_ANOTHER_TASK = "labels_of_another_task", Warn, "labels that look like another task's";
    }
}

/// The entry of that code or lint name.
pub fn find(id: &str) -> Option<&'static Code> {
    ERRORS.iter().chain(LINTS).find(|c| c.id.eq_ignore_ascii_case(id)).copied()
}
