//! Gates: every channel of an image is multiplied by a number of its own (squeeze and excitation).

use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, MapShape, SharedMut};
use crate::vector::{ChannelSpan, Vector, WIDE, columns_of, load, store};

/// Pixels whose products are summed in single precision before they go to a sum in double precision.
const PIXELS: usize = 256;
/// Channels of an item of the gradient; a multiple of every vector's lanes.
const CHANNELS: usize = 64;

fn check(shape: MapShape, gate: MapShape) {
    assert_eq!(gate, MapShape { height: 1, width: 1, ..shape }, "a gate for every channel of an image");
}

dispatch! {
    unsafe fn multiply(isa, x: Option<Map<'_>>, gate: &[f32], to: SharedMut, step: usize, pixels: std::ops::Range<usize>)
        = multiply_body;
}

#[inline(always)]
unsafe fn multiply_body<V: Vector>(
    x: Option<Map<'_>>,
    gate: &[f32],
    to: SharedMut,
    step: usize,
    pixels: std::ops::Range<usize>,
) {
    for pixel in pixels {
        for channel in (0..gate.len()).step_by(V::LANES) {
            let lanes = V::LANES.min(gate.len() - channel);
            // SAFETY: `lanes` channels of a pixel of each map and of the gate.
            unsafe {
                let to = to.get().add(pixel * step + channel);
                let x = x.map_or(to.cast_const(), |x| x.as_ptr().add(pixel * x.step() + channel));
                let gate = load::<V>(true, gate.as_ptr().add(channel), lanes);
                store(true, load::<V>(true, x, lanes).mul(gate), to, lanes);
            }
        }
    }
}

/// Sets `output` to `x` times the number of its image and channel in `gate`, `[batch, 1, 1, channel]`; without `x` it is what
/// `output` holds.
///
/// # Panics
/// If the shapes do not belong together.
pub fn gate(isa: Isa, x: Option<Map<'_>>, gate: Map<'_>, output: &mut MapMut<'_>) {
    let shape = output.shape();
    check(shape, gate.shape());
    assert!(x.is_none_or(|x| x.shape() == shape), "maps of one shape");
    let (to, step) = (output.shared(), output.step());
    (0..shape.batch * shape.height).into_par_iter().for_each(|line| {
        // SAFETY: pixels of maps of one shape, and the gates of their image; a line of the output belongs to one call, and
        // the output is borrowed uniquely.
        unsafe {
            multiply(isa, x, gate.pixel(line / shape.height), to, step, line * shape.width..(line + 1) * shape.width);
        }
    });
}

/// An image's part of a gate's gradient.
struct ImagePart<'a> {
    x: Map<'a>,
    dy: Option<Map<'a>>,
    gate: &'a [f32],
    to: SharedMut,
    step: usize,
    channels: std::ops::Range<usize>,
}

dispatch! {
    unsafe fn gradient(isa, part: &ImagePart<'_>, pixels: std::ops::Range<usize>, sums: *mut f32) = gradient_body;
}

#[inline(always)]
unsafe fn gradient_body<V: Vector>(part: &ImagePart<'_>, pixels: std::ops::Range<usize>, sums: *mut f32) {
    for ChannelSpan { first, lanes, is_wide } in columns_of::<V>(part.channels.clone()) {
        let pixels = pixels.clone();
        // SAFETY: the channels of the pixels lie in each map, and the sums are as many as the part's channels.
        unsafe {
            let sums = sums.add(first - part.channels.start);
            match is_wide {
                true => gradient_columns::<V, WIDE>(part, pixels, first, lanes, sums),
                false => gradient_columns::<V, 1>(part, pixels, first, lanes, sums),
            }
        }
    }
}

#[inline(always)]
unsafe fn gradient_columns<V: Vector, const VECTORS: usize>(
    part: &ImagePart<'_>,
    pixels: std::ops::Range<usize>,
    channel: usize,
    lanes: usize,
    sums: *mut f32,
) {
    let narrow = VECTORS == 1;
    // SAFETY: the caller's, for `VECTORS` vectors of `lanes` channels, whole ones if there are several.
    unsafe {
        let mut gates = [V::zero(); VECTORS];
        for (i, gate) in gates.iter_mut().enumerate() {
            *gate = load(narrow, part.gate.as_ptr().add(channel + i * V::LANES), lanes);
        }
        let mut totals = [V::zero(); VECTORS];
        for pixel in pixels {
            let to = part.to.get().add(pixel * part.step + channel);
            let dy = part.dy.map_or(to.cast_const(), |dy| dy.as_ptr().add(pixel * dy.step() + channel));
            let x = part.x.as_ptr().add(pixel * part.x.step() + channel);
            for (i, total) in totals.iter_mut().enumerate() {
                let dy = load::<V>(narrow, dy.add(i * V::LANES), lanes);
                *total = load::<V>(narrow, x.add(i * V::LANES), lanes).fma(dy, *total);
                store(narrow, dy.mul(gates[i]), to.add(i * V::LANES), lanes);
            }
        }
        for (i, total) in totals.iter().enumerate() {
            store(narrow, *total, sums.add(i * V::LANES), lanes);
        }
    }
}

/// Gradients of [`gate`]'s input, `dx`, and of its gate, `dgate`, both set, from input, gate and the gradient `dy` of the
/// output; without `dy` it is what `dx` holds.
///
/// # Panics
/// If the shapes do not belong together.
pub fn gate_gradient(
    isa: Isa,
    x: Map<'_>,
    gate: Map<'_>,
    dy: Option<Map<'_>>,
    dx: &mut MapMut<'_>,
    dgate: &mut MapMut<'_>,
) {
    let shape = x.shape();
    check(shape, gate.shape());
    check(shape, dgate.shape());
    assert!(dx.shape() == shape && dy.is_none_or(|dy| dy.shape() == shape), "maps of one shape");
    let (to, step) = (dx.shared(), dx.step());
    let (gate_to, gate_step) = (dgate.shared(), dgate.step());
    let (pixels, parts) = (shape.height * shape.width, shape.channels.div_ceil(CHANNELS));
    (0..shape.batch * parts).into_par_iter().for_each(|item| {
        let (image, first) = (item / parts, item % parts * CHANNELS);
        let channels = first..(first + CHANNELS).min(shape.channels);
        let mut totals = [0f64; CHANNELS];
        let part = ImagePart { x, dy, gate: gate.pixel(image), to, step, channels: channels.clone() };
        for start in (0..pixels).step_by(PIXELS) {
            let mut sums = [0f32; CHANNELS];
            let pixels = image * pixels + start..image * pixels + pixels.min(start + PIXELS);
            // SAFETY: pixels of maps of one shape; those channels of the image's gradient belong to one item, and `dx` is
            // borrowed uniquely.
            unsafe { gradient(isa, &part, pixels, sums.as_mut_ptr()) };
            totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(sum));
        }
        for (channel, total) in channels.zip(totals) {
            // SAFETY: a channel of the image's gate, which belongs to this item; `dgate` is borrowed uniquely.
            unsafe { *gate_to.get().add(image * gate_step + channel) = total as f32 };
        }
    });
}
