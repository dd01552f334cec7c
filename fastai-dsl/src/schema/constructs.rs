//! Every construct once: its word, its keys, what they take, their ranges and defaults.

use super::{Construct, IntoConstruct, Key, Range, Type};
use crate::draft::Value;
use crate::fits::{Fits, kind};

pub(super) const fn range(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: true, hi_in: true }
}
pub(super) const fn above(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: false, hi_in: true }
}
pub(super) const fn open(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: false, hi_in: false }
}
pub(super) const fn below(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: true, hi_in: false }
}

constructs! {
    /// Images in folders, one sub-folder a class.
    FOLDERS folders {
        /// Folder of the data set, relative to the working directory.
        root: Text, required;
        /// Folder of the training images, below `root`.
        train: Text = "\"train\"";
        /// Which images are held out: a folder's name, or a split.
        valid: Split = "\"valid\"";
        /// Folder of test images, below `root`.
        test: Text;
        /// Images a batch.
        batch: Count in range(2.0, 65536.0) = "64";
        /// Threads that decode and transform; one a CPU core unless given.
        workers: Count in range(1.0, 1024.0);
        /// What to do about files that are missing or cannot be decoded: `deny` stops before training and lists them, `skip`
        /// leaves them out and lists them.
        corrupt: Word [deny | skip] = "deny";
        /// What to do about training images that equal a validation image byte for byte: `drop` leaves them out, `keep`
        /// trains on them.
        duplicates: Word [drop | keep] = "drop";
        /// How an epoch goes through the training images: `shuffle` shows each once, `balanced` shows rare classes more
        /// often and frequent ones less.
        sampler: Word [shuffle | balanced] = "shuffle";
        /// Keeps copies of the images scaled to this shorter side, pixels, in the cache folder, and reads those; `validate` and
        /// `predict` see the same pixels.
        resize_to: Count in range(8.0, 8192.0);
    }
    /// Images in one folder, labels in a csv file.
    CSV csv {
        /// Folder of the data set, relative to the working directory.
        root: Text, required;
        /// The csv file, below `root`.
        labels: Text, required;
        /// Folder of the images, below `root`.
        images: Text, required;
        /// Folder of test images, below `root`.
        test: Text;
        /// Appended to the id to make a file name, `".jpg"`.
        suffix: Text = "\"\"";
        /// Column of the image name.
        id: Column in range(0.0, 10000.0) = "0";
        /// Column of the label or the tags.
        label: Column in range(0.0, 10000.0) = "1";
        /// What separates tags (multi_label).
        separator: Text = "\" \"";
        /// Whether the first row is a header.
        header: Switch = "on";
        /// Which images are held out: a split, or the name of the folder that they lie in.
        valid: Split = "random(0.2)";
        /// Images a batch.
        batch: Count in range(2.0, 65536.0) = "64";
        /// Threads that decode and transform; one a CPU core unless given.
        workers: Count in range(1.0, 1024.0);
        /// What to do about files that are missing or cannot be decoded: `deny` stops before training and lists them, `skip`
        /// leaves them out and lists them.
        corrupt: Word [deny | skip] = "deny";
        /// What to do about training images that equal a validation image byte for byte: `drop` leaves them out, `keep`
        /// trains on them.
        duplicates: Word [drop | keep] = "drop";
        /// How an epoch goes through the training images: `shuffle` shows each once, `balanced` shows rare classes more
        /// often and frequent ones less.
        sampler: Word [shuffle | balanced] = "shuffle";
        /// Keeps copies of the images scaled to this shorter side, pixels, in the cache folder, and reads those; `validate` and
        /// `predict` see the same pixels.
        resize_to: Count in range(8.0, 8192.0);
    }
    /// Images and labels that the Rust program which runs the recipe gives, in `RunOptions { dataset, .. }`; it also says
    /// which are held out.
    GIVEN given {
        /// Images a batch.
        batch: Count in range(2.0, 65536.0) = "64";
        /// Threads that decode and transform; one a CPU core unless given.
        workers: Count in range(1.0, 1024.0);
        /// What to do about files that cannot be decoded: `deny` stops before training and lists them, `skip` leaves them out
        /// and lists them.
        corrupt: Word [deny | skip] = "deny";
        /// What to do about training images that equal a validation image byte for byte: `drop` leaves them out, `keep`
        /// trains on them.
        duplicates: Word [drop | keep] = "drop";
        /// How an epoch goes through the training images: `shuffle` shows each once, `balanced` shows rare classes more
        /// often and frequent ones less.
        sampler: Word [shuffle | balanced] = "shuffle";
        /// Keeps copies of the images scaled to this shorter side, pixels, in the cache folder, and reads those; `validate` and
        /// `predict` see the same pixels.
        resize_to: Count in range(8.0, 8192.0);
    }
    /// A random share, exactly as fastai's `get_cv_idxs` draws it.
    RANDOM random {
        /// Share of all images.
        share: Number in open(0.0, 1.0), required;
        /// Seed of the permutation.
        seed: Count in range(0.0, 4294967295.0) = "42";
        /// Which slice of the permutation, from 0.
        fold: Count in range(0.0, 1000000.0) = "0";
    }
    /// A random share of each class: `random` that keeps the classes' proportions, also with few images a class.
    STRATIFIED stratified {
        /// Share of all images.
        share: Number in open(0.0, 1.0), required;
        /// Seed of the permutation.
        seed: Count in range(0.0, 4294967295.0) = "42";
        /// Which slice, from 0; folds do not overlap.
        fold: Count in range(0.0, 1000000.0) = "0";
    }
    /// A random share of blocks of consecutive images, for images whose neighbours in the list show nearly the same.
    BLOCKS blocks {
        /// Images a block, in the order of the csv file or of the sorted listing.
        size: Count in range(2.0, 1000000.0), required;
        /// Share of all blocks.
        share: Number in open(0.0, 1.0) = "0.2";
        /// Seed of the permutation.
        seed: Count in range(0.0, 4294967295.0) = "42";
        /// Which slice of the permutation, from 0.
        fold: Count in range(0.0, 1000000.0) = "0";
    }
    /// A random share of groups: images with the same cell in a csv column (a patient, a place) stay together.
    GROUPED grouped {
        /// The column's name.
        name: Text, required;
        /// Share of all groups.
        share: Number in open(0.0, 1.0) = "0.2";
        /// Seed of the permutation.
        seed: Count in range(0.0, 4294967295.0) = "42";
        /// Which slice of the permutation, from 0.
        fold: Count in range(0.0, 1000000.0) = "0";
    }
    /// A folder of validation images; of a csv file, all rows whose image lies in it.
    FOLDER folder {
        /// Its path below `root`. A csv's images lie in it as they would in `images`, or it is a folder inside of `images`.
        path: Text, required;
    }
    /// A list of image ids, one a line.
    INDICES indices {
        /// The text file, below `root`.
        path: Text, required;
    }
    /// A csv column that says which images are held out (`1`, `true`).
    COLUMN column {
        /// The column's name.
        name: Text, required;
    }
    /// Image size and augmentation: `basic`, `side_on`, `top_down` or `none`.
    TRANSFORMS transforms {
        /// Side of the square that the network sees, pixels.
        size: Count in range(8.0, 4096.0), required;
        /// Largest random zoom, or `[min, max]`.
        max_zoom: Zoom in range(1.0, 4.0) = "1.0";
        /// How the square is cut out.
        crop: Word [random | center | none | googlenet] = "random";
        /// Border around the scaled image, pixels.
        pad: Count in range(0.0, 1024.0) = "0";
        /// What the border of `pad` shows while training; the one that validation sees is always mirrored.
        pad_mode: Word [reflect | constant] = "reflect";
        /// Augmentations after those of the set, done in this order: first those of the scaled image; then, on the square that
        /// is cut out of it, `trivial_augment` and `rand_augment`; at last `erase`.
        augment: Augment = "[]";
        /// Statistics that pixels are normalised with; those of the architecture's weights unless given.
        stats: Stats;
        /// How JPEGs are decoded: `reduced` takes those that keep twice the pixels that are needed at a half, a quarter or an
        /// eighth of their sides, which is faster and nearly the same (`LANGUAGE.md` says how nearly).
        decode: Word [full | reduced] = "full";
    }
    /// Statistics of your own data: what pixels, as numbers from 0 to 1, are normalised with.
    NORMALIZE normalize {
        /// Means of red, green and blue; one number is that of all three.
        mean: Numbers in range(0.0, 1.0), required;
        /// Their standard deviations.
        std: Numbers in range(0.001, 1.0), required;
    }
    /// Rotates by up to `degrees` either way about the middle; what comes in at the border is reflected.
    ROTATE rotate {
        /// Largest angle.
        degrees: Number in range(0.0, 180.0), required;
        /// How often.
        p: Number in range(0.0, 1.0) = "0.75";
    }
    /// Changes brightness and contrast.
    LIGHTING lighting {
        /// Largest change of brightness, of a range of 0 to 1.
        brightness: Number in range(0.0, 1.0), required;
        /// Largest change of contrast: a factor of up to `1 + contrast` either way.
        contrast: Number in below(0.0, 1.0), required;
    }
    /// Mirrors left to right.
    FLIP flip {
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// One of the eight flips and quarter turns, each as often.
    DIHEDRAL dihedral {}
    /// Enlarges about the middle by a factor of `1 + min` to `1 + max`.
    ZOOM zoom {
        /// Largest enlargement.
        max: Number in range(0.0, 3.0), required;
        /// Smallest enlargement.
        min: Number in range(0.0, 3.0) = "0";
    }
    /// Enlarges either width or height, by a factor of up to `1 + max`.
    STRETCH stretch {
        /// Largest enlargement.
        max: Number in range(0.0, 3.0), required;
    }
    /// One of `rotate`, `zoom`, `stretch` and nothing.
    ROTATE_ZOOM rotate_zoom {
        /// Largest angle.
        degrees: Number in range(0.0, 180.0), required;
        /// Largest enlargement of `zoom`.
        zoom: Number in range(0.0, 3.0), required;
        /// Largest enlargement of `stretch`.
        stretch: Number in range(0.0, 3.0), required;
        /// Probabilities of the four; their sum is 1.
        ps: Numbers in range(0.0, 1.0) = "[0.25, 0.25, 0.25, 0.25]";
    }
    /// Averages over a square of `2 * strength - 1` pixels.
    BLUR blur {
        /// How much.
        strength: Count in range(1.0, 15.0) = "5";
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// Blackens squares anywhere in the image; what comes after it in the list turns and lights them too.
    CUTOUT cutout {
        /// How many.
        holes: Count in range(1.0, 64.0), required;
        /// Their side, pixels of the scaled image; less where the image ends.
        length: Count in range(1.0, 1024.0), required;
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// Erases a rectangle of the square, of an aspect of 0.3 to 3.3 (random erasing). This comes after everything else.
    ERASE erase {
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
        /// Its share of the square, `[min, max]`.
        area: Zoom in open(0.0, 1.0) = "[0.02, 0.33]";
        /// What it shows: the mean of the statistics that pixels are normalised with, or noise about it.
        value: Word [mean | noise] = "mean";
    }
    /// One of 14 operations of random strength (TrivialAugment, wide) on the square, in 8 bits, after the crop.
    TRIVIAL_AUGMENT trivial_augment {}
    /// Some of 14 operations, one after another, all equally strong (RandAugment), on the square, in 8 bits, after the crop.
    RAND_AUGMENT rand_augment {
        /// How many.
        n: Count in range(1.0, 14.0) = "2";
        /// How strong.
        m: Count in range(0.0, 30.0) = "9";
    }
    /// The network: an architecture with a new head.
    MODEL model {
        /// Dropout before each linear layer of the head: one a layer, or one for all.
        dropout: Numbers in below(0.0, 1.0) = "[0.25, 0.5]";
        /// Widths of the head's hidden layers.
        hidden: Counts in range(1.0, 65536.0) = "[512]";
        /// Where the body's weights come from.
        weights: Weights = "pretrained";
        /// Modules at the end of the body that are left out; `fastai explain ARCH` names them.
        cut: Count in range(0.0, 64.0) = "0";
    }
    /// F-beta with beta 2, the mean over images.
    F2 f2 {
        /// A tag is said when its probability is above this number; `search` takes the best of .17 to .23.
        threshold: Threshold in open(0.0, 1.0) = "0.2";
    }
    /// Switches cached activations of the frozen body on or off.
    PRECOMPUTE precompute {
        /// `on` or `off`.
        state: Switch, required;
    }
    /// Sweeps the learning rate upward for some batches, restores the weights, and suggests a rate.
    LR_FIND lr_find {
        /// How a rate is read off the curve.
        suggest: Word [valley | steep | minimum] = "valley";
        /// Used when the curve suggests nothing; without it the run stops there.
        or: Number in above(0.0, 10.0);
        /// First rate.
        start: Number in above(0.0, 10.0) = "1e-5";
        /// The sweep ends just below this rate.
        end: Number in above(0.0, 100.0) = "10";
        /// Batches; 100 on cached activations and 40 from images unless given.
        iters: Count in range(12.0, 100000.0);
    }
    /// Trains: `cycles` epochs at a constant rate, or `cycles` cycles with warm restarts if `cycle_len` is given.
    FIT fit {
        /// One rate, or one a layer group, earliest first.
        lrs: Rates in above(0.0, 10.0), required;
        /// Epochs, or cycles if `cycle_len` is given.
        cycles: Count in range(1.0, 100000.0), required;
        /// Epochs of the first cycle.
        cycle_len: Count in range(1.0, 100000.0);
        /// Each cycle is this many times as long as the one before.
        cycle_mult: Count in range(1.0, 1000.0) = "1";
        /// L2 weight decay, one for all groups or one a group.
        wds: Numbers in range(0.0, 1.0) = "0";
        /// Shape of a cycle.
        anneal: Word [cosine | linear] = "cosine";
    }
    /// Trains only the head from here on.
    FREEZE freeze {}
    /// Trains layer group `group` and all after it.
    FREEZE_TO freeze_to {
        /// First group that trains; negative numbers count from the end.
        group: Count in range(-64.0, 64.0), required;
    }
    /// Trains the whole network from here on.
    UNFREEZE unfreeze {}
    /// Keeps the body's BatchNorm statistics while its weights train.
    BN_FREEZE bn_freeze {
        /// `on` or `off`.
        state: Switch, required;
    }
    /// A new, untrained head.
    HEAD head {
        /// Dropout before each linear layer: one a layer, or one for all.
        dropout: Numbers in below(0.0, 1.0) = "[0.25, 0.5]";
        /// Widths of the hidden layers.
        hidden: Counts in range(1.0, 65536.0) = "[512]";
    }
    /// Another image size from here on.
    RESIZE resize {
        /// Side of the square, pixels.
        size: Count in range(8.0, 4096.0), required;
    }
    /// Averages the plain prediction and augmented ones.
    TTA tta {
        /// Augmented passes.
        n_aug: Count in range(1.0, 1000.0) = "4";
    }
    /// Saves the model as `models/NAME.safetensors` in the run folder.
    SAVE save {
        /// File name without its suffix.
        name: Text, required;
    }
    /// Loads a model that a `save` before it wrote.
    LOAD load {
        /// File name without its suffix.
        name: Text, required;
    }
}

/// The sources of `data`.
pub const SOURCES: &[&Construct] = &[&FOLDERS, &CSV, &GIVEN];
/// The splits of `valid` that are calls.
pub const SPLITS: &[&Construct] = &[&RANDOM, &STRATIFIED, &BLOCKS, &GROUPED, &FOLDER, &INDICES, &COLUMN];
/// The parts of `augment`.
pub const AUGMENTATIONS: &[&Construct] = &[
    &ROTATE,
    &LIGHTING,
    &FLIP,
    &DIHEDRAL,
    &ZOOM,
    &STRETCH,
    &ROTATE_ZOOM,
    &BLUR,
    &CUTOUT,
    &ERASE,
    &TRIVIAL_AUGMENT,
    &RAND_AUGMENT,
];
/// The steps, in the order of the language page.
pub const STEPS: &[&Construct] =
    &[&PRECOMPUTE, &UNFREEZE, &FREEZE_TO, &FREEZE, &FIT, &LR_FIND, &HEAD, &RESIZE, &TTA, &BN_FREEZE, &SAVE, &LOAD];

/// The steps and nothing else: what an editor completes the beginning of a step from.
pub mod steps {
    pub use super::{bn_freeze, fit, freeze, freeze_to, head, load, lr_find, precompute, resize, save, tta, unfreeze};
}
