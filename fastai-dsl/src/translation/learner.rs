//! Steps from the learner's methods.

use super::sections::Arguments;
use super::specs::{DataSpec, ModelSpec};
use super::world::{NamedValue, World, text};
use crate::draft::{commas, number};
use crate::habits;
use crate::plan::BodyState;
use crate::python::{CallArgument, Expr};
use crate::schema::OPTIMIZERS;

const PRETRAINED: &str = "f data ps xtra_fc xtra_cut custom_head precompute pretrained metrics clip opt_fn";
const LR_FIND: &str = "start_lr end_lr wds linear";
const SET_DATA: &str = "data precompute";
const TTA: &str = "n_aug is_test";

impl World {
    /// A call that the translation knows; `None` for any other.
    pub(super) fn known_call(
        &mut self,
        object: Option<&Expr>,
        name: &str,
        arguments: &[CallArgument],
    ) -> Option<NamedValue> {
        let learner = object.is_some_and(|object| self.is_learner(object));
        Some(match (object, name) {
            (Some(_), "from_paths" | "from_csv") => {
                let data = self.data_call(name, arguments)?;
                self.done();
                if self.alone {
                    self.transforms.clone_from(&data.transforms);
                    self.data = Some(data.clone());
                }
                NamedValue::Data(data)
            }
            (_, "tfms_from_model" | "tfms_from_stats") => {
                let transforms = self.transforms_call(name, arguments);
                self.done();
                if self.alone {
                    self.transforms = Some(transforms.clone());
                }
                NamedValue::Transforms(transforms)
            }
            (_, "get_cv_idxs" | "get_cv_idx") => {
                let split = self.split_call(arguments);
                if self.alone {
                    self.reason(&format!("`valid: {split}` in `data`"));
                }
                self.done();
                NamedValue::Split(split)
            }
            (Some(object), "pretrained") if object.last_name() == Some("ConvLearner") => {
                self.learner(arguments);
                self.done();
                NamedValue::Learner
            }
            (Some(object), "resize") => {
                let Some(NamedValue::Data(data)) = object.name().and_then(|name| self.known(name)) else { return None };
                let mut data = data.clone();
                let side = arguments.first().and_then(|a| self.resolve(&a.value).number());
                match side.filter(|side| side.fract() == 0.0) {
                    Some(side) => data.set("resize_to", number(side)),
                    None => self.remark("the size of the copies is not literal: `resize_to` in `data`"),
                }
                self.done();
                NamedValue::Data(data)
            }
            (Some(_), _) if learner => return self.method(name, arguments),
            // A line by itself may name its learner as it likes.
            (
                Some(_),
                "fit" | "fit_one_cycle" | "unfreeze" | "freeze_to" | "lr_find" | "TTA" | "set_data" | "bn_freeze",
            ) if self.alone => {
                return self.method(name, arguments);
            }
            (None, "TTA" | "lr_find") if self.alone => return self.method(name, arguments),
            // Names stay names, so that a later `let` is read.
            (_, "array" | "asarray") if arguments.len() == 1 => self.evaluate(&arguments[0].value.clone()),
            (_, "list" | "int" | "str" | "Path" | "join") if !self.alone => {
                match self.resolve(&Expr::Call(Box::new(Expr::Name(name.to_string())), arguments.to_vec())) {
                    Expr::Call(..) => return None,
                    value => NamedValue::Value(value),
                }
            }
            _ => return None,
        })
    }

    /// `ConvLearner.pretrained(..)`: the model, or a new head for a second learner.
    fn learner(&mut self, arguments: &[CallArgument]) {
        let mut a = Arguments::new(arguments, PRETRAINED);
        let arch = self.arch(a.get("f"));
        let data = a.get("data").map(|data| self.evaluate(data));
        let mut keys = Vec::new();
        for (theirs, ours) in [("ps", "dropout"), ("xtra_fc", "hidden"), ("xtra_cut", "cut")] {
            let Some(value) = a.get(theirs) else { continue };
            let value = self.resolve(value);
            match ours == "cut" && value.number() == Some(0.0) {
                true => {}
                false => keys.push((ours, value.to_string())),
            }
        }
        let random = a.get("pretrained").and_then(Expr::name) == Some("False");
        if random {
            keys.push(("weights", "none".to_string()));
        }
        let precompute = a.get("precompute").and_then(Expr::name) == Some("True");
        if let Some(metrics) = a.get("metrics") {
            self.set_metrics(metrics);
        }
        if let Some(clip) = a.get("clip") {
            self.clip = Some(self.resolve(clip).to_string());
        }
        if let Some(optimizer) = a.get("opt_fn") {
            let name = optimizer.last_name().unwrap_or_default().to_lowercase();
            match OPTIMIZERS.iter().find(|known| known.name == name) {
                // The original's SGD has no momentum unless it is given some.
                Some(known) if known.name != "sgd" => self.optimizer = Some(known.name),
                _ => self.remark("`opt_fn`: a section of its own, such as `optimizer: sgd { momentum: 0.95 }`"),
            }
        }
        self.unread(&a);
        if self.alone && keys.iter().any(|(key, _)| matches!(*key, "dropout" | "hidden")) {
            let keys = commas(keys.iter().map(|(key, value)| format!("{key} = {value}")));
            self.reason(&format!("a second learner is a new head, a step: `head({keys});`"));
        }
        let model = ModelSpec { arch, keys };
        let first = self.model.is_none();
        match self.model.clone() {
            None => {
                self.model = Some(model);
                self.body = Some(if random { BodyState::Unfrozen } else { BodyState::Frozen });
            }
            Some(now) if now.arch != model.arch => {
                self.remark(&format!("another network, `{}`: a recipe of its own", model.arch));
            }
            Some(_) => {
                if self.body == Some(BodyState::Unfrozen) {
                    self.remark(
                        "the second learner starts from the published weights; here the body keeps what it learned",
                    );
                    self.step("freeze();");
                    self.body = Some(BodyState::Frozen);
                }
                let keys = model.keys.iter().filter(|(key, _)| matches!(*key, "dropout" | "hidden"));
                self.step(format!("head({});", commas(keys.map(|(key, value)| format!("{key} = {value}")))));
            }
        }
        if let Some(NamedValue::Data(data)) = data {
            self.use_data(&data, first);
        }
        self.precompute(precompute);
    }

    fn set_metrics(&mut self, value: &Expr) {
        let items = match self.resolve(value) {
            Expr::List(items) => items,
            one => vec![one],
        };
        let mut words = Vec::new();
        for item in items {
            match item.last_name() {
                Some("accuracy" | "accuracy_np") => words.push("accuracy"),
                // The lesson's own function takes the best threshold.
                Some("f2") => words.push("f2(threshold = search)"),
                Some("log_loss") => words.push("log_loss"),
                _ if self.alone => {}
                _ => self.remark(&format!("metric `{item}` has no equivalent; `fastai explain metrics` lists them")),
            }
        }
        if words.is_empty() && self.alone {
            words.push("accuracy");
        }
        self.metrics = words.into_iter().map(str::to_string).collect();
    }

    /// Makes `data` the learner's.
    fn use_data(&mut self, data: &DataSpec, first: bool) {
        let size = data.transforms.as_ref().and_then(|t| t.size);
        match self.data.clone() {
            None => {
                self.data = Some(data.clone());
                self.transforms.clone_from(&data.transforms);
            }
            Some(now) if !now.is_same_source(data) => {
                self.remark("other data: a recipe of its own");
                return;
            }
            Some(_) => {
                // A recipe has one set of transforms: the one that augments.
                if let Some(new) = data.transforms.as_ref().filter(|new| new.augments()) {
                    let size = self.transforms.as_ref().and_then(|t| t.size).or(new.size);
                    self.transforms = Some(new.at_size(size));
                }
                let (size_changes, batch_changes) = (size != self.size, data.batch != self.batch);
                if let Some(side) = self.data.as_ref().and_then(DataSpec::copies).filter(|side| size > Some(*side)) {
                    self.data.iter_mut().for_each(|data| data.unset("resize_to"));
                    self.remark(&format!(
                        "copies of {side} pixels are too small for this size: `resize_to` is left out"
                    ));
                }
                if let Some(size) = size.filter(|_| !first && (size_changes || batch_changes)) {
                    let batch = data.batch.unwrap_or(64);
                    self.step(match batch_changes {
                        true => format!("resize({size}, batch = {batch});"),
                        false => format!("resize({size});"),
                    });
                }
            }
        }
        self.size = size;
        self.batch = data.batch;
    }

    fn precompute(&mut self, on: bool) {
        match (on, self.body) {
            (true, Some(BodyState::Unfrozen)) => {
                self.step("freeze();");
                self.step("precompute(on);");
            }
            (true, Some(BodyState::Frozen)) => self.step("precompute(on);"),
            (false, Some(BodyState::Precomputed)) => self.step("precompute(off);"),
            (false, _) if self.alone && self.model.is_none() => self.step("precompute(off);"),
            _ => {}
        }
        self.body = match on {
            true => Some(BodyState::Precomputed),
            false if self.body == Some(BodyState::Precomputed) => Some(BodyState::Frozen),
            false => self.body,
        };
        self.done();
    }

    /// `learn.precompute = False` and the like.
    pub(super) fn set_attribute(&mut self, attribute: &str, value: &Expr) {
        match attribute {
            "precompute" => match value.name() {
                Some("True" | "False") => self.precompute(value.name() == Some("True")),
                _ => self.reason("`precompute(on);` or `precompute(off);`"),
            },
            "bn_freeze" => self.step(if value.name() == Some("True") { "bn_freeze(on);" } else { "bn_freeze(off);" }),
            "clip" => {
                self.clip = Some(self.resolve(value).to_string());
                self.done();
            }
            "metrics" => {
                self.set_metrics(value);
                self.done();
            }
            "data" => self.reason("another size is `resize(299);`"),
            _ => self.reason(habits::instead(attribute).unwrap_or("a recipe has no such setting; remove it")),
        }
    }

    fn method(&mut self, name: &str, arguments: &[CallArgument]) -> Option<NamedValue> {
        match name {
            "fit" => self.fit(arguments),
            "fit_one_cycle" => self.fit_one_cycle(arguments),
            "lr_find" | "lr_find2" => {
                let mut a = Arguments::new(arguments, LR_FIND);
                let ends = [("start_lr", "start"), ("end_lr", "end")]
                    .map(|(theirs, ours)| a.get(theirs).map(|value| format!("{ours} = {}", self.resolve(value))));
                self.step(format!("lr_find({});", commas(ends.into_iter().flatten())));
                self.unread(&a);
                return Some(NamedValue::Rate);
            }
            "unfreeze" => {
                if self.body == Some(BodyState::Precomputed) {
                    self.step("precompute(off);");
                }
                self.step("unfreeze();");
                self.body = Some(BodyState::Unfrozen);
            }
            "freeze" => {
                self.step("freeze();");
                self.body = self.body.map(|b| if b == BodyState::Unfrozen { BodyState::Frozen } else { b });
            }
            "freeze_to" => {
                let group = arguments.first().map_or("-1".to_string(), |a| self.resolve(&a.value).to_string());
                if self.body == Some(BodyState::Precomputed) {
                    self.step("precompute(off);");
                }
                self.step(format!("freeze_to({group});"));
                self.body = Some(BodyState::Unfrozen);
            }
            "bn_freeze" => match arguments.first().and_then(|a| a.value.name()) {
                Some("False") => self.step("bn_freeze(off);"),
                _ => self.step("bn_freeze(on);"),
            },
            "save" | "load" => self.model_file(name, arguments),
            "set_data" => {
                let mut a = Arguments::new(arguments, SET_DATA);
                let data = a.get("data");
                let precompute = a.get("precompute").and_then(Expr::name) == Some("True");
                if self.alone {
                    self.resize(data);
                    return Some(NamedValue::Nothing);
                }
                match data.map(|data| self.evaluate(data)) {
                    Some(NamedValue::Data(data)) => {
                        self.use_data(&data, false);
                        // As in the original, which freezes the network with its new data.
                        if self.body == Some(BodyState::Unfrozen) {
                            self.step("freeze();");
                            self.body = Some(BodyState::Frozen);
                        }
                        self.precompute(precompute || self.body == Some(BodyState::Precomputed));
                    }
                    _ => self.reason("another size is `resize(299);`"),
                }
            }
            "TTA" => {
                let mut a = Arguments::new(arguments, TTA);
                let n = a.get("n_aug").map(|n| format!("n_aug = {}", self.resolve(n))).unwrap_or_default();
                if self.body == Some(BodyState::Precomputed) {
                    self.step("precompute(off);");
                    self.body = Some(BodyState::Frozen);
                }
                self.step(format!("tta({n});"));
                if a.get("is_test").and_then(Expr::name) == Some("True") {
                    self.remark("`fastai submit RUN` writes the predictions of the test set");
                }
                self.unread(&a);
                return Some(NamedValue::Nothing);
            }
            "predict" | "predict_with_targs" => {
                self.reason("predictions are made after the run: `fastai predict RUN photos/`, or `fastai submit RUN` for the test set");
                return Some(NamedValue::Nothing);
            }
            _ => return None,
        }
        Some(NamedValue::Nothing)
    }

    /// `set_data(get_data(299, bs))` of which nothing else is known.
    fn resize(&mut self, data: Option<&Expr>) {
        let arguments = data.and_then(Expr::call).map(|(_, _, arguments)| arguments);
        let size = arguments.and_then(<[CallArgument]>::first).map(|a| &a.value);
        let size = size.filter(|size| size.number().is_some() || size.name().is_some());
        let batch = arguments.and_then(|a| a.get(1)).filter(|a| a.value.number().is_some());
        match (size, batch) {
            (Some(size), Some(batch)) => self.step(format!("resize({size}, batch = {});", batch.value)),
            (Some(size), None) => self.step(format!("resize({size});")),
            _ => self.reason("another size is `resize(299);`"),
        }
        if arguments.is_some_and(|a| a.len() > 1) && batch.is_none() {
            self.reason("another batch size, too, is `resize(299, batch = 28);`");
        }
    }

    fn model_file(&mut self, step: &str, arguments: &[CallArgument]) {
        let Some(value) = arguments.first().map(|a| &a.value) else { return };
        // A loop's or a variable's name stays in the string.
        let name = match value {
            Expr::Text { text, interpolated: true } if self.alone => Some(text.clone()),
            value => text(self.resolve(value)),
        };
        let Some(name) = name else { return self.reason("the name is not literal: `save(\"224_all\");`") };
        if step == "load" && !self.alone && !self.saved.contains(&name) {
            return self
                .reason("nothing before it saves that model; `weights: \"file\"` in `model` starts from a file");
        }
        let own = if step == "save" { self.name_of_file(name) } else { name };
        self.step(format!("{step}({own:?});"));
    }

    /// The name under which a model is saved: a name is a file's once, where the original overwrites.
    pub(super) fn name_of_file(&mut self, mut name: String) -> String {
        while self.saved.contains(&name) {
            name.push_str("_2");
        }
        self.saved.push(name.clone());
        name
    }
}
