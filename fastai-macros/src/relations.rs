//! Const assertions for relations between two values of which one is a Rust constant, whose value is unknown while the macro
//! checks.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use fastai_dsl::ArchFacts;
use fastai_dsl::draft::{Arg, Draft, Stmt, Value, ValueKind};
use fastai_dsl::schema::{self, Construct};

use crate::builder::{Builder, place};
use crate::ranges::assertion;

/// The arguments of a call, or the entries of a block.
struct WrittenKeys<'a> {
    construct: &'static Construct,
    values: Vec<(&'static str, &'a Value)>,
}

impl<'a> WrittenKeys<'a> {
    /// Returns the written value of a key.
    fn written(&self, key: &str) -> Option<&'a Value> {
        self.values.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// Returns the value of a key, or the registry's default.
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.written(key).or_else(|| self.construct.key(key)?.1.default_value())
    }
}

impl Builder<'_> {
    /// The assertions of a flat draft. Relations between literals have been checked already.
    pub(crate) fn relations(&self, flat: &Draft, arch: Option<&ArchFacts>) -> TokenStream {
        let mut out = TokenStream::new();
        if let Some(data) = block(flat, "data") {
            self.split(&data, &mut out);
        }
        if let Some(transforms) = block(flat, "transforms") {
            self.crop(&transforms, &mut out);
            self.augmentations(&transforms, &mut out);
        }
        if let (Some(arch), Some(model)) = (arch, block(flat, "model")) {
            self.network(arch, &model, &mut out);
        }
        if let Some(optimizer) = block(flat, "optimizer") {
            self.nesterov(&optimizer, &mut out);
        }
        for step in steps(flat) {
            self.step_relations(&step, arch, &mut out);
        }
        self.copies(flat, &mut out);
        out
    }

    /// The fold of a split exists.
    fn split(&self, data: &WrittenKeys, out: &mut TokenStream) {
        if let Some(Value { kind: ValueKind::Call(word, args), .. }) = data.written("valid")
            && let Some(split) = schema::SPLITS.iter().find(|s| s.name == word.text)
        {
            self.fold(&arguments(split, args), out);
        }
    }

    /// A crop that has its own scale and position bears no other.
    fn crop(&self, transforms: &WrittenKeys, out: &mut TokenStream) {
        let Some(Value { kind: ValueKind::Word(crop), .. }) = transforms.written("crop") else { return };
        if crop != "googlenet" {
            return;
        }
        let message = "[E0310] `crop: googlenet` ignores `max_zoom`, which must be 1";
        self.at_most(transforms, "max_zoom", 1.0, message, out);
        self.at_most(transforms, "pad", 0.0, "[E0310] `crop: googlenet` ignores `pad`, which must be 0", out);
    }

    /// The arguments of each augmentation agree with each other.
    fn augmentations(&self, transforms: &WrittenKeys, out: &mut TokenStream) {
        let Some(Value { kind: ValueKind::List(parts), .. }) = transforms.written("augment") else { return };
        for part in parts {
            if let ValueKind::Call(word, args) = &part.kind
                && let Some(construct) = schema::AUGMENTATIONS.iter().find(|a| a.name == word.text)
            {
                self.augmentation_relations(construct, args, out);
            }
        }
    }

    /// The network has the modules that are cut off it, and the branches that are left out.
    fn network(&self, arch: &ArchFacts, model: &WrittenKeys, out: &mut TokenStream) {
        let most = arch.max_cut();
        let message = format!("[E0302] `cut` of `{}` must be 0 to {most}", arch.name);
        self.at_most(model, "cut", f64::from(most), &message, out);
        if !arch.has_stochastic_depth() {
            let message = format!("[E0311] `{}` has no branches that stochastic depth leaves out", arch.name);
            self.at_most(model, "stochastic_depth", 0.0, &message, out);
        }
    }

    /// Nesterov's step needs a momentum.
    fn nesterov(&self, optimizer: &WrittenKeys, out: &mut TokenStream) {
        if let Some(Value { kind: ValueKind::Word(nesterov), .. }) = optimizer.written("nesterov")
            && nesterov == "on"
            && let Some(momentum) = optimizer.written("momentum")
        {
            let message = "[E0302] `nesterov` looks ahead along the momentum, which is 0";
            self.assert(&[momentum], |x| quote! { #(#x)* != 0.0 }, message, out);
        }
    }

    fn step_relations(&self, given: &WrittenKeys, arch: Option<&ArchFacts>, out: &mut TokenStream) {
        match given.construct.name {
            "lr_find" => {
                self.sweep(given, out);
                self.last_ratio(given, out);
            }
            "fit" => {
                self.clr(given, out);
                self.course(given, out);
            }
            "freeze_to" => self.freeze_to(given, arch, out),
            _ => {}
        }
    }

    /// A fit has the epochs or cycles that its warm-up, its early end and its average need.
    fn course(&self, given: &WrittenKeys, out: &mut TokenStream) {
        let cycles = given.written("cycles");
        let message = "[E0302] `warmup` must be below the epochs of the fit";
        self.pair(given.written("warmup"), &quote!(<), cycles, message, out);
        let message = "[E0302] `stop_early` must be at least 2 below the epochs or cycles of the fit";
        self.pair(given.written("stop_early"), &quote!(+ 2.0 <=), cycles, message, out);
        let message = "[E0302] `swa` averages more epochs or cycles than the fit has";
        self.pair(given.written("swa"), &quote!(<=), cycles, message, out);
    }

    /// The network has the layer group.
    fn freeze_to(&self, given: &WrittenKeys, arch: Option<&ArchFacts>, out: &mut TokenStream) {
        let (Some(group), Some(arch)) = (given.written("group"), arch) else { return };
        let message = format!("[E0407] the network has {} layer groups", arch.groups());
        let groups = Literal::f64_unsuffixed(arch.groups() as f64);
        let holds = |x: &[TokenStream]| quote! { #(#x)* >= -#groups && #(#x)* < #groups };
        self.assert(&[group], holds, &message, out);
    }

    /// The scaled copies are not smaller than any image that the network sees.
    fn copies(&self, flat: &Draft, out: &mut TokenStream) {
        let Some(side) = block(flat, "data").and_then(|data| data.written("resize_to")) else { return };
        let first = block(flat, "transforms").and_then(|transforms| transforms.written("size"));
        let later = steps(flat).filter(|step| step.construct.name == "resize").filter_map(|step| step.written("size"));
        let message = "[E0302] `resize_to` is smaller than the images that the network sees";
        for size in first.into_iter().chain(later) {
            self.pair(Some(side), &quote!(>=), Some(size), message, out);
        }
    }

    /// There are `count` folds, or `floor(1 / share)` slices.
    fn fold(&self, given: &WrittenKeys, out: &mut TokenStream) {
        let message = "[E0305] this `fold` does not exist";
        self.pair(given.written("fold"), &quote!(+ 1.0 <=), given.written("count"), message, out);
        let (Some(fold), Some(share)) = (given.written("fold"), given.value("share")) else { return };
        let holds = |x: &[TokenStream]| {
            let (fold, share) = (&x[0], &x[1]);
            quote! { #fold + 1.0 <= 1.0 / #share + 1e-9 }
        };
        self.assert(&[fold, share], holds, "[E0305] this `fold` does not exist for this share", out);
    }

    fn sweep(&self, given: &WrittenKeys, out: &mut TokenStream) {
        let message = "[E0412] `start` must be below `end`";
        self.pair(given.value("start"), &quote!(<), given.value("end"), message, out);
    }

    /// The last ratio is that of the head.
    fn last_ratio(&self, given: &WrittenKeys, out: &mut TokenStream) {
        let last = match given.written("ratio") {
            Some(Value { kind: ValueKind::List(ratios), .. }) => ratios.last(),
            written => written,
        };
        if let Some(last) = last {
            let message = "[E0404] the last ratio is that of the head: it is 1";
            self.assert(&[last], |x| quote! { #(#x)* == 1.0 }, message, out);
        }
    }

    /// The momentums of `use_clr` and `use_clr_beta` are below 1, the last fall of the latter takes less than the whole cycle.
    fn clr(&self, given: &WrittenKeys, out: &mut TokenStream) {
        for key in ["use_clr", "use_clr_beta"] {
            let Some(Value { kind: ValueKind::List(numbers), .. }) = given.written(key) else { continue };
            for momentum in numbers.iter().skip(2) {
                self.assert(&[momentum], |x| quote! { #(#x)* < 1.0 }, "[E0302] a momentum is below 1", out);
            }
            if let (Some(percent), "use_clr_beta") = (numbers.get(1), key) {
                let message = "[E0302] the last fall takes less than 100 per cent";
                self.assert(&[percent], |x| quote! { #(#x)* < 100.0 }, message, out);
            }
        }
    }

    fn augmentation_relations(&self, construct: &'static Construct, args: &[Arg], out: &mut TokenStream) {
        let given = arguments(construct, args);
        self.pair(given.written("min"), &quote!(<=), given.written("max"), "[E0302] `min` is above `max`", out);
        if let Some(Value { kind: ValueKind::List(ps), .. }) = given.written("ps") {
            let ps: Vec<&Value> = ps.iter().collect();
            let holds = |x: &[TokenStream]| quote! { #(#x)+* - 1.0 < 1e-6 && 1.0 - (#(#x)+*) < 1e-6 };
            self.assert(&ps, holds, "[E0302] four probabilities that sum to 1 expected", out);
        }
    }

    /// Asserts that the number of a key is at most `most`.
    fn at_most(&self, given: &WrittenKeys, key: &str, most: f64, message: &str, out: &mut TokenStream) {
        if let Some(value) = given.written(key) {
            let most = Literal::f64_unsuffixed(most);
            self.assert(&[value], |x| quote! { #(#x)* <= #most }, message, out);
        }
    }

    /// Asserts that the operator holds between two numbers, if there are both.
    fn pair(&self, a: Option<&Value>, op: &TokenStream, b: Option<&Value>, message: &str, out: &mut TokenStream) {
        if let (Some(a), Some(b)) = (a, b) {
            let holds = |x: &[TokenStream]| {
                let (a, b) = (&x[0], &x[1]);
                quote! { #a #op #b }
            };
            self.assert(&[a, b], holds, message, out);
        }
    }

    /// Asserts `holds` of the values as numbers, at the first constant among them; does nothing if there is none.
    fn assert(
        &self,
        values: &[&Value],
        holds: impl Fn(&[TokenStream]) -> TokenStream,
        message: &str,
        out: &mut TokenStream,
    ) {
        let Some(constant) = values.iter().find(|v| matches!(v.kind, ValueKind::Const(_))) else { return };
        let numbers: Option<Vec<TokenStream>> = values.iter().map(|value| self.number(value)).collect();
        if let Some(numbers) = numbers {
            out.extend(assertion((self.span)(constant.site), &holds(&numbers), message));
        }
    }

    /// A value as an `f64`; `None` if it is not a number.
    fn number(&self, value: &Value) -> Option<TokenStream> {
        match &value.kind {
            ValueKind::Number(x) => {
                let number = Literal::f64_unsuffixed(x.abs());
                Some(if *x < 0.0 {
                    quote! { (-#number) }
                } else {
                    quote! { #number }
                })
            }
            ValueKind::Const(path) => {
                let path = self.path(path, (self.span)(value.site));
                Some(quote! { ((#path) as f64) })
            }
            _ => None,
        }
    }
}

fn arguments<'a>(construct: &'static Construct, args: &'a [Arg]) -> WrittenKeys<'a> {
    WrittenKeys {
        construct,
        values: place(construct, args).into_iter().map(|(key, arg)| (key.name, &arg.value)).collect(),
    }
}

/// The steps of a draft with their arguments.
fn steps(flat: &Draft) -> impl Iterator<Item = WrittenKeys<'_>> {
    flat.train.iter().flat_map(|train| &train.body).filter_map(|stmt| {
        let Stmt::Step(call) = stmt else { return None };
        let construct = schema::STEPS.iter().find(|step| step.name == call.word.text)?;
        Some(arguments(construct, &call.args))
    })
}

/// The entries of a section that is a block of a construct's keys.
fn block<'a>(flat: &'a Draft, section: &str) -> Option<WrittenKeys<'a>> {
    let ValueKind::Block(word, entries) = &flat.section(section)?.value.kind else { return None };
    let construct = schema::chosen(section, &word.text)?;
    let values = entries.iter().filter_map(|e| Some((construct.key(&e.key.text)?.1.name, &e.value))).collect();
    Some(WrittenKeys { construct, values })
}
