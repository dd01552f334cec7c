//! The words among the arguments of metrics.

use crate::word_enums::word_enums;

word_enums! {
    values in metric_argument_words;

    /// What precision, recall and F-beta average.
    Average {
        /// The mean over the classes or tags, each counted equally.
        Macro = "macro",
        /// All images (and tags) at once.
        Micro = micro,
        /// The mean over the classes or tags, each counted by the images that have it.
        Weighted = weighted,
        /// The mean over the images, for tags.
        Samples = samples,
    }

    /// How much a mistake counts in Cohen's kappa.
    KappaWeights {
        /// Every mistake counts the same.
        Unweighted = "none",
        /// A mistake counts by the distance of the classes.
        Linear = "linear",
        /// A mistake counts by the square of the distance of the classes.
        Quadratic = quadratic,
    }
}
