//! Const assertions for relations between two values of which one is a Rust constant, whose value is unknown while the macro
//! checks.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use fastai_dsl::ArchFacts;
use fastai_dsl::draft::{Arg, Draft, Entry, Stmt, Value, ValueKind};
use fastai_dsl::schema::{self, Construct};

use crate::builder::{Builder, assertion, place};

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
        let data = block(flat, "data");
        let transforms = block(flat, "transforms");
        let in_data = |key: &str| data.as_ref().and_then(|given| given.written(key));
        let in_transforms = |key: &str| transforms.as_ref().and_then(|given| given.written(key));
        let side = in_data("resize_to");
        let mut sizes: Vec<&Value> = in_transforms("size").into_iter().collect();
        if let Some(Value { kind: ValueKind::Call(word, args), .. }) = in_data("valid")
            && let Some(split) = schema::SPLITS.iter().find(|s| s.name == word.text)
        {
            self.fold(&arguments(split, args), &mut out);
        }
        if let Some(Value { kind: ValueKind::Word(crop), .. }) = in_transforms("crop")
            && crop == "googlenet"
        {
            if let Some(zoom) = in_transforms("max_zoom") {
                let message = "[E0310] `crop: googlenet` ignores `max_zoom`, which must be 1";
                self.assert(&[zoom], |x| quote! { #(#x)* <= 1.0 }, message, &mut out);
            }
            if let Some(pad) = in_transforms("pad") {
                let message = "[E0310] `crop: googlenet` ignores `pad`, which must be 0";
                self.assert(&[pad], |x| quote! { #(#x)* <= 0.0 }, message, &mut out);
            }
        }
        if let Some(Value { kind: ValueKind::List(parts), .. }) = in_transforms("augment") {
            for part in parts {
                if let ValueKind::Call(word, args) = &part.kind
                    && let Some(construct) = schema::AUGMENTATIONS.iter().find(|a| a.name == word.text)
                {
                    self.augmentation_relations(construct, args, &mut out);
                }
            }
        }
        let model = block(flat, "model");
        let in_model = |key: &str| model.as_ref().and_then(|given| given.written(key));
        if let (Some(arch), Some(cut)) = (arch, in_model("cut")) {
            let most = arch.max_cut();
            let message = format!("[E0302] `cut` of `{}` must be 0 to {most}", arch.name);
            let most = Literal::f64_unsuffixed(f64::from(most));
            self.assert(&[cut], |x| quote! { #(#x)* <= #most }, &message, &mut out);
        }
        if let (Some(arch), Some(rate)) = (arch.filter(|a| !a.has_stochastic_depth()), in_model("stochastic_depth")) {
            let message = format!("[E0311] `{}` has no branches that stochastic depth leaves out", arch.name);
            self.assert(&[rate], |x| quote! { #(#x)* <= 0.0 }, &message, &mut out);
        }
        if let Some(optimizer) = block(flat, "optimizer")
            && let Some(Value { kind: ValueKind::Word(nesterov), .. }) = optimizer.written("nesterov")
            && nesterov == "on"
            && let Some(momentum) = optimizer.written("momentum")
        {
            let message = "[E0302] `nesterov` looks ahead along the momentum, which is 0";
            self.assert(&[momentum], |x| quote! { #(#x)* != 0.0 }, message, &mut out);
        }
        for stmt in flat.train.iter().flat_map(|t| &t.body) {
            let Stmt::Step(call) = stmt else { continue };
            let Some(construct) = schema::STEPS.iter().find(|s| s.name == call.word.text) else { continue };
            let given = arguments(construct, &call.args);
            match construct.name {
                "resize" => sizes.extend(given.written("size")),
                "lr_find" => {
                    self.sweep(&given, &mut out);
                    self.last_ratio(&given, &mut out);
                }
                "fit" => {
                    self.clr(&given, &mut out);
                    if let (Some(warmup), Some(cycles)) = (given.written("warmup"), given.written("cycles")) {
                        let message = "[E0302] `warmup` must be below the epochs of the fit";
                        self.assert(&[warmup, cycles], |x| pair(x, &quote!(<)), message, &mut out);
                    }
                    if let (Some(stop), Some(cycles)) = (given.written("stop_early"), given.written("cycles")) {
                        let holds = |x: &[TokenStream]| {
                            let (stop, cycles) = (&x[0], &x[1]);
                            quote! { #stop + 2.0 <= #cycles }
                        };
                        let message = "[E0302] `stop_early` must be at least 2 below the epochs or cycles of the fit";
                        self.assert(&[stop, cycles], holds, message, &mut out);
                    }
                    if let (Some(ends), Some(cycles)) = (given.written("swa"), given.written("cycles")) {
                        let message = "[E0302] `swa` averages more epochs or cycles than the fit has";
                        self.assert(&[ends, cycles], |x| pair(x, &quote!(<=)), message, &mut out);
                    }
                }
                "freeze_to" => {
                    if let (Some(group), Some(arch)) = (given.written("group"), arch) {
                        let message = format!("[E0407] the network has {} layer groups", arch.groups());
                        let groups = Literal::f64_unsuffixed(arch.groups() as f64);
                        let holds = |x: &[TokenStream]| quote! { #(#x)* >= -#groups && #(#x)* < #groups };
                        self.assert(&[group], holds, &message, &mut out);
                    }
                }
                _ => {}
            }
        }
        if let Some(side) = side {
            let message = "[E0302] `resize_to` is smaller than the images that the network sees";
            for size in sizes {
                self.assert(&[side, size], |x| pair(x, &quote!(>=)), message, &mut out);
            }
        }
        out
    }

    /// There are `count` folds, or `floor(1 / share)` slices.
    fn fold(&self, given: &WrittenKeys, out: &mut TokenStream) {
        if let (Some(fold), Some(count)) = (given.written("fold"), given.written("count")) {
            let holds = |x: &[TokenStream]| {
                let (fold, count) = (&x[0], &x[1]);
                quote! { #fold + 1.0 <= #count }
            };
            self.assert(&[fold, count], holds, "[E0305] this `fold` does not exist", out);
        }
        let (Some(fold), Some(share)) = (given.written("fold"), given.value("share")) else { return };
        let holds = |x: &[TokenStream]| {
            let (fold, share) = (&x[0], &x[1]);
            quote! { #fold + 1.0 <= 1.0 / #share + 1e-9 }
        };
        self.assert(&[fold, share], holds, "[E0305] this `fold` does not exist for this share", out);
    }

    fn sweep(&self, given: &WrittenKeys, out: &mut TokenStream) {
        let (Some(start), Some(end)) = (given.value("start"), given.value("end")) else { return };
        self.assert(&[start, end], |x| pair(x, &quote!(<)), "[E0412] `start` must be below `end`", out);
    }

    /// The last ratio is that of the head.
    fn last_ratio(&self, given: &WrittenKeys, out: &mut TokenStream) {
        let last = match given.written("ratio") {
            Some(Value { kind: ValueKind::List(ratios), .. }) => ratios.last(),
            written => written,
        };
        if let Some(last) = last {
            self.assert(
                &[last],
                |x| quote! { #(#x)* == 1.0 },
                "[E0404] the last ratio is that of the head: it is 1",
                out,
            );
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
        if let (Some(max), Some(min)) = (given.written("max"), given.written("min")) {
            self.assert(&[min, max], |x| pair(x, &quote!(<=)), "[E0302] `min` is above `max`", out);
        }
        if let Some(Value { kind: ValueKind::List(ps), .. }) = given.written("ps") {
            let ps: Vec<&Value> = ps.iter().collect();
            let holds = |x: &[TokenStream]| quote! { #(#x)+* - 1.0 < 1e-6 && 1.0 - (#(#x)+*) < 1e-6 };
            self.assert(&ps, holds, "[E0302] four probabilities that sum to 1 expected", out);
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

fn pair(x: &[TokenStream], operator: &TokenStream) -> TokenStream {
    let (a, b) = (&x[0], &x[1]);
    quote! { #a #operator #b }
}

fn arguments<'a>(construct: &'static Construct, args: &'a [Arg]) -> WrittenKeys<'a> {
    WrittenKeys {
        construct,
        values: place(construct, args).into_iter().map(|(key, arg)| (key.name, &arg.value)).collect(),
    }
}

/// The entries of a section that is a block of a construct's keys.
fn block<'a>(flat: &'a Draft, section: &str) -> Option<WrittenKeys<'a>> {
    let Some(Entry { value: Value { kind: ValueKind::Block(word, entries), .. }, .. }) =
        flat.sections.iter().find(|e| e.key.text == section)
    else {
        return None;
    };
    let construct = schema::chosen(section, &word.text)?;
    let values = entries.iter().filter_map(|e| Some((construct.key(&e.key.text)?.1.name, &e.value))).collect();
    Some(WrittenKeys { construct, values })
}
