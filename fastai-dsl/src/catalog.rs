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
    (errors { $($name:ident = $id:literal, $title:literal;)* }
     lints { $($lname:ident = $lid:literal, $level:ident, $ltitle:literal;)* }) => {
        $( #[doc = concat!("`", $id, "`: ", $title, ".")] pub const $name: Code =
            Code { id: $id, title: $title, explain: include_str!(concat!("explain/", $id, ".md")), lint: None }; )*
        $( #[doc = concat!("`", $lid, "`: ", $ltitle, ".")] pub const $lname: Code =
            Code { id: $lid, title: $ltitle, explain: include_str!(concat!("explain/", $lid, ".md")), lint: Some(LintLevel::$level) }; )*
        /// All errors, by code.
        pub const ERRORS: &[&Code] = &[$(&$name),*];
        /// All lints.
        pub const LINTS: &[&Code] = &[$(&$lname),*];
    };
}

catalog! {
    errors {
        NOT_UTF8 = "E0100", "the text is not UTF-8";
        UNBALANCED = "E0101", "unbalanced delimiters";
        TOO_DEEP = "E0102", "brackets nested too deeply";
        EXPECTED_VALUE = "E0103", "expected a value";
        MISSING_COMMA = "E0104", "missing `,`";
        MISSING_SEMICOLON = "E0105", "missing `;`";
        EXPECTED_KEY = "E0106", "expected `key: value`";
        WRONG_COLON = "E0107", "`:` and `=` mixed up";
        HEADER = "E0108", "expected `Name { .. }`";
        EXPECTED_STEP = "E0109", "expected a step";
        LITERAL = "E0110", "a literal that the language does not know";
        ATTRIBUTE = "E0111", "unknown attribute";
        LEX = "E0112", "text that cannot be read";
        TRAILING = "E0113", "text after the recipe";

        UNKNOWN_SECTION = "E0201", "unknown section";
        MISSING_SECTION = "E0202", "missing section";
        TWICE = "E0203", "given twice";
        UNKNOWN_KEY = "E0204", "unknown key";
        MISSING_KEY = "E0205", "missing key";
        UNKNOWN_WORD = "E0206", "unknown word";
        UNKNOWN_ARCH = "E0207", "unknown architecture";
        UNKNOWN_METRIC = "E0208", "unknown metric";
        UNKNOWN_STEP = "E0209", "unknown step";
        UNKNOWN_ARGUMENT = "E0210", "unknown argument";
        TOO_MANY = "E0211", "too many arguments";
        UNKNOWN_NAME = "E0212", "unknown name";
        UNKNOWN_LINT = "E0213", "unknown lint";

        WRONG_TYPE = "E0301", "a value of the wrong kind";
        OUT_OF_RANGE = "E0302", "a number out of range";
        NOT_WHOLE = "E0303", "not a whole number";
        TOO_SMALL = "E0304", "an image too small for the architecture";
        NO_FOLD = "E0305", "a fold that does not exist";
        DROPOUT_COUNT = "E0306", "wrong number of dropouts";
        SUFFIX = "E0307", "a suffix without a dot";
        NOT_BELOW_ROOT = "E0308", "a path that leaves the data set";
        SAVE_NAME = "E0309", "a name that cannot be a file";
        CROP_IGNORES = "E0310", "a key that `crop: googlenet` ignores";
        NO_DEPTH = "E0311", "stochastic depth without branches to leave out";

        UNFREEZE_PRECOMPUTED = "E0401", "unfreeze while activations are precomputed";
        PRECOMPUTE_UNFROZEN = "E0402", "precompute while the body trains";
        TTA_PRECOMPUTED = "E0403", "tta while activations are precomputed";
        RATE_COUNT = "E0404", "wrong number of learning rates";
        RATES_PRECOMPUTED = "E0405", "several rates while only the head trains";
        MULT_WITHOUT_LEN = "E0406", "`cycle_mult` without `cycle_len`";
        NO_GROUP = "E0407", "a layer group that does not exist";
        NO_STEPS = "E0408", "`train` without a step";
        PRECOMPUTE_RANDOM = "E0409", "precompute with a random body";
        NEVER_SAVED = "E0410", "load of a name that was never saved";
        SAVED_TWICE = "E0411", "two saves with one name";
        EMPTY_SWEEP = "E0412", "an empty sweep";
        ANNEAL_WITHOUT_LEN = "E0413", "`anneal` without `cycle_len`";
        LOAD_HEAD = "E0414", "load of a model with another head";

        TWO_SCHEDULES = "E0415", "two schedules at once";
        SCHEDULE_KEY = "E0416", "a key without its schedule";
        SWA_EXCLUDES = "E0417", "`swa` with another end of the fit";

        METRIC_TASK = "E0501", "a metric for another task";
        SEPARATOR_TASK = "E0502", "`separator` without tags";
        NEEDS_VALIDATION = "E0503", "validation images are needed";
        NO_HEADER = "E0504", "a column name without a header";
        SPLIT_SOURCE = "E0505", "a split that this source does not have";
        BEST_METRIC = "E0506", "`keep_best` without that metric";
        TASK_OPTION = "E0507", "an option for another task";
        LOSS_OPTION = "E0508", "an option for another loss";

        FOUND_RATE = "E0601", "a found rate can only be scaled";
        ARITHMETIC = "E0602", "arithmetic that has no result";
        LOOP_LIST = "E0603", "a loop over something that is no list";
        CONSTANT = "E0604", "a constant out of place";
        OVERRIDE = "E0605", "an override that fits nothing";

        SUMMARY_UNREADABLE = "E0701", "a summary that cannot be read";
        SUMMARY_STALE = "E0702", "a summary of other data";
        NO_COLUMN = "E0703", "a column that the csv does not have";
        CLASS_WEIGHT_COUNT = "E0704", "class weights for another number of classes";
        EMPTY_SPLIT = "E0705", "a split that leaves nothing";
        NO_SUFFIX = "E0706", "a suffix that no image has";
        ONE_TAG = "E0707", "tags that are never separated";
        FEW_CLASSES = "E0708", "too few classes";
        COLUMN_KIND = "E0709", "a column of another kind";
    }
    lints {
        PRECOMPUTE_IGNORES_AUGMENT = "precompute_ignores_augment", Warn, "random transforms that nothing sees";
        PRECOMPUTE_IGNORES_MIXING = "precompute_ignores_mixing", Warn, "mixed images that nothing sees";
        UNFREEZE_BEFORE_HEAD = "unfreeze_before_head", Warn, "unfreeze before the head has trained";
        RATES_NOT_INCREASING = "rates_not_increasing", Warn, "rates that fall toward the head";
        RATES_OF_FROZEN_GROUPS = "rates_of_frozen_groups", Warn, "rates for frozen groups";
        UNUSED_LET = "unused_let", Warn, "a binding that is never read";
        LONG_RUN = "long_run", Warn, "more than 500 epochs";
        TTA_WITHOUT_AUGMENT = "tta_without_augment", Warn, "tta without random transforms";
        UNTRAINED_HEAD = "untrained_head", Warn, "a head that no fit trains";
        NO_EFFECT = "no_effect", Warn, "a step that changes nothing";
        DEFAULT_VALID = "default_valid", Allow, "a csv file without `valid`";
        NO_LR_FIND = "no_lr_find", Allow, "a fit before any lr_find";
        FINDER_WITHOUT_OR = "finder_without_or", Warn, "a later lr_find without `or`";
        RESIZE_WITHOUT_FREEZE = "resize_without_freeze", Allow, "resize while unfrozen";
        STATS_OF_OTHER_WEIGHTS = "stats_of_other_weights", Warn, "statistics that the weights do not know";
        ENLARGED_COPIES = "enlarged_copies", Warn, "copies smaller than the largest zoom";
        BALANCED_TWICE = "balanced_twice", Warn, "rare classes that count twice";
        CLASSES_ALIKE = "classes_alike", Warn, "classes that differ only in how they are written";
        LABELS_OF_ANOTHER_TASK = "labels_of_another_task", Warn, "labels that look like another task's";
        TOP_K_OF_ALL = "top_k_of_all", Warn, "a `top_k` that takes in all classes";
    }
}

/// The entry of that code or lint name.
pub fn find(id: &str) -> Option<&'static Code> {
    ERRORS.iter().chain(LINTS).find(|c| c.id.eq_ignore_ascii_case(id)).copied()
}
