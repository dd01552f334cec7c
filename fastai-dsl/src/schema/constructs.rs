//! The constructs: their words, their keys, what they take, their ranges and defaults.

construct_lists! {
    /// The sources of `data`.
    SOURCES in sources {
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
        } + loading
        /// Images and labels that the Rust program which runs the recipe gives, in `RunOptions { dataset, .. }`; it also says
        /// which are held out.
        GIVEN given {} + loading
    }
    /// The splits of `valid` that are calls.
    SPLITS in splits {
        /// A random share, exactly as fastai's `get_cv_idxs` draws it.
        RANDOM random {
            /// Share of all images.
            share: Number in open(0.0, 1.0), required;
        } + drawn
        /// A random share of each class: `random` that keeps the classes' proportions, also with few images a class.
        STRATIFIED stratified {
            /// Share of all images.
            share: Number in open(0.0, 1.0), required;
        } + drawn
        /// A random share of blocks of consecutive images, for images whose neighbours in the list show nearly the same.
        BLOCKS blocks {
            /// Images a block, in the order of the csv file or of the sorted listing.
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
    }
    /// What `transforms` and its key `stats` take.
    IMAGES in images {
        /// Image size and augmentation: `basic`, `side_on`, `top_down` or `none`.
        TRANSFORMS transforms {
            /// Side of the square that the network sees, pixels.
            size: Count in range(8.0, 4096.0), required;
            /// Largest random zoom, or `[min, max]`.
            max_zoom: Zoom in range(1.0, 4.0) = "1.0";
            /// How the square is cut out.
            crop: Word(Crop) = "random";
            /// Border around the scaled image, pixels.
            pad: Count in range(0.0, 1024.0) = "0";
            /// What the border of `pad` shows while training; the one that validation sees is always mirrored.
            pad_mode: Word(PadMode) = "reflect";
            /// Augmentations after those of the set, done in this order: first those of the scaled image; then, on the square that
            /// is cut out of it, `trivial_augment` and `rand_augment`; at last `erase`.
            augment: Augment = "[]";
            /// Statistics that pixels are normalised with; those of the architecture's weights unless given.
            stats: Stats;
            /// How JPEGs are decoded: `reduced` takes those that keep twice the pixels that are needed at a half, a quarter or an
            /// eighth of their sides, which is faster and nearly the same (`LANGUAGE.md` says how nearly).
            decode: Word(Decode) = "full";
        }
        /// Statistics of your own data: what pixels, as numbers from 0 to 1, are normalised with.
        NORMALIZE normalize {
            /// Means of red, green and blue; one number is that of all three.
            mean: Numbers in range(0.0, 1.0), required;
            /// Their standard deviations.
            std: Numbers in range(0.001, 1.0), required;
        }
    }
    /// What `model` and `metrics` take.
    NETWORK in network {
        /// The network: an architecture with a new head.
        MODEL model {
            /// Where the body's weights come from.
            weights: Weights = "pretrained";
            /// Modules at the end of the body that are left out; `fastai explain ARCH` names them.
            cut: Count in range(0.0, 64.0) = "0";
        } + layers
        /// F-beta with beta 2, the mean over images.
        F2 f2 {
            /// A tag is said when its probability is above this number; `search` takes the best of .17 to .23.
            threshold: Threshold in open(0.0, 1.0) = "0.2";
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
            anneal: Word(Anneal) = "cosine";
        }
        /// Sweeps the learning rate upward for some batches, restores the weights, and suggests a rate.
        LR_FIND lr_find {
            /// How a rate is read off the curve.
            suggest: Word(Suggest) = "valley";
            /// Used when the curve suggests nothing; without it the run stops there.
            or: Number in above(0.0, 10.0);
            /// First rate.
            start: Number in above(0.0, 10.0) = "1e-5";
            /// The sweep ends just below this rate.
            end: Number in above(0.0, 100.0) = "10";
            /// Batches; 100 on cached activations and 40 from images unless given.
            iters: Count in range(12.0, 100000.0);
        }
        /// A new, untrained head.
        HEAD head {} + layers
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
        /// Keeps the body's BatchNorm statistics while its weights train.
        BN_FREEZE bn_freeze {
            /// `on` or `off`.
            state: Switch, required;
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
}
