//! 95 % intervals.

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 1000;

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share: `right` of `n`. The whole of `[0, 1]` for `n = 0`.
///
/// ```
/// let [low, high] = fastai_runtime::metrics::wilson(8, 10);
/// assert!((low - 0.4901625).abs() < 1e-6 && (high - 0.9433178).abs() < 1e-6);
/// ```
pub fn wilson(right: u64, n: u64) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    wilson_of_share(right as f64 / n as f64, n as f64)
}

/// [`wilson`] of a share in `[0, 1]` that varies as one of `n` images does; `n` is positive and need not be whole.
pub(super) fn wilson_of_share(share: f64, n: f64) -> [f64; 2] {
    let centre = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // Exactly 0 and 1 at the ends, where rounding would leave a hair.
    let low = if share == 0.0 { 0.0 } else { (centre - half) / scale };
    let high = if share == 1.0 { 1.0 } else { (centre + half) / scale };
    [low, high]
}

/// Percentile bootstrap of a mean: the 2.5 % and 97.5 % quantiles of the means of [`RESAMPLES`] draws with replacement.
///
/// `draw` returns independent, uniform 64-bit numbers. `None` for fewer than two values.
pub fn bootstrap(values: &[f64], draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
    let n = values.len();
    let mean = |_| (0..n).map(|_| values[drawn(n, draw)]).sum::<f64>() / n as f64;
    (n >= 2).then(|| quantiles((0..RESAMPLES).map(mean).collect()))?
}

/// Percentile bootstrap of any statistic of `n` images: `statistic` gets how often each was drawn. A draw without a value
/// (`None`) is left out; `None` for fewer than two images, or if no draw has a value.
pub fn bootstrap_of(
    n: usize,
    resamples: usize,
    draw: &mut dyn FnMut() -> u64,
    statistic: impl Fn(&[u32]) -> Option<f64>,
) -> Option<[f64; 2]> {
    if n < 2 {
        return None;
    }
    let mut counts = vec![0; n];
    let mut resample = |_| {
        counts.fill(0);
        (0..n).for_each(|_| counts[drawn(n, draw)] += 1);
        statistic(&counts)
    };
    quantiles((0..resamples).filter_map(&mut resample).collect())
}

/// One of `0..n`. Multiply-shift maps 64 bits onto it; the bias, n / 2^64, is far below anything measured here.
pub(crate) fn drawn(n: usize, draw: &mut dyn FnMut() -> u64) -> usize {
    ((u128::from(draw()) * n as u128) >> 64) as usize
}

/// The 2.5 % and 97.5 % quantiles, interpolated; `None` without a value.
pub(crate) fn quantiles(mut values: Vec<f64>) -> Option<[f64; 2]> {
    let last = values.len().checked_sub(1)?;
    values.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let at = q * last as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        values[low] + part * (values[(low + 1).min(last)] - values[low])
    };
    Some([quantile(0.025), quantile(0.975)])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// SplitMix64: any good generator will do.
    pub(in crate::metrics) fn generator() -> impl FnMut() -> u64 {
        let mut state = 7u64;
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }
    }

    #[test]
    fn wilson_never_leaves_the_unit_interval() {
        assert_eq!(wilson(0, 0), [0.0, 1.0]);
        assert_eq!(wilson(10, 10)[1], 1.0);
        assert_eq!(wilson(0, 10)[0], 0.0);
    }

    #[test]
    fn the_bootstrap_agrees_with_the_normal_approximation() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let [low, high] = bootstrap(&values, &mut generator()).unwrap();
        let half = Z * 0.5 / 20.0;
        assert!((low - (0.5 - half)).abs() < 0.008 && (high - (0.5 + half)).abs() < 0.008, "{low} {high}");
    }

    #[test]
    fn one_value_has_no_interval() {
        assert_eq!(bootstrap(&[1.0], &mut generator()), None);
    }
}
