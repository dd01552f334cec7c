//! `fit` and `fit_one_cycle`, with their rates.

use super::sections::Arguments;
use super::world::{NamedValue, World};
use crate::draft::number;
use crate::python::{CallArgument, Expr};
use crate::schedule::epochs;

const FIT: &str = "lrs n_cycle wds cycle_len cycle_mult cycle_save_name best_save_name use_clr use_clr_beta metrics \
     callbacks use_wd_sched";
const FIT_ONE_CYCLE: &str = "n_epoch lr_max div div_final pct_start wd moms";

impl World {
    /// `fit(lrs, n_cycle, ..)`.
    pub(super) fn fit(&mut self, arguments: &[CallArgument]) {
        let mut a = Arguments::new(arguments, FIT);
        let rates = a.get("lrs").map_or("1e-2".to_string(), |lrs| self.rates(lrs));
        let whole = |world: &World, value: Option<&Expr>| {
            value.map(|value| match world.resolve(value).number() {
                Some(x) => number(x),
                None => value.to_string(),
            })
        };
        let cycles = whole(self, a.get("n_cycle")).unwrap_or_else(|| "1".to_string());
        let (len, mult) = (whole(self, a.get("cycle_len")), whole(self, a.get("cycle_mult")));
        let mult = mult.filter(|mult| mult != "1");
        let mut written = vec![rates, cycles.clone()];
        match (&len, &mult) {
            (None, Some(mult)) => {
                // The original accepts it and trains that many epochs at a constant rate.
                if let (Ok(n), Ok(m)) = (cycles.parse(), mult.parse()) {
                    written[1] = epochs(n, Some(1), m).to_string();
                }
                self.remark(
                    "`cycle_mult` without `cycle_len`: the original trains that many epochs at a constant rate",
                );
            }
            _ => {
                written.extend(len.as_ref().map(|len| format!("cycle_len = {len}")));
                written.extend(mult.map(|mult| format!("cycle_mult = {mult}")));
            }
        }
        for key in ["use_clr", "use_clr_beta"] {
            let Some(value) = a.get(key).map(|value| self.resolve(value)) else { continue };
            match &value {
                Expr::List(_) => written.push(format!("{key} = {value}")),
                _ => self.remark(&format!("`{key}` is not literal: `{key} = [10, 10]`")),
            }
        }
        match a.get("cycle_save_name").map(|value| self.resolve(value)) {
            Some(Expr::Text { text: name, interpolated: false }) if len.is_some() => {
                let own = self.name_of_file(name.replace('/', "_"));
                written.push(format!("cycle_save_name = {own:?}"));
            }
            Some(_) => self.remark("`cycle_save_name`: needs `cycle_len` and a name: `cycle_save_name = \"224\"`"),
            None => {}
        }
        if let Some(wds) = a.get("wds") {
            written.push(format!("wds = {}", self.resolve(wds)));
        }
        // Constant weight decay as part of the gradient is the default.
        if a.get("use_wd_sched").and_then(Expr::name) == Some("True") {
            self.remark("`use_wd_sched`: weight decay is part of the gradient here");
        }
        self.unread(&a);
        self.step(format!("fit({});", written.join(", ")));
    }

    /// `fit_one_cycle(n_epoch, lr_max, ..)` of fastai v2.
    pub(super) fn fit_one_cycle(&mut self, arguments: &[CallArgument]) {
        let mut a = Arguments::new(arguments, FIT_ONE_CYCLE);
        let epochs = a.get("n_epoch").map_or("1".to_string(), |epochs| self.resolve(epochs).to_string());
        let rates = a.get("lr_max").map(|lrs| self.rates(lrs));
        let mut written = vec![rates.unwrap_or_else(|| "1e-3".to_string()), epochs];
        for (theirs, ours) in [("pct_start", "pct_start"), ("div", "div"), ("div_final", "div_final"), ("wd", "wds")] {
            written.extend(a.get(theirs).map(|value| format!("{ours} = {}", self.resolve(value))));
        }
        match a.get("moms").map(|value| self.resolve(value)) {
            Some(moms @ Expr::List(_)) => written.push(format!("moms = {moms}")),
            Some(_) => self.remark("`moms` is not literal: `moms = [0.95, 0.85, 0.95]`"),
            None => {}
        }
        self.unread(&a);
        self.step(format!("fit_one_cycle({});", written.join(", ")));
    }

    /// A rate, a list of them or a name of either; arithmetic on a list is that on its items.
    fn rates(&self, value: &Expr) -> String {
        let list = |value: &Expr| match value {
            Expr::Name(name) => match self.known(name) {
                Some(NamedValue::Value(Expr::List(items))) => Some(items.clone()),
                _ => None,
            },
            other => match other.call() {
                Some((_, "array" | "asarray", [only])) => match &only.value {
                    Expr::List(items) => Some(items.clone()),
                    _ => None,
                },
                _ => None,
            },
        };
        if let Expr::Binary(op, left, right) = value
            && let Some(items) = list(left)
        {
            let scaled = items.into_iter().map(|item| Expr::Binary(*op, Box::new(item), right.clone()));
            return Expr::List(scaled.collect()).to_string();
        }
        match (value, list(value)) {
            (Expr::Call(..), Some(items)) => Expr::List(items).to_string(),
            _ => value.to_string(),
        }
    }
}
