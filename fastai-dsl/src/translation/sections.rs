//! Sections from the constructors of data, transforms and learners.

use super::specs::{DataSpec, TransformSpec};
use super::world::{NamedValue, World, literal, text};
use crate::arch;
use crate::draft::{commas, number};
use crate::habits;
use crate::python::{CallArgument, Expr};
use crate::recipe::{Crop, PadMode, TaskKind, TransformSet};
use crate::schema::{self, Construct};
use crate::word;

/// The arguments of a call by the names of its parameters.
pub(super) struct Arguments<'a> {
    arguments: &'a [CallArgument],
    parameters: Vec<&'static str>,
    read: Vec<&'static str>,
}

impl<'a> Arguments<'a> {
    /// `parameters` are the names of all, in order, with blanks between them.
    pub(super) fn new(arguments: &'a [CallArgument], parameters: &'static str) -> Self {
        Arguments { arguments, parameters: parameters.split(' ').collect(), read: Vec::new() }
    }

    /// The argument of that name, written by name or position; `None` also for Python's `None`.
    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Expr> {
        self.read.push(name);
        let index = self.parameters.iter().position(|p| *p == name)?;
        let named = self.arguments.iter().find(|a| a.name.as_deref() == Some(name));
        let positional = || self.arguments.iter().filter(|a| a.name.is_none()).nth(index);
        named.or_else(positional).map(|a| &a.value).filter(|v| v.name() != Some("None"))
    }

    /// The arguments that were not read.
    pub(super) fn rest(&self) -> Vec<String> {
        let mut position = 0;
        let mut rest = Vec::new();
        for argument in self.arguments {
            let name = match &argument.name {
                Some(name) => name.as_str(),
                None => {
                    position += 1;
                    self.parameters.get(position - 1).copied().unwrap_or("an argument")
                }
            };
            if !self.read.contains(&name) && argument.value.name() != Some("None") {
                rest.push(name.to_string());
            }
        }
        rest
    }
}

const FROM_PATHS: &str = "path bs tfms trn_name val_name test_name test_with_labels num_workers";
const FROM_CSV: &str =
    "path folder csv_fname bs tfms val_idxs suffix test_name continuous skip_header num_workers cat_separator";
const FROM_MODEL: &str = "f_model sz aug_tfms max_zoom pad crop_type tfm_y sz_y pad_mode norm_y scale";
const SPLIT: &str = "n cv_idx val_pct seed";

impl World {
    fn whole(&self, value: Option<&Expr>) -> Option<u32> {
        let x = self.resolve(value?).number()?;
        (x.fract() == 0.0 && (0.0..4e9).contains(&x)).then_some(x as u32)
    }

    fn string(&self, value: Option<&Expr>) -> Option<String> {
        text(self.resolve(value?))
    }

    /// Says which arguments have no equivalent.
    pub(super) fn unread(&mut self, arguments: &Arguments) {
        for name in arguments.rest() {
            match habits::instead(&name) {
                Some(text) => self.remark(&format!("`{name}`: {text}")),
                None => self.remark(&format!("`{name}` has no equivalent and is left out")),
            }
        }
    }

    /// `ImageClassifierData.from_paths(..)`, `from_csv(..)`.
    pub(super) fn data_call(&mut self, name: &str, arguments: &[CallArgument]) -> Option<DataSpec> {
        let mut a = Arguments::new(arguments, if name == "from_csv" { FROM_CSV } else { FROM_PATHS });
        let path = self.string(a.get("path")).filter(|path| !path.is_empty());
        let root = path.clone().map_or("data".to_string(), |path| match path.trim_end_matches('/') {
            "" => "/".to_string(),
            path => path.to_string(),
        });
        if path.is_none() && !self.alone {
            self.remark("the folder is not literal: `root` needs yours");
        }
        let mut data = DataSpec {
            source: "folders",
            keys: vec![("root", format!("{root:?}"))],
            batch: self.whole(a.get("bs")),
            transforms: None,
            is_regression: false,
        };
        if name == "from_csv" {
            data.source = "csv";
            let labels = self.string(a.get("csv_fname"));
            // The original opens the file as it is named; a recipe looks for it below the root.
            let below = |file: &str| {
                let inside = path.as_ref().and_then(|path| file.strip_prefix(path.as_str()));
                inside.unwrap_or(file).trim_start_matches("{PATH}").trim_start_matches('/').to_string()
            };
            data.set("labels", format!("{:?}", labels.map_or("labels.csv".to_string(), |file| below(&file))));
            data.set("images", format!("{:?}", self.string(a.get("folder")).unwrap_or_else(|| "train".to_string())));
            if let Some(suffix) = self.string(a.get("suffix")).filter(|s| !s.is_empty()) {
                data.set("suffix", format!("{suffix:?}"));
            }
            if let Some(separator) = self.string(a.get("cat_separator")).filter(|s| s != " ") {
                data.set("separator", format!("{separator:?}"));
            }
            if a.get("skip_header").and_then(Expr::name) == Some("False") {
                data.set("header", word::switch(false).to_string());
            }
            data.is_regression = a.get("continuous").and_then(Expr::name) == Some("True");
            data.set("valid", "random(0.2, seed = 42)".to_string());
            if let Some(split) = a.get("val_idxs") {
                match self.split(split) {
                    Some(split) => data.set("valid", split),
                    None if self.alone => {}
                    None => self.remark("`val_idxs` is not literal: `valid` is the original's default split"),
                }
            }
        } else {
            for (theirs, ours, default) in [("trn_name", "train", "train"), ("val_name", "valid", "valid")] {
                if let Some(folder) = self.string(a.get(theirs)).filter(|folder| folder != default) {
                    data.set(ours, format!("{folder:?}"));
                }
            }
            // A recipe finds the labels of a test set by itself.
            a.get("test_with_labels");
        }
        if let Some(test) = self.string(a.get("test_name")) {
            data.set("test", format!("{test:?}"));
        }
        if let Some(batch) = data.batch.filter(|batch| *batch != 64) {
            data.set("batch", batch.to_string());
        }
        if let Some(workers) = self.whole(a.get("num_workers")).filter(|n| *n > 0) {
            data.set("workers", workers.to_string());
        }
        if let Some(tfms) = a.get("tfms")
            && let NamedValue::Transforms(transforms) = self.evaluate(tfms)
        {
            data.transforms = Some(transforms);
        }
        self.unread(&a);
        Some(data)
    }

    /// A split from `get_cv_idxs(n)`, a name of one, or a list of positions.
    fn split(&mut self, value: &Expr) -> Option<String> {
        if let Some((_, "get_cv_idxs" | "get_cv_idx", arguments)) = value.call() {
            return Some(self.split_call(arguments));
        }
        if let Some(NamedValue::Split(split)) = value.name().and_then(|name| self.known(name)) {
            return Some(split.clone());
        }
        match self.resolve(value) {
            Expr::List(items) if items.iter().all(|item| item.number().is_some()) && !items.is_empty() => {
                Some(format!("rows([{}])", commas(items)))
            }
            _ => None,
        }
    }

    pub(super) fn split_call(&mut self, arguments: &[CallArgument]) -> String {
        let mut a = Arguments::new(arguments, SPLIT);
        a.get("n");
        let share = a.get("val_pct").and_then(|e| self.resolve(e).number()).unwrap_or(0.2);
        let seed = self.whole(a.get("seed")).unwrap_or(42);
        let fold = self.whole(a.get("cv_idx")).unwrap_or(0);
        self.unread(&a);
        let fold = if fold > 0 { format!(", fold = {fold}") } else { String::new() };
        format!("random({}, seed = {seed}{fold})", number(share))
    }

    /// `tfms_from_model(..)`, `tfms_from_stats(..)`.
    pub(super) fn transforms_call(&mut self, name: &str, arguments: &[CallArgument]) -> TransformSpec {
        let mut a = Arguments::new(arguments, FROM_MODEL);
        // The statistics follow from the architecture.
        let first = a.get("f_model");
        let mut spec = TransformSpec { set: TransformSet::None, size: self.whole(a.get("sz")), keys: Vec::new() };
        if spec.size.is_none() && !self.alone {
            self.remark("the size is not literal: `size` needs yours");
        }
        match a.get("aug_tfms") {
            None => {}
            Some(Expr::List(items)) => self.augmentations(items, &mut spec),
            Some(set) => match set.last_name() {
                Some("transforms_side_on") => spec.set = TransformSet::SideOn,
                Some("transforms_top_down") => spec.set = TransformSet::TopDown,
                Some("transforms_basic") => spec.set = TransformSet::Basic,
                _ => match self.resolve(set) {
                    Expr::List(items) => self.augmentations(&items, &mut spec),
                    _ => self.remark("`aug_tfms` is not literal: `augment: [..]` lists augmentations"),
                },
            },
        }
        match a.get("max_zoom").map(|zoom| self.resolve(zoom)) {
            Some(zoom) if zoom.number().is_some_and(|x| x > 1.0) || matches!(zoom, Expr::List(_)) => {
                spec.keys.push(("max_zoom", zoom.to_string()));
            }
            _ => {}
        }
        let crop = match a.get("crop_type").and_then(Expr::last_name) {
            Some("CENTER") => Some(Crop::Center),
            Some("NO") => Some(Crop::None),
            Some("GOOGLENET") => Some(Crop::Googlenet),
            _ => None,
        };
        spec.keys.extend(crop.map(|crop| ("crop", crop.word().to_string())));
        if let Some(pad) = self.whole(a.get("pad")).filter(|pad| *pad > 0) {
            spec.keys.push(("pad", pad.to_string()));
        }
        // As a name of OpenCV, or as its number.
        let mode = a.get("pad_mode").map(|mode| self.resolve(mode));
        match mode.as_ref().map(|mode| (mode.last_name(), mode.number())) {
            None
            | Some((Some("BORDER_REFLECT" | "BORDER_REFLECT_101" | "BORDER_DEFAULT"), _) | (_, Some(2.0 | 4.0))) => {}
            Some((Some("BORDER_CONSTANT"), _) | (_, Some(0.0))) => {
                spec.keys.push(("pad_mode", PadMode::Constant.word().to_string()));
            }
            Some((Some("BORDER_REPLICATE"), _) | (_, Some(1.0))) => {
                self.remark("`pad_mode`: no border repeats the outermost pixels; `reflect` mirrors the image");
            }
            Some(_) => {
                self.remark("`pad_mode`: the border is not known; `reflect` mirrors the image, `constant` is black")
            }
        }
        if name == "tfms_from_stats" && first.and_then(Expr::last_name) == Some("inception_stats") {
            spec.keys.push(("stats", word::inception.0.to_string()));
        }
        self.unread(&a);
        spec
    }

    /// `[RandomRotate(10), RandomFlip()]`.
    fn augmentations(&mut self, items: &[Expr], spec: &mut TransformSpec) {
        let mut list = Vec::new();
        for item in items {
            let Some((_, name, arguments)) = item.call() else {
                self.remark("an augmentation is not a call");
                continue;
            };
            let numbers: Vec<String> = arguments
                .iter()
                .filter(|a| a.name.is_none())
                .filter_map(|a| self.resolve(&a.value).number().and_then(literal))
                .map(|e| e.to_string())
                .collect();
            let p = arguments.iter().find(|a| a.name.as_deref() == Some("p")).map(|a| format!("p = {}", a.value));
            let construct: &Construct = match name {
                "RandomRotate" => &schema::ROTATE,
                "RandomLighting" => &schema::LIGHTING,
                "RandomFlip" => &schema::FLIP,
                "RandomDihedral" => &schema::DIHEDRAL,
                "RandomZoom" => &schema::ZOOM,
                "RandomStretch" => &schema::STRETCH,
                "RandomRotateZoom" => &schema::ROTATE_ZOOM,
                "RandomBlur" => &schema::BLUR,
                "Cutout" => &schema::CUTOUT,
                _ => {
                    self.remark(&format!("`{name}` has no equivalent and is left out"));
                    continue;
                }
            };
            let arguments: Vec<String> = numbers.into_iter().chain(p).collect();
            list.push(if arguments.is_empty() {
                construct.name.to_string()
            } else {
                format!("{}({})", construct.name, arguments.join(", "))
            });
        }
        if !list.is_empty() {
            spec.keys.push(("augment", format!("[{}]", list.join(", "))));
        }
    }

    /// The architecture that a name or `models.name` stands for.
    pub(super) fn arch(&mut self, value: Option<&Expr>) -> String {
        let name = value.map(|v| self.resolve(v)).and_then(|v| v.last_name().map(str::to_string));
        match name.as_deref().and_then(arch::find) {
            Some(facts) => facts.name.to_string(),
            None => {
                if !self.alone {
                    self.remark("the architecture is not one of a recipe's: `model` needs yours");
                }
                "resnet34".to_string()
            }
        }
    }

    pub(super) fn task(&self) -> TaskKind {
        if self.data.as_ref().is_some_and(|data| data.is_regression) {
            return TaskKind::Regression;
        }
        match self.metrics.iter().any(|metric| metric.starts_with("f2")) {
            true => TaskKind::MultiLabel,
            false => TaskKind::SingleLabel,
        }
    }
}
