//! The constructs: their words, their keys, what they take, their ranges and defaults.

construct_lists! {
    /// The sources of `data`.
    SOURCES in sources {
        /// Images in folders, one subfolder per class.
        FOLDERS folders {
            /// Folder of the data set, relative to the working directory.
            root: Text, required;
            /// Folder of the training images, below `root`.
            train: Text = "\"train\"";
            /// The held-out images: a folder's name, or a split.
            valid: Split = "\"valid\"";
            /// Folder of test images, below `root`.
            test: Text;
        } + loading
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
            /// Appended to the id to make a file name, `".jpg"`. Of several, the first that makes the name of a file.
            suffix: Texts = "\"\"";
            /// Column of the image name.
            id: Column in range(0.0, 10000.0) = "0";
            /// Column of the label or the tags.
            label: Column in range(0.0, 10000.0) = "1";
            /// The separator of tags (multi_label).
            separator: Text = "\" \"";
            /// Instead of `label`: columns of 0 and 1, one for each class or tag, which bear its name; or, for tags, columns
            /// with one tag each.
            columns: Columns in range(0.0, 10000.0);
            /// The character between cells: `";"`, `"\t"`.
            delimiter: Text = "\",\"";
            /// How the file's bytes are read: `utf8`, `latin1` (Windows-1252) or `utf16`.
            encoding: Word(Encoding) = "utf8";
            /// Whether the first row is a header.
            header: Switch = "on";
            /// The held-out images: a split, or the name of the folder that contains them.
            valid: Split = "random(0.2)";
        } + loading
        /// Images, labels and the held-out part that the Rust program supplies in `RunOptions { dataset, .. }`.
        GIVEN given {} + loading
    }
    /// The splits of `valid` that are calls.
    SPLITS in splits {
        /// A random share, exactly as fastai's `get_cv_idxs` draws it.
        RANDOM random {
            /// Share of all images.
            share: Number in open(0.0, 1.0), required;
        } + drawn
        /// A random share of each class: preserves the classes' proportions, even with few images per class.
        STRATIFIED stratified {
            /// Share of all images.
            share: Number in open(0.0, 1.0), required;
        } + drawn
        /// A random share of blocks of consecutive images, for lists in which neighbouring images look alike.
        BLOCKS blocks {
            /// Images per block, in the order of the csv file or of the sorted listing.
            size: Count in range(2.0, 1000000.0), required;
            /// Share of all blocks.
            share: Number in open(0.0, 1.0) = "0.2";
        } + drawn
        /// A random share of groups: images with the same cell in a csv column (a patient, a place) stay together.
        GROUPED grouped {
            /// The column's name.
            name: Text, required;
            /// Share of all groups.
            share: Number in open(0.0, 1.0) = "0.2";
        } + drawn
        /// Equal parts, each held out in turn: a run for each, the predictions for all images by networks that have not seen
        /// them, and an ensemble of the networks. Each class, or set of tags, is dealt out evenly.
        FOLDS folds {
            /// Parts.
            count: Count in range(2.0, 100.0), required;
            /// Seed of the permutation.
            seed: Count in range(0.0, 4294967295.0) = "42";
            /// Holds out this part alone, from 0, in one ordinary run.
            fold: Count in range(0.0, 99.0);
            /// Keeps images with the same cell in this csv column together, instead of dealing the classes out.
            grouped: Text;
            /// Keeps blocks of so many consecutive images together, instead of dealing the classes out.
            blocks: Count in range(2.0, 1000000.0);
        }
        /// A folder of validation images; with a csv file, all rows whose image lies in it.
        FOLDER folder {
            /// The folder's path below `root`. With a csv file, it is laid out like `images`, or lies inside `images`.
            path: Text, required;
        }
        /// A list of image ids, one per line.
        INDICES indices {
            /// The text file, below `root`.
            path: Text, required;
        }
        /// A list of positions, as the original's `val_idxs`.
        ROWS rows {
            /// Positions from 0, in the order of the csv file or of the sorted listing.
            positions: Counts in range(0.0, 4294967295.0), required;
        }
        /// A csv column that marks the held-out images (`1`, `true`).
        COLUMN column {
            /// The column's name.
            name: Text, required;
        }
    }
    /// What the key `preflight` of `data` takes.
    CHECKS in checks {
        /// So many images of each part, in random order.
        SAMPLE sample {
            /// Images of each part.
            images: Count in range(1.0, 1000000000.0), required;
        }
    }
    /// What `transforms` and its key `stats` take.
    IMAGES in images {
        /// Image size and augmentation: `basic`, `side_on`, `top_down` or `none`.
        TRANSFORMS transforms {
            /// Side of the square that the network sees, pixels.
            size: Count in range(8.0, 4096.0), required;
            /// Largest random zoom, or `[min, max]`.
            max_zoom: Zoom in range(1.0, 4.0) = "1.0";
            /// The crop of the square.
            crop: Word(Crop) = "random";
            /// Border around the scaled image, pixels.
            pad: Count in range(0.0, 1024.0) = "0";
            /// Content of the border of `pad` in training; validation always mirrors the border.
            pad_mode: Word(PadMode) = "reflect";
            /// Augmentations after those of the set, in list order: first those of the scaled image; then, on the cropped
            /// square, `trivial_augment` and `rand_augment`; last `erase`.
            augment: Augment = "[]";
            /// Statistics for normalising pixels; the default is those of the architecture's weights.
            stats: Stats;
            /// Decoding of JPEGs: `reduced` decodes at a half, a quarter or an eighth of the side lengths if twice the
            /// needed pixels remain, which is faster and nearly equal (`LANGUAGE.md` states the differences).
            decode: Word(Decode) = "full";
            /// The bits that 16-bit images use: with `12`, the value 4095 is white. Sensors and scanners often store 10 or 12
            /// bits in 16, and such images are nearly black without this key.
            bits: Count in range(8.0, 16.0) = "16";
        }
        /// Statistics of your own data for normalising pixels, which are numbers from 0 to 1.
        NORMALIZE normalize {
            /// Means of red, green and blue; a single number applies to all three.
            mean: Numbers in range(0.0, 1.0), required;
            /// Standard deviations of red, green and blue.
            std: Numbers in range(0.001, 1.0), required;
        }
    }
    /// What `model` takes.
    NETWORK in network {
        /// The network: an architecture with a new head.
        MODEL model {
            /// The source of the body's weights.
            weights: Weights = "pretrained";
            /// Number of modules to remove from the end of the body; `fastai explain ARCH` names them.
            cut: Count in range(0.0, 64.0) = "0";
            /// Largest rate at which training leaves out a residual branch of an image, linear over the depth of the body
            /// (stochastic depth); in layer groups that train. torchvision trained `efficientnet_b0` with 0.2 and `convnext_tiny`
            /// with 0.1.
            stochastic_depth: Number in below(0.0, 1.0) = "0";
        } + layers
    }
    /// The metrics that take arguments.
    MEASURES in measures {
        /// Share of images whose label is one of the `k` most probable classes.
        TOP_K top_k {
            /// Classes that count.
            k: Count in range(1.0, 10000.0) = "5";
        }
        /// F-beta with beta 2, the mean over images.
        F2 f2 {
            /// A tag is predicted if its probability exceeds this number; `search` takes the best of 0.17 to 0.23 for all tags,
            /// `search_each` the best of 0.01 to 0.99 for each.
            threshold: Threshold in open(0.0, 1.0) = "0.2";
        }
        /// F-beta with beta 1: the harmonic mean of precision and recall.
        F1 f1 {
            /// What is averaged; `samples` is for tags only.
            average: Word(Average) = "macro";
            /// A tag is predicted if its probability exceeds this number; for tags only.
            threshold: Number in open(0.0, 1.0) = "0.5";
        }
        /// F-beta: recall counts `beta` times as much as precision.
        F_BETA f_beta {
            /// Weight of recall.
            beta: Number in above(0.0, 100.0), required;
            /// What is averaged; `samples` is for tags only.
            average: Word(Average) = "macro";
            /// A tag is predicted if its probability exceeds this number; for tags only.
            threshold: Number in open(0.0, 1.0) = "0.5";
        }
        /// Share of what is predicted that is true.
        PRECISION precision {
            /// What is averaged; `samples` is for tags only.
            average: Word(Average) = "macro";
            /// A tag is predicted if its probability exceeds this number; for tags only.
            threshold: Number in open(0.0, 1.0) = "0.5";
        }
        /// Share of what is true that is predicted.
        RECALL recall {
            /// What is averaged; `samples` is for tags only.
            average: Word(Average) = "macro";
            /// A tag is predicted if its probability exceeds this number; for tags only.
            threshold: Number in open(0.0, 1.0) = "0.5";
        }
        /// Cohen's kappa: agreement beyond chance.
        KAPPA kappa {
            /// How much a mistake counts: `linear` and `quadratic` go by the distance in class order, the byte order of the
            /// names.
            weights: Word(KappaWeights) = "none";
        }
        /// Expected calibration error.
        ECE ece {
            /// Bins of equal width.
            bins: Count in range(1.0, 1000.0) = "15";
        }
        /// Share of cells (an image and a tag) that are right.
        ACCURACY_THRESH accuracy_thresh {
            /// A tag is predicted if its probability exceeds this number.
            threshold: Number in open(0.0, 1.0) = "0.5";
        }
        /// Hamming loss: the share of cells (an image and a tag) that are wrong.
        HAMMING hamming {
            /// A tag is predicted if its probability exceeds this number.
            threshold: Number in open(0.0, 1.0) = "0.5";
        }
    }
    /// The steps, in the order of the language page.
    STEPS in steps {
        /// Switches cached activations of the frozen body on or off.
        PRECOMPUTE precompute {
            /// `on` or `off`.
            state: Switch, required;
        }
        /// Trains the whole network from here on.
        UNFREEZE unfreeze {}
        /// Trains layer group `group` and all after it.
        FREEZE_TO freeze_to {
            /// First group that trains; negative numbers count from the end.
            group: Count in range(-64.0, 64.0), required;
        }
        /// Trains only the head from here on.
        FREEZE freeze {}
        /// Trains: `cycles` epochs at a constant rate, or `cycles` cycles with warm restarts if `cycle_len` is given.
        FIT fit {
            /// One rate, or one per layer group, earliest first.
            lrs: Rates in above(0.0, 10.0), required;
            /// Epochs, or cycles if `cycle_len` is given.
            cycles: Count in range(1.0, 100000.0), required;
            /// Epochs of the first cycle.
            cycle_len: Count in range(1.0, 100000.0);
            /// Factor between the lengths of successive cycles.
            cycle_mult: Count in range(1.0, 1000.0) = "1";
            /// Weight decay, one for all layer groups or one per layer group.
            wds: Numbers in range(0.0, 1.0) = "0";
            /// Shape of a cycle.
            anneal: Word(Anneal) = "cosine";
            /// Instead of cycles, one course over all epochs after the warm-up.
            schedule: Word(Fall) = "constant";
            /// Epochs over which the rate first rises on a straight line, from a hundredth of itself.
            warmup: Number in range(0.0, 100000.0) = "0";
            /// Epochs between two steps of `schedule = step`.
            every: Count in range(1.0, 100000.0) = "30";
            /// Factor of each step of `schedule = step`.
            by: Number in open(0.0, 1.0) = "0.1";
            /// Cycles as fastai 0.7's `use_clr`: `[div, cut_div]`, the full rate over the lowest and the cycle over its rise;
            /// then, if wanted, the momentum at the lowest and at the full rate.
            use_clr: Numbers in above(0.0, 1000.0);
            /// Cycles as fastai 0.7's `use_clr_beta`: `[div, pct]`, the full rate over the first and the per cent of the last
            /// fall; then, if wanted, the momentum at the lowest and at the full rate.
            use_clr_beta: Numbers in above(0.0, 1000.0);
            /// Ends the fit after so many epochs in a row (cycles, if `cycle_len` is given) without a better `val_loss`, or
            /// a better value of what `keep_best` names.
            stop_early: Count in range(1.0, 100000.0);
            /// Saves the model at the end of each cycle, as `NAME_cyc_0`, `NAME_cyc_1` and so on.
            cycle_save_name: Text;
            /// Ends the fit with the mean of the weights after so many last epochs (cycles, if `cycle_len` is given), and
            /// estimates the statistics of batch norms again: stochastic weight averaging.
            swa: Count in range(2.0, 100000.0);
            /// One rate alone gives each layer group its own: that of the head times this factor for each group from the head back.
            layer_decay: Number in above(0.0, 1.0);
        }
        /// Trains with one cycle, as fastai v2: the rate rises along half a cosine and falls along another, and the momentum
        /// does the opposite.
        FIT_ONE_CYCLE fit_one_cycle {
            /// One rate, or one per layer group, earliest first: the highest of the cycle.
            lrs: Rates in above(0.0, 10.0), required;
            /// Epochs of the cycle.
            epochs: Count in range(1.0, 100000.0), required;
            /// Part of the batches in which the rate rises.
            pct_start: Number in open(0.0, 1.0) = "0.25";
            /// The highest rate over the first.
            div: Number in range(1.0, 1000000.0) = "25";
            /// The highest rate over the last.
            div_final: Number in range(1.0, 1000000000.0) = "100000";
            /// Momentum at first, at the highest rate and at the end. An optimizer without momentum stays without.
            moms: Numbers in below(0.0, 1.0) = "[0.95, 0.85, 0.95]";
            /// Weight decay, one for all layer groups or one per layer group.
            wds: Numbers in range(0.0, 1.0) = "0";
            /// One rate alone gives each layer group its own: that of the head times this factor for each group from the head back.
            layer_decay: Number in above(0.0, 1.0);
        }
        /// Sweeps the learning rate upward for some batches, restores the weights, and suggests a rate.
        LR_FIND lr_find {
            /// The rule that derives a rate from the curve.
            suggest: Word(Suggest) = "valley";
            /// The rate to use if the curve suggests none; without it a tenth of the head's last rate, and before the first
            /// `fit` the run stops there.
            or: Number in above(0.0, 10.0);
            /// First rate.
            start: Number in above(0.0, 10.0) = "1e-5";
            /// The sweep ends just below this rate.
            end: Number in above(0.0, 100.0) = "10";
            /// Batches; the default is 100 on cached activations and 40 from images.
            iters: Count in range(12.0, 100000.0);
            /// Rates of the layer groups as multiples of that of the head, earliest first, the last one 1: `[0.01, 0.1, 1]`;
            /// unless given, all groups have the same rate.
            ratio: Numbers in above(0.0, 1.0);
        }
        /// Replaces the head by a new, untrained one.
        HEAD head {} + layers
        /// Changes the image size from here on, and the batch size if `batch` is given.
        RESIZE resize {
            /// Side of the square, pixels.
            size: Count in range(8.0, 4096.0), required;
            /// Images per batch from here on; unchanged unless given.
            batch: Count in range(2.0, 65536.0);
        }
        /// Averages plain and augmented predictions (test-time augmentation).
        TTA tta {
            /// Augmented passes.
            n_aug: Count in range(1.0, 1000.0) = "4";
        }
        /// Freezes the body's batch norm statistics while its weights train.
        BN_FREEZE bn_freeze {
            /// `on` or `off`.
            state: Switch, required;
        }
        /// Saves the model as `models/NAME.safetensors` in the run folder.
        SAVE save {
            /// File name without its suffix.
            name: Text, required;
        }
        /// Loads a model that an earlier `save` wrote.
        LOAD load {
            /// File name without its suffix.
            name: Text, required;
        }
        /// Loads the mean of several models that earlier `save`s or the cycles of a `fit` wrote, and estimates the statistics of
        /// batch norms again.
        AVERAGE average {
            /// File names without their suffix, at least two.
            names: Texts, required;
        }
    }
}
