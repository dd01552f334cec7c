//! Activations that are no clamp, and their gradients.
//!
//! Exponentials are polynomials. The largest errors, against float64, are those that the tests assert; on a CPU without
//! fused multiplication the tail of GELU below -3 is less exact.

use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::math::Math;
use crate::vector::{load, store};

/// Numbers that a thread takes at least.
const ITEM: usize = 1 << 13;

/// A function of each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SmoothActivation {
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x` times the share of the normal distribution below it.
    Gelu,
    /// `clamp(x / 6 + 1 / 2, 0, 1)`.
    HardSigmoid,
    /// `x * clamp(x / 6 + 1 / 2, 0, 1)`.
    HardSwish,
}

/// `exp(x)`; 0 and infinity where it is too small or large.
///
/// # Safety
/// The CPU has the instructions of `V`, as for all functions below.
#[inline(always)]
unsafe fn exp<V: Math>(x: V) -> V {
    // SAFETY: the caller's.
    unsafe {
        // Bounds as first operands, so that a NaN stays.
        let x = V::splat(-104.0).max(V::splat(89.0).min(x));
        let n = x.mul(V::splat(std::f32::consts::LOG2_E)).round();
        // ln 2 as a sum of a number of few bits, whose products with `n` are exact, and a rest.
        let r = n.fma(V::splat(2.121_944_4e-4), n.fma(V::splat(-0.693_359_4), x));
        let p = V::splat(1.987_569_1e-4).fma(r, V::splat(1.398_199_9e-3));
        let p = p
            .fma(r, V::splat(8.333_452e-3))
            .fma(r, V::splat(4.166_579_6e-2))
            .fma(r, V::splat(1.666_666_5e-1))
            .fma(r, V::splat(0.5));
        p.fma(r.mul(r), r.add(V::splat(1.0))).scale(n)
    }
}

/// `1 / (1 + exp(-x))` and `1 / (1 + exp(x))`, both exact where they are small.
#[inline(always)]
unsafe fn sigmoids<V: Math>(x: V) -> [V; 2] {
    // SAFETY: the caller's.
    unsafe {
        let one = V::splat(1.0);
        let e = exp(V::zero().sub(x.abs()));
        let large = one.div(one.add(e));
        let small = e.mul(large);
        [x.above(V::zero(), large, small), x.above(V::zero(), small, large)]
    }
}

/// The share of the normal distribution below `x`, and its density there.
#[inline(always)]
unsafe fn normal<V: Math>(x: V) -> [V; 2] {
    // SAFETY: the caller's.
    unsafe {
        let a = V::splat(20.0).min(x.abs());
        // The square with what its rounding loses, which the exponential would enlarge.
        let square = a.mul(a);
        let lost = a.fma(a, V::zero().sub(square));
        let e = exp(square.mul(V::splat(-0.5)));
        let e = e.mul(lost.mul(V::splat(-0.5))).add(e);
        // Of `share / (e * t)`, a polynomial in `t` from 0 to 1 with an error of 3e-8.
        let t = V::splat(1.0).div(a.fma(V::splat(0.3), V::splat(1.0)));
        let p = V::splat(-0.020_624_924)
            .fma(t, V::splat(0.112_443_79))
            .fma(t, V::splat(-0.228_233_53))
            .fma(t, V::splat(0.191_812_16));
        let p = p.fma(t, V::splat(-0.079_447_43)).fma(t, V::splat(0.096_170_26)).fma(t, V::splat(0.078_384_79));
        let p = p.fma(t, V::splat(0.110_236_52)).fma(t, V::splat(0.119_571_68)).fma(t, V::splat(0.119_686_7));
        let tail = e.mul(t.mul(p));
        // A NaN takes the second way and stays.
        [x.above(V::zero(), V::splat(1.0).sub(tail), tail), e.mul(V::splat(0.398_942_3))]
    }
}

impl SmoothActivation {
    #[inline(always)]
    unsafe fn value<V: Math>(self, x: V) -> V {
        // SAFETY: the caller's.
        unsafe {
            match self {
                SmoothActivation::Sigmoid => sigmoids(x)[0],
                SmoothActivation::Silu => x.mul(sigmoids(x)[0]),
                SmoothActivation::Gelu => x.mul(normal(x)[0]),
                SmoothActivation::HardSigmoid => hard(x),
                SmoothActivation::HardSwish => x.mul(hard(x)),
            }
        }
    }

    #[inline(always)]
    unsafe fn slope<V: Math>(self, x: V) -> V {
        // SAFETY: the caller's.
        unsafe {
            match self {
                SmoothActivation::Sigmoid => {
                    let [below, above] = sigmoids(x);
                    below.mul(above)
                }
                SmoothActivation::Silu => {
                    let [below, above] = sigmoids(x);
                    below.mul(x.fma(above, V::splat(1.0)))
                }
                SmoothActivation::Gelu => {
                    let [share, density] = normal(x);
                    // Beyond 20 the density is 0, and an infinity times it would be NaN.
                    V::splat(-20.0).max(V::splat(20.0).min(x)).fma(density, share)
                }
                SmoothActivation::HardSigmoid => V::splat(1.0 / 6.0).inside(x, V::splat(-3.0), V::splat(3.0)),
                SmoothActivation::HardSwish => {
                    let slope = x.fma(V::splat(1.0 / 3.0), V::splat(0.5));
                    x.above(V::splat(3.0), V::splat(1.0), V::splat(-3.0).above(x, V::zero(), slope))
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn hard<V: Math>(x: V) -> V {
    // SAFETY: the caller's.
    unsafe { V::splat(1.0).min(V::splat(0.0).max(x.fma(V::splat(1.0 / 6.0), V::splat(0.5)))) }
}

/// What a pass does with a number of the source and one beside it. (A closure would be a function without the instructions of
/// `V`, in which nothing is inlined.)
trait Each: Copy {
    unsafe fn of<V: Math>(self, source: V, at: V) -> V;
}

/// The value of the source.
#[derive(Clone, Copy)]
struct ActivationValue(SmoothActivation);

impl Each for ActivationValue {
    #[inline(always)]
    unsafe fn of<V: Math>(self, source: V, _: V) -> V {
        // SAFETY: the caller's.
        unsafe { self.0.value(source) }
    }
}

/// The source times the slope at the number beside it.
#[derive(Clone, Copy)]
struct Slope(SmoothActivation);

impl Each for Slope {
    #[inline(always)]
    unsafe fn of<V: Math>(self, source: V, at: V) -> V {
        // SAFETY: the caller's.
        unsafe { source.mul(self.0.slope(at)) }
    }
}

/// What a pass over maps of one shape reads and writes; without a source it is what the output holds. With a map beside the
/// source it is the pass backward.
#[derive(Clone, Copy)]
struct ActivationSpan<'a> {
    source: Option<Map<'a>>,
    at: Option<Map<'a>>,
    to: SharedMut,
    to_step: usize,
    channels: usize,
}

dispatch! {
    unsafe fn span(isa, activation: SmoothActivation, pass: ActivationSpan<'_>, pixels: std::ops::Range<usize>) = span_body;
}

/// Calls `each` for an activation that is a constant in it.
macro_rules! constant {
    ($activation:ident, $pass:ident, $pixels:ident, [$($name:ident)*]) => {
        match ($activation, $pass.at) {
            $((SmoothActivation::$name, None) => each::<V, _>(ActivationValue(SmoothActivation::$name), $pass, $pixels),
              (SmoothActivation::$name, Some(_)) => each::<V, _>(Slope(SmoothActivation::$name), $pass, $pixels),)*
        }
    };
}

#[inline(always)]
unsafe fn span_body<V: Math>(activation: SmoothActivation, pass: ActivationSpan<'_>, pixels: std::ops::Range<usize>) {
    // SAFETY: the caller's.
    unsafe { constant!(activation, pass, pixels, [Sigmoid Silu Gelu HardSigmoid HardSwish]) }
}

/// Sets the outputs; without a map beside the source the numbers there are 0.
#[inline(always)]
unsafe fn each<V: Math, E: Each>(each: E, pass: ActivationSpan<'_>, pixels: std::ops::Range<usize>) {
    let ActivationSpan { source, at, to, to_step, channels } = pass;
    for pixel in pixels {
        let to = to.get().wrapping_add(pixel * to_step);
        let source = source.map_or(to.cast_const(), |map| map.as_ptr().wrapping_add(pixel * map.step()));
        let at = at.map_or(std::ptr::null(), |map| map.as_ptr().wrapping_add(pixel * map.step()));
        for channel in (0..channels).step_by(V::LANES) {
            let lanes = V::LANES.min(channels - channel);
            // SAFETY: `lanes` channels of a pixel of each map.
            unsafe {
                let x = load::<V>(true, source.add(channel), lanes);
                let at = if at.is_null() { V::zero() } else { load::<V>(true, at.add(channel), lanes) };
                store(true, each.of(x, at), to.add(channel), lanes);
            }
        }
    }
}

/// The pass over all pixels.
fn run(isa: Isa, activation: SmoothActivation, source: Option<Map<'_>>, at: Option<Map<'_>>, output: &mut MapMut<'_>) {
    let shape = output.shape();
    assert!(source.iter().chain(&at).all(|map| map.shape() == shape), "maps of one shape");
    let each = (ITEM / shape.channels.max(1)).max(1);
    let pass = ActivationSpan { source, at, to_step: output.step(), to: output.shared(), channels: shape.channels };
    let pixels = shape.pixels();
    (0..pixels.div_ceil(each)).into_par_iter().for_each(|item| {
        let pixels = item * each..((item + 1) * each).min(pixels);
        // SAFETY: pixels of maps of one shape; the output's belong to this call only, and it is borrowed uniquely.
        unsafe { span(isa, activation, pass, pixels) }
    });
}

/// Sets `output` to the activation of each number of `x`, or of `output` itself if there is no `x`.
///
/// # Panics
/// If the shapes differ.
pub fn activate(isa: Isa, activation: SmoothActivation, x: Option<Map<'_>>, output: &mut MapMut<'_>) {
    run(isa, activation, x, None, output);
}

/// Gradient of the input of [`activate`], from that input, `x`, and the gradient `dy` of its output; without `dy` it is what
/// `dx` holds.
///
/// # Panics
/// If the shapes differ.
pub fn activation_gradient(
    isa: Isa,
    activation: SmoothActivation,
    x: Map<'_>,
    dy: Option<Map<'_>>,
    dx: &mut MapMut<'_>,
) {
    run(isa, activation, dy, Some(x), dx);
}
