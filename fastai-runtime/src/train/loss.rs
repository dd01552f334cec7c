//! One loss a task, on the device for training and on the host for evaluation.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use fastai_dsl::TaskKind;

use super::mixing::Targets;
use crate::metrics::Truth;

/// The loss of a task: cross-entropy of the log-softmax, binary cross-entropy of the sigmoid, both from logits, or the
/// mean absolute error of numbers.
#[derive(Clone, Debug)]
pub struct Loss {
    truth: Truth,
    weights: Option<Vec<f32>>,
    balance: Option<Tensor<2>>,
    smoothing: f64,
}

impl Loss {
    /// The loss against `truth`; images are then named by their row in it. `weights` gives each class its weight.
    ///
    /// Cross-entropy divides the weighted sum by the sum of the images' weights, as PyTorch does; binary cross-entropy is
    /// the plain mean of the weighted cells.
    pub fn new(truth: Truth, weights: Option<Vec<f32>>, device: &Device) -> Self {
        let balance = weights.as_ref().map(|w| {
            let data = TensorData::new(w.clone(), [1, w.len()]);
            Tensor::from_data(data, device)
        });
        Loss { truth, weights, balance, smoothing: 0.0 }
    }

    /// The same with this share of each label, in `[0, 1)`, spread evenly over all classes, in [`Loss::of`] alone.
    pub fn smoothed(self, smoothing: f64) -> Self {
        Loss { smoothing, ..self }
    }

    /// What is true of the images.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// Mean loss `[1]` of logits `[batch, classes]` for these images.
    ///
    /// Of mixed images the labels are mixed in the same shares. Cross-entropy with weights divides by the weights of the
    /// labels before smoothing, as PyTorch does; numbers of mixed images are blended.
    pub fn of<'a>(&self, logits: Tensor<2>, targets: impl Into<Targets<'a>>) -> Tensor<1> {
        let device = logits.device();
        let targets = targets.into();
        let images = targets.images();
        match &self.truth {
            Truth::Classes(classes) if targets.mixed() || self.smoothing > 0.0 => {
                let shape = logits.dims();
                let shares = self.shares(classes, targets, shape[1]);
                let shares = Tensor::<2>::from_data(TensorData::new(shares, shape), &device);
                (log_softmax(logits, 1) * shares).sum().neg()
            }
            Truth::Classes(classes) => {
                let targets: Vec<i32> = images.iter().map(|&i| classes[i] as i32).collect();
                let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [images.len(), 1]), &device);
                let log_p = log_softmax(logits, 1).gather(1, targets);
                match &self.weights {
                    None => log_p.mean().neg(),
                    Some(weights) => {
                        let of_image: Vec<f32> = images.iter().map(|&i| weights[classes[i] as usize]).collect();
                        let sum: f32 = of_image.iter().sum();
                        let of_image = Tensor::from_data(TensorData::new(of_image, [images.len(), 1]), &device);
                        (log_p * of_image).sum().neg().div_scalar(sum)
                    }
                }
            }
            Truth::Tags { tags, .. } => {
                let lacks = |&tag: &bool| if tag { 0.0 } else { 1.0 };
                let absent: Vec<f32> = if targets.mixed() {
                    let mixed = |place: usize| {
                        let [(own, share), (other, rest)] = targets.shown(place);
                        let both = self.truth.tags_of(own).iter().zip(self.truth.tags_of(other));
                        both.map(move |(a, b)| share * lacks(a) + rest * lacks(b))
                    };
                    (0..images.len()).flat_map(mixed).collect()
                } else {
                    images.iter().flat_map(|&i| self.truth.tags_of(i).iter().map(lacks)).collect()
                };
                let absent = Tensor::<2>::from_data(TensorData::new(absent, [images.len(), *tags]), &device);
                // -y ln s(x) - (1 - y) ln(1 - s(x)), with ln(1 - s(x)) = ln s(x) - x: stable, and smooth at 0.
                let losses = absent * logits.clone() - log_sigmoid(logits);
                match &self.balance {
                    None => losses.mean(),
                    Some(weights) => (losses * weights.clone()).mean(),
                }
            }
            Truth::Values(values) => {
                let blended = |place: usize| targets.shown(place).iter().map(|(i, share)| share * values[*i]).sum();
                let wanted: Vec<f32> = (0..images.len()).map(blended).collect();
                let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [images.len(), 1]), &device);
                (logits - wanted).abs().mean()
            }
        }
    }

    /// What the log-probability of each class counts for each image, `[batch, class]`.
    fn shares(&self, classes: &[u32], targets: Targets<'_>, width: usize) -> Vec<f32> {
        let weight = |class: usize| self.weights.as_ref().map_or(1.0, |w| f64::from(w[class]));
        let count = targets.images().len();
        let shown = |place: usize| targets.shown(place).map(|(i, share)| (classes[i] as usize, f64::from(share)));
        let total: f64 = (0..count).flat_map(shown).map(|(class, share)| share * weight(class)).sum();
        let mut shares = vec![0f32; count * width];
        for (place, row) in shares.chunks_exact_mut(width.max(1)).enumerate() {
            for (class, cell) in row.iter_mut().enumerate() {
                let label: f64 = shown(place).iter().filter(|(c, _)| *c == class).map(|(_, share)| share).sum();
                let smooth = (1.0 - self.smoothing) * label + self.smoothing / width as f64;
                *cell = (smooth * weight(class) / total) as f32;
            }
        }
        shares
    }

    /// Mean loss over the whole set, from logits `[image, class]` on the host, in double precision; neither
    /// smoothed nor mixed.
    pub fn of_all(&self, logits: &[f32]) -> f64 {
        let losses = losses_of_images(logits, &self.truth, self.weights.as_deref());
        let total: f64 = losses.iter().sum();
        match (&self.truth, &self.weights) {
            (Truth::Classes(classes), Some(weights)) => {
                total / classes.iter().map(|&c| f64::from(weights[c as usize])).sum::<f64>()
            }
            _ => total / losses.len().max(1) as f64,
        }
    }
}

/// Loss of each image from logits `[image, class]`, multiplied by the class weights where there are any.
pub fn losses_of_images(logits: &[f32], truth: &Truth, weights: Option<&[f32]>) -> Vec<f64> {
    let weight = |class: usize| weights.map_or(1.0, |w| f64::from(w[class]));
    let n = truth.len().max(1);
    let rows = logits.chunks_exact((logits.len() / n).max(1));
    match truth {
        Truth::Classes(classes) => rows
            .zip(classes)
            .map(|(row, &class)| weight(class as usize) * (log_sum_exp(row) - f64::from(row[class as usize])))
            .collect(),
        Truth::Tags { tags, .. } => rows
            .enumerate()
            .map(|(image, row)| {
                let cells = row.iter().zip(truth.tags_of(image)).enumerate();
                let sum: f64 = cells
                    .map(|(tag, (&x, &has))| {
                        let x = f64::from(x);
                        let miss = x.max(0.0) - if has { x } else { 0.0 };
                        weight(tag) * (miss + (-x.abs()).exp().ln_1p())
                    })
                    .sum();
                sum / *tags as f64
            })
            .collect(),
        Truth::Values(values) => {
            rows.zip(values).map(|(row, value)| (f64::from(row[0]) - f64::from(*value)).abs()).collect()
        }
    }
}

/// Turns what the network gives, `[image, output]`, into what a task predicts, in place: probabilities of classes or of
/// tags; numbers stay as they are.
pub fn activate_for(task: TaskKind, outputs: &mut [f32], classes: usize) {
    match task {
        TaskKind::SingleLabel => activate(outputs, classes, true),
        TaskKind::MultiLabel => activate(outputs, classes, false),
        TaskKind::Regression => {}
    }
}

/// Turns logits `[image, class]` into probabilities in place: softmax over each row (single label) or sigmoids.
pub fn activate(logits: &mut [f32], classes: usize, single_label: bool) {
    for row in logits.chunks_exact_mut(classes.max(1)) {
        let total = if single_label { log_sum_exp(row) } else { 0.0 };
        for x in row {
            let wide = f64::from(*x);
            *x = if single_label { (wide - total).exp() } else { 1.0 / (1.0 + (-wide).exp()) } as f32;
        }
    }
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    largest + row.iter().map(|&x| (f64::from(x) - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device_loss(loss: &Loss, logits: &[f32], rows: usize) -> f64 {
        let data = TensorData::new(logits.to_vec(), [rows, logits.len() / rows]);
        let tensor = Tensor::<2>::from_data(data, &Device::flex());
        f64::from(loss.of(tensor, &(0..rows).collect::<Vec<_>>()).into_scalar::<f32>())
    }

    const LOGITS: [f32; 6] = [2.0, -1.0, 0.5, -30.0, 0.0, 60.0];

    #[test]
    fn host_and_device_agree() {
        let classes = Truth::Classes(vec![2, 1]);
        let cells = vec![true, false, true, false, true, true];
        let tags = Truth::Tags { cells, tags: 3 };
        let numbers = Loss::new(Truth::Values(vec![1.5, -2.0, 0.5, -30.0, 7.0, 50.0]), None, &Device::flex());
        assert!((numbers.of_all(&LOGITS) - 18.5 / 6.0).abs() < 1e-9);
        assert!((device_loss(&numbers, &LOGITS, 6) - 18.5 / 6.0).abs() < 1e-6);
        for truth in [classes, tags] {
            for weights in [None, Some(vec![0.5, 1.0, 1.5])] {
                let loss = Loss::new(truth.clone(), weights, &Device::flex());
                let (host, device) = (loss.of_all(&LOGITS), device_loss(&loss, &LOGITS, 2));
                assert!((host - device).abs() < 1e-5 * host.abs().max(1.0), "{host} {device} {truth:?}");
            }
        }
    }

    #[test]
    fn cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes() {
        let loss = Loss::new(Truth::Classes(vec![3]), None, &Device::flex());
        assert!((loss.of_all(&[0.7; 8]) - 8f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn probabilities_sum_to_one_a_row() {
        let mut p = LOGITS;
        activate(&mut p, 3, true);
        assert!((p[..3].iter().sum::<f32>() - 1.0).abs() < 1e-6 && p[5] > 0.999);
        let mut p = LOGITS;
        activate(&mut p, 3, false);
        assert_eq!(p[4], 0.5);
    }
}
