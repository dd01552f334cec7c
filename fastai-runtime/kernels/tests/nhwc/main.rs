//! Kernels over `[batch, height, width, channel]` against plain loops in double precision, over random shapes, on every
//! instruction set of this CPU.

mod activation;
mod depthwise;
mod edges;
mod gate;
mod layer_norm;
mod layout;
mod linear;
mod norm;
mod pool;

use fastai_kernels::{Isa, Map, MapMut, MapShape};

/// Random numbers, the same on every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    /// From `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        // Miri takes a second for a million operations.
        let high = if cfg!(miri) { high.min(low + 4) } else { high };
        low + self.next() as usize % (high - low + 1)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.between(0, values.len() - 1)]
    }

    pub(crate) fn chance(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// From -1 to 1.
    pub(crate) fn number(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 31) as f32 - 1.0
    }

    pub(crate) fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.number()).collect()
    }

    /// A map whose pixels are up to 9 numbers longer than its channels.
    pub(crate) fn map(&mut self, shape: MapShape) -> Owned {
        let step = shape.channels + if self.chance() { 0 } else { self.between(1, 9) };
        Owned { values: self.numbers(shape.pixels() * step), shape, step }
    }
}

/// A map and its numbers.
#[derive(Clone)]
pub(crate) struct Owned {
    values: Vec<f32>,
    pub(crate) shape: MapShape,
    step: usize,
}

impl Owned {
    pub(crate) fn map(&self) -> Map<'_> {
        Map::part(&self.values, self.shape, self.step)
    }

    pub(crate) fn map_mut(&mut self) -> MapMut<'_> {
        MapMut::part(&mut self.values, self.shape, self.step)
    }

    pub(crate) fn at(&self, image: usize, y: usize, x: usize, channel: usize) -> f64 {
        f64::from(self.map().pixel((image * self.shape.height + y) * self.shape.width + x)[channel])
    }

    /// The map's numbers, without what lies between its pixels.
    pub(crate) fn dense(&self) -> Vec<f32> {
        (0..self.shape.pixels()).flat_map(|pixel| self.map().pixel(pixel).to_vec()).collect()
    }

    /// What `value(image, y, x, channel)` gives for every number.
    pub(crate) fn tabulate(shape: MapShape, value: impl Fn(usize, usize, usize, usize) -> f64) -> Vec<f64> {
        let mut all = Vec::with_capacity(shape.numbers());
        for image in 0..shape.batch {
            for y in 0..shape.height {
                for x in 0..shape.width {
                    all.extend((0..shape.channels).map(|channel| value(image, y, x, channel)));
                }
            }
        }
        all
    }

    /// Panics unless the numbers between the pixels are those of `before`.
    pub(crate) fn assert_gaps(&self, before: &Owned) {
        let gap = |map: &Owned| -> Vec<u32> {
            let pixels = map.values.chunks(map.step);
            pixels
                .flat_map(|pixel| pixel[map.shape.channels..].iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                .collect()
        };
        assert_eq!(gap(self), gap(before), "numbers between the pixels were written");
    }
}

/// Panics unless all numbers are within `bound` of `wanted`, relative to the larger of 1 and the number.
#[track_caller]
pub(crate) fn assert_near(got: &[f32], wanted: &[f64], bound: f64, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let mut largest = 0f64;
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(*got) - wanted).abs() / wanted.abs().max(1.0);
        assert!(error <= bound, "{what}: number {i} is {got}, not {wanted} (error {error:e})");
        largest = largest.max(error);
    }
    // `tools/kernel_errors.py` reads this line.
    println!("largest error: {}, {what}: {largest:e}", std::thread::current().name().unwrap_or("?"));
}

/// Runs `work` on 1, 2 and 5 threads and gives its result, which must be the same bit for bit.
#[track_caller]
pub(crate) fn on_threads(work: impl Fn() -> Vec<f32> + Sync) -> Vec<f32> {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&work)
    };
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let one = run(1);
    // Miri runs one thread at a time.
    for threads in if cfg!(miri) { vec![2] } else { vec![2, 5] } {
        assert!(bits(&run(threads)) == bits(&one), "{threads} threads give other bits than one");
    }
    one
}

/// Calls `check(isa, random)` a number of times on every instruction set.
pub(crate) fn everywhere(times: u64, check: impl Fn(Isa, &mut Random)) {
    // Miri, which has portable code only, takes minutes for a few.
    let times = if cfg!(miri) { times.min(2) } else { times };
    for isa in Isa::available() {
        for seed in 0..times {
            check(isa, &mut Random::new(seed));
        }
    }
}
