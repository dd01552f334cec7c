//! Canonical text of a recipe: flat, values evaluated, loops unrolled. It parses back to an equal recipe, as does the text that a
//! run keeps, in which found rates have the names that `let` gives.

use std::fmt;

use crate::draft::{commas, number};
use crate::rate::Rate;
use crate::rate_names::RateNames;
use crate::recipe::{
    ClassWeights, Column, Data, Dealing, Extent, FitCourse, HeadSpec, Metric, Recipe, Source, StatsWish, Step,
    Transforms, Valid, Weights,
};
use crate::schema::{CSV, Construct, FIT, FIT_ONE_CYCLE, GIVEN, LR_FIND, TRANSFORMS};
use crate::word::{self, switch};

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &RateNames::default())
    }
}

impl Recipe {
    fn write(&self, f: &mut impl fmt::Write, names: &RateNames) -> fmt::Result {
        for line in self.doc.iter().flat_map(|d| d.split('\n')) {
            writeln!(f, "{}", format!("/// {line}").trim_end())?;
        }
        writeln!(f, "{} {{", self.name)?;
        writeln!(f, "    task: {},", self.task.word())?;
        writeln!(f, "    data: {},", self.data)?;
        let t = &self.transforms;
        writeln!(
            f,
            "    transforms: {} {{ size: {}, max_zoom: [{:?}, {:?}], crop: {}, pad: {}{} }},",
            t.set.word(),
            t.size,
            t.max_zoom[0],
            t.max_zoom[1],
            t.crop.word(),
            t.pad,
            Rest(t)
        )?;
        let m = &self.model;
        let cut = if m.cut > 0 { format!(", cut: {}", m.cut) } else { String::new() };
        let depth = match m.stochastic_depth {
            0.0 => String::new(),
            rate => format!(", stochastic_depth: {}", number(rate)),
        };
        writeln!(f, "    model: {} {{ {}, weights: {}{cut}{depth} }},", m.arch, Named(&m.head, ": "), m.weights)?;
        writeln!(f, "    metrics: [{}],", commas(&self.metrics))?;
        let o = &self.options;
        let real = |x: Option<f64>| x.map(|x| format!("{x:?}"));
        let class_weights = o.class_weights.as_ref().map(|weights| match weights {
            ClassWeights::Balanced => "balanced".to_string(),
            ClassWeights::Given(weights) => format!("{weights:?}"),
        });
        for (key, text) in [
            ("seed", o.seed.map(|seed| seed.to_string())),
            ("device", o.device.map(|device| device.word().to_string())),
            ("precision", o.precision.map(|precision| precision.word().to_string())),
            ("report", o.report.map(|report| switch(report).to_string())),
            ("loss", o.loss.map(|loss| loss.to_string())),
            ("class_weights", class_weights),
            ("label_smoothing", real(o.label_smoothing)),
            ("mixup", real(o.mixup)),
            ("cutmix", real(o.cutmix)),
            ("optimizer", o.optimizer.map(|optimizer| optimizer.to_string())),
            ("clip", real(o.clip)),
            ("clip_value", real(o.clip_value)),
            ("accumulate", o.accumulate.map(|batches| batches.to_string())),
            ("ema", real(o.ema)),
            ("keep_best", o.keep_best.map(|best| best.word().to_string())),
        ] {
            if let Some(text) = text {
                writeln!(f, "    {key}: {text},")?;
            }
        }
        writeln!(f, "    train: {{")?;
        for step in &self.steps {
            writeln!(f, "        {};", StepText { step, names })?;
        }
        writeln!(f, "    }},")?;
        writeln!(f, "}}")
    }
}

/// The rarely used keys of `transforms`.
struct Rest<'a>(&'a Transforms);

impl fmt::Display for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        unless_default(f, &TRANSFORMS, "pad_mode", ": ", t.pad_mode.word())?;
        if !t.augment.is_empty() {
            write!(f, ", augment: [{}]", commas(&t.augment))?;
        }
        if let Some(word) = t.stats.word() {
            write!(f, ", stats: {word}")?;
        }
        if let StatsWish::Given { mean, std } = t.stats {
            write!(f, ", stats: normalize(mean = {mean:?}, std = {std:?})")?;
        }
        unless_default(f, &TRANSFORMS, "decode", ": ", t.decode.word())?;
        unless_default(f, &TRANSFORMS, "bits", ": ", &t.bits.to_string())?;
        unless_default(f, &TRANSFORMS, "pixels", ": ", t.pixels.word())
    }
}

/// Formats a key or argument, unless its value is the registry's default.
fn unless_default(f: &mut fmt::Formatter<'_>, construct: &Construct, key: &str, is: &str, text: &str) -> fmt::Result {
    if construct.is_default(key, text) { Ok(()) } else { write!(f, ", {key}{is}{text}") }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.as_ref().map_or(String::new(), |root| format!("root: {root:?}, "));
        match &self.source {
            Source::Folders { train } => write!(f, "folders {{ {root}train: {train:?}")?,
            Source::Csv { labels, images, suffix, id, label, columns, separator, header, delimiter, encoding } => {
                write!(f, "csv {{ {root}labels: {labels:?}, images: {images:?}, ")?;
                match &suffix[..] {
                    [one] => write!(f, "suffix: {one:?}, id: {id}")?,
                    several => write!(f, "suffix: {several:?}, id: {id}")?,
                }
                if columns.is_empty() {
                    write!(f, ", label: {label}")?;
                } else {
                    write!(f, ", columns: [{}]", commas(columns))?;
                }
                unless_default(f, &CSV, "separator", ": ", &format!("{separator:?}"))?;
                write!(f, ", header: {}", switch(*header))?;
                unless_default(f, &CSV, "delimiter", ": ", &format!("{:?}", delimiter.to_string()))?;
                unless_default(f, &CSV, "encoding", ": ", encoding.word())?;
            }
            Source::Given => f.write_str("given {")?,
        }
        if let Some(test) = &self.test {
            write!(f, ", test: {test:?}")?;
        }
        match self.source {
            Source::Given => write!(f, " batch: {}", self.batch)?,
            _ => write!(f, ", valid: {}, batch: {}", self.valid, self.batch)?,
        }
        if let Some(workers) = self.workers {
            write!(f, ", workers: {workers}")?;
        }
        // Every source has these keys.
        unless_default(f, &GIVEN, "corrupt", ": ", self.corrupt.word())?;
        unless_default(f, &GIVEN, "duplicates", ": ", self.duplicates.word())?;
        unless_default(f, &GIVEN, "sampler", ": ", self.sampler.word())?;
        if let Some(side) = self.resize_to {
            write!(f, ", resize_to: {side}")?;
        }
        if let Extent::Sample(images) = self.preflight {
            write!(f, ", preflight: sample({images})")?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "{name:?}"),
            Column::Position(i) => write!(f, "{i}"),
        }
    }
}

impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

impl Valid {
    /// The split as a recipe may write it: without the seed and the fold that hold unless given. The fold of `folds` is never
    /// left out, as without it each is held out in turn.
    pub fn in_short(&self) -> String {
        self.text(true)
    }

    /// The split in full or in short.
    fn text(&self, short: bool) -> String {
        let unless = |default: u32, name: &str, value: u32| match short && value == default {
            true => String::new(),
            false => format!(", {name} = {value}"),
        };
        let seeded = |seed: u32| unless(Valid::default_seed(), "seed", seed);
        let drawn = |seed: u32, fold: u32| seeded(seed) + &unless(0, "fold", fold);
        match self {
            Valid::Random { share, seed, fold } => format!("random({share:?}{})", drawn(*seed, *fold)),
            Valid::Stratified { share, seed, fold } => format!("stratified({share:?}{})", drawn(*seed, *fold)),
            Valid::Blocks { size, share, seed, fold } => {
                format!("blocks({size}, share = {share:?}{})", drawn(*seed, *fold))
            }
            Valid::Grouped { column, share, seed, fold } => {
                format!("grouped({column:?}, share = {share:?}{})", drawn(*seed, *fold))
            }
            Valid::Folds { count, seed, fold, dealing } => {
                let fold = fold.map_or_else(String::new, |fold| format!(", fold = {fold}"));
                let dealing = match dealing {
                    Dealing::Stratified | Dealing::Random => String::new(),
                    Dealing::Blocks(size) => format!(", blocks = {size}"),
                    Dealing::Grouped(column) => format!(", grouped = {column:?}"),
                };
                format!("folds({count}{}{fold}{dealing})", seeded(*seed))
            }
            Valid::Folder(path) => format!("folder({path:?})"),
            Valid::Indices(path) => format!("indices({path:?})"),
            Valid::Rows(positions) => format!("rows({positions:?})"),
            Valid::Column(name) => format!("column({name:?})"),
            Valid::Given => "given".to_string(),
            Valid::None => "none".to_string(),
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weights::Pretrained => f.write_str(word::pretrained.0),
            Weights::File(path) => write!(f, "{path:?}"),
            Weights::None => f.write_str(word::none.0),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arguments() {
            none if none.is_empty() => f.write_str(self.word()),
            some => {
                write!(f, "{}({})", self.word(), commas(some.iter().map(|(key, text)| format!("{key} = {text}"))))
            }
        }
    }
}

/// A head as keys (`": "`) or named arguments (`" = "`).
struct Named<'a>(&'a HeadSpec, &'static str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named(head, is) = self;
        write!(f, "dropout{is}{:?}, hidden{is}{:?}", head.dropout, head.hidden)
    }
}

impl Recipe {
    /// Returns the text that a run keeps: the canonical text, with the names that `let` gives to the rates of `lr_find` instead
    /// of `lr1`, `lr2` and so on. It parses back to an equal recipe with the same names. It is for people; recipes are compared
    /// by their canonical texts, [`canonical_text`](crate::canonical_text) of this one.
    pub fn kept_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, &self.rate_names).expect("a string takes any text");
        text
    }

    /// Returns the text of a step as the recipe's author reads it: its own text, with the names of found rates that
    /// [`kept_text`](Self::kept_text) has. What is compared is the step's own text.
    pub fn shown(&self, step: &Step) -> String {
        StepText { step, names: &self.rate_names }.to_string()
    }

    /// Returns the text of a rate as [`shown`](Self::shown) writes it in a step.
    pub fn shown_rate(&self, rate: Rate) -> String {
        rate.text(&self.rate_names)
    }
}

/// Formats the step, `fit(0.01, 3, cycle_len = 1)`; a finder includes the `let` that later rates refer to.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", StepText { step: self, names: &RateNames::default() })
    }
}

/// A step with the names of the rates that it mentions.
struct StepText<'a> {
    step: &'a Step,
    names: &'a RateNames,
}

impl fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Step::Precompute { on } => write!(f, "precompute({})", switch(*on)),
            Step::BnFreeze { on } => write!(f, "bn_freeze({})", switch(*on)),
            Step::Freeze => f.write_str("freeze()"),
            Step::Unfreeze => f.write_str("unfreeze()"),
            Step::FreezeTo { group } => write!(f, "freeze_to({group})"),
            Step::Head(head) => write!(f, "head({})", Named(head, " = ")),
            Step::Resize { size, batch: None } => write!(f, "resize({size})"),
            Step::Resize { size, batch: Some(batch) } => write!(f, "resize({size}, batch = {batch})"),
            Step::Tta { n_aug } => write!(f, "tta(n_aug = {n_aug})"),
            Step::Save { name } => write!(f, "save({:?})", escaped(name)),
            Step::Load { name } => write!(f, "load({:?})", escaped(name)),
            Step::Average { names } => {
                write!(f, "average([{}])", commas(names.iter().map(|name| format!("{:?}", escaped(name)))))
            }
            Step::LrFind(find) => {
                write!(f, "let {} = lr_find(", self.names.of(find.index))?;
                let mut args = Vec::new();
                if !LR_FIND.is_default("suggest", find.suggest.word()) {
                    args.push(format!("suggest = {}", find.suggest.word()));
                }
                if let Some(or) = find.or {
                    args.push(format!("or = {or:?}"));
                }
                args.push(format!("start = {:?}, end = {:?}", find.start, find.end));
                if let Some(iters) = find.iters {
                    args.push(format!("iters = {iters}"));
                }
                if !find.ratio.is_empty() {
                    args.push(format!("ratio = {:?}", find.ratio));
                }
                write!(f, "{})", args.join(", "))
            }
            Step::Fit(fit) => {
                let one_cycle = matches!(fit.course, FitCourse::OneCycle { .. });
                let word = if one_cycle { "fit_one_cycle" } else { "fit" };
                let rates: Vec<String> = fit.lrs.iter().map(|rate| rate.text(self.names)).collect();
                match rates.as_slice() {
                    [one] => write!(f, "{word}({one}, {}", fit.cycles)?,
                    many => write!(f, "{word}([{}], {}", many.join(", "), fit.cycles)?,
                }
                if let Some(len) = fit.cycle_len {
                    write!(f, ", cycle_len = {len}")?;
                }
                unless_default(f, &FIT, "cycle_mult", " = ", &fit.cycle_mult.to_string())?;
                match fit.wds.as_slice() {
                    [] => {}
                    [one] => write!(f, ", wds = {}", number(*one))?,
                    many => write!(f, ", wds = {many:?}")?,
                }
                unless_default(f, &FIT, "anneal", " = ", fit.anneal.word())?;
                write!(f, "{}", CourseText(&fit.course))?;
                if let Some(comparisons) = fit.stop_early {
                    write!(f, ", stop_early = {comparisons}")?;
                }
                if let Some(name) = &fit.cycle_save_name {
                    write!(f, ", cycle_save_name = {:?}", escaped(name))?;
                }
                if let Some(ends) = fit.swa {
                    write!(f, ", swa = {ends}")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// The arguments of a course that are not the registry's defaults, each after a comma.
struct CourseText<'a>(&'a FitCourse);

impl fmt::Display for CourseText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[f64]| format!("[{}]", commas(numbers.iter().map(|x| number(*x))));
        match *self.0 {
            FitCourse::Cycles => Ok(()),
            FitCourse::UseClr { div, cut_div: second, moms } | FitCourse::UseClrBeta { div, pct: second, moms } => {
                let word = if matches!(self.0, FitCourse::UseClr { .. }) { "use_clr" } else { "use_clr_beta" };
                let moms = moms.iter().flatten().copied();
                write!(f, ", {word} = {}", list(&[div, second].into_iter().chain(moms).collect::<Vec<_>>()))
            }
            FitCourse::OneCycle { pct_start, div, div_final, moms } => {
                let mut key = |key, text: &str| unless_default(f, &FIT_ONE_CYCLE, key, " = ", text);
                key("pct_start", &number(pct_start))?;
                key("div", &number(div))?;
                key("div_final", &number(div_final))?;
                key("moms", &list(&moms))
            }
            FitCourse::Fall { fall, warmup, every, by } => {
                write!(f, ", schedule = {}", fall.word())?;
                let mut key = |key, text: &str| unless_default(f, &FIT, key, " = ", text);
                key("warmup", &number(warmup))?;
                key("every", &every.to_string())?;
                key("by", &number(by))
            }
        }
    }
}

/// Escapes braces in a string of `train`, which would otherwise mark a name.
fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
