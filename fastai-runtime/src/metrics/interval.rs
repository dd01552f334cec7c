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
    let (n, share) = (n as f64, right as f64 / n as f64);
    let centre = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // Exactly 0 and 1 at the ends, where rounding would leave a hair.
    let low = if right == 0 { 0.0 } else { (centre - half) / scale };
    let high = if share == 1.0 { 1.0 } else { (centre + half) / scale };
    [low, high]
}

/// Percentile bootstrap of a mean: the 2.5 % and 97.5 % quantiles of the means of [`RESAMPLES`] draws with replacement.
///
/// `draw` gives independent, uniform 64-bit numbers. `None` for fewer than two values.
pub fn bootstrap(values: &[f64], draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            // Multiply-shift maps 64 bits onto 0..n; its bias, n / 2^64, is far below anything measured here.
            let sum: f64 = (0..n).map(|_| values[((u128::from(draw()) * n as u128) >> 64) as usize]).sum();
            sum / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let at = q * (RESAMPLES - 1) as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        means[low] + part * (means[(low + 1).min(RESAMPLES - 1)] - means[low])
    };
    Some([quantile(0.025), quantile(0.975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: any good generator will do.
    fn generator() -> impl FnMut() -> u64 {
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
