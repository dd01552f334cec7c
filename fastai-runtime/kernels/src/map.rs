//! Maps of a network, `[batch, height, width, channel]`: the channels of a pixel lie side by side.

/// A borrowed map. Its pixels may be part of wider ones, so that several maps share a buffer channel by channel.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    values: &'a [f32],
    shape: MapShape,
    step: usize,
}

/// A map that is written.
#[derive(Debug)]
pub struct MapMut<'a> {
    values: &'a mut [f32],
    shape: MapShape,
    step: usize,
}

/// Sides of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapShape {
    /// Images.
    pub batch: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
}

impl MapShape {
    /// Pixels of all images.
    pub fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// Numbers of a dense map.
    pub fn numbers(&self) -> usize {
        self.pixels() * self.channels
    }

    /// The shape with other channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// Numbers that a map of `shape` with `step` numbers from pixel to pixel spans.
fn span(shape: MapShape, step: usize) -> usize {
    match shape.pixels() {
        0 => 0,
        pixels => (pixels - 1) * step + shape.channels,
    }
}

impl<'a> Map<'a> {
    /// A dense map.
    ///
    /// # Panics
    /// If `values` is shorter than the shape.
    pub fn new(values: &'a [f32], shape: MapShape) -> Self {
        Self::part(values, shape, shape.channels)
    }

    /// A map with `step` numbers from one pixel to the next, whose first channel is the first number.
    ///
    /// # Panics
    /// If `values` is shorter than the map, or pixels would overlap.
    pub fn part(values: &'a [f32], shape: MapShape, step: usize) -> Self {
        assert!(step >= shape.channels && span(shape, step) <= values.len(), "a map of {shape:?} every {step}");
        Self { values, shape, step }
    }

    /// Sides.
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// Numbers from one pixel to the next.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Whether pixels follow each other without a gap.
    pub fn is_dense(&self) -> bool {
        self.step == self.shape.channels
    }

    /// The channels from `first` on.
    pub fn channels(&self, first: usize, channels: usize) -> Map<'a> {
        assert!(first + channels <= self.shape.channels);
        Map { values: &self.values[first..], shape: self.shape.with_channels(channels), step: self.step }
    }

    /// All numbers of a dense map.
    ///
    /// # Panics
    /// If it is part of a wider one.
    pub fn dense(&self) -> &'a [f32] {
        assert!(self.is_dense(), "part of a wider map");
        &self.values[..self.shape.numbers()]
    }

    /// Pixel `number`, counted over all images.
    pub fn pixel(&self, number: usize) -> &'a [f32] {
        &self.values[number * self.step..][..self.shape.channels]
    }

    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.values.as_ptr()
    }
}

impl<'a> MapMut<'a> {
    /// A dense map.
    ///
    /// # Panics
    /// If `values` is shorter than the shape.
    pub fn new(values: &'a mut [f32], shape: MapShape) -> Self {
        Self::part(values, shape, shape.channels)
    }

    /// A map with `step` numbers from one pixel to the next, whose first channel is the first number.
    ///
    /// # Panics
    /// If `values` is shorter than the map, or pixels would overlap.
    pub fn part(values: &'a mut [f32], shape: MapShape, step: usize) -> Self {
        assert!(step >= shape.channels && span(shape, step) <= values.len(), "a map of {shape:?} every {step}");
        Self { values, shape, step }
    }

    /// The channels from `first` on.
    pub fn channels(&mut self, first: usize, channels: usize) -> MapMut<'_> {
        assert!(first + channels <= self.shape.channels);
        MapMut { values: &mut self.values[first..], shape: self.shape.with_channels(channels), step: self.step }
    }

    /// The map to read.
    pub fn as_map(&self) -> Map<'_> {
        Map { values: self.values, shape: self.shape, step: self.step }
    }

    /// Sides.
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// Numbers from one pixel to the next.
    pub fn step(&self) -> usize {
        self.step
    }

    /// All numbers of a dense map.
    ///
    /// # Panics
    /// If it is part of a wider one.
    pub fn dense_mut(self) -> &'a mut [f32] {
        assert_eq!(self.step, self.shape.channels, "part of a wider map");
        &mut self.values[..self.shape.numbers()]
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        self.values
    }

    pub(crate) fn shared(&mut self) -> SharedMut {
        SharedMut(self.values.as_mut_ptr())
    }
}

/// Where threads write parts of one map that do not overlap.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: it is an address; whoever writes through it vouches that no two threads access the same number.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn of(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The address; a method, so that closures capture the whole.
    pub(crate) fn get(self) -> *mut f32 {
        self.0
    }
}

/// Numbers that threads read.
#[derive(Clone, Copy)]
pub(crate) struct SharedConst(*const f32);

// SAFETY: it is an address; whoever reads through it vouches that nobody writes there meanwhile.
unsafe impl Send for SharedConst {}
// SAFETY: as above.
unsafe impl Sync for SharedConst {}

impl SharedConst {
    pub(crate) fn of(values: *const f32) -> Self {
        Self(values)
    }

    /// The address; a method, so that closures capture the whole.
    pub(crate) fn get(self) -> *const f32 {
        self.0
    }
}
