//! The run folder: history, summary, plots, report.html.

pub mod bars;
pub mod batches;
pub mod began;
pub mod evaluation;
pub mod folder;
pub mod folds;
pub mod gallery;
pub mod html;
pub(crate) mod numbers;
pub(crate) mod out_of_fold;
pub(crate) mod page;
pub mod plot;
pub mod record;
mod ruined;
mod samples;
pub mod sheet;
pub mod show;
pub mod summary;
pub(crate) mod tables;
mod verdicts;

pub use bars::Bars;
pub use batches::BatchRow;
pub use began::{DataFingerprint, InitialWeights, PartFingerprint};
pub use evaluation::{ByClass, Counts, Evaluation, MeasuredSet};
pub use folder::RunFolder;
pub(crate) use folder::{claim_folder, refuse_link};
pub use folds::{FoldSummary, Folds, Spread};
pub use gallery::{Gallery, GalleryGroup, GalleryImage};
pub use record::{ClassCount, DataOverview, Record};
pub(crate) use ruined::{fit_before, inherited};
pub use sheet::Sheet;
pub use show::Show;
pub use summary::{Baseline, CacheUse, StageSummary, Status, Summary};
pub(crate) use verdicts::{body_lost, course, name as course_name};
