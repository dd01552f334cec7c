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
    ///
    /// # Panics
    /// If an address does not hold the number.
    pub fn pixels(&self) -> usize {
        product(&[self.batch, self.height, self.width])
    }

    /// Numbers of a dense map.
    ///
    /// # Panics
    /// If an address does not hold the number.
    pub fn numbers(&self) -> usize {
        product(&[self.batch, self.height, self.width, self.channels])
    }

    /// The shape with other channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// The product of lengths. It never wraps: what is computed of indices below it does not wrap either.
///
/// # Panics
/// If an address does not hold it.
pub(crate) fn product(lengths: &[usize]) -> usize {
    let product = lengths.iter().try_fold(1usize, |product, length| product.checked_mul(*length));
    product.unwrap_or_else(|| panic!("more numbers than addresses: {lengths:?}"))
}

/// Numbers that a map of `shape` with `step` numbers from pixel to pixel spans.
fn span(shape: MapShape, step: usize) -> usize {
    match shape.pixels() {
        0 => 0,
        pixels => product(&[pixels - 1, step]).saturating_add(shape.channels),
    }
}

/// Where the `channels` channels from `first` on begin in the `len` numbers of a map, which may be none if it has no pixel.
fn start(shape: MapShape, first: usize, channels: usize, len: usize) -> usize {
    assert!(
        first <= shape.channels && channels <= shape.channels - first,
        "{channels} channels from {first} on of {shape:?}"
    );
    first.min(len)
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

    /// The `channels` channels from `first` on.
    ///
    /// # Panics
    /// If the map has fewer.
    pub fn channels(&self, first: usize, channels: usize) -> Map<'a> {
        let start = start(self.shape, first, channels, self.values.len());
        Map { values: &self.values[start..], shape: self.shape.with_channels(channels), step: self.step }
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

    /// All numbers, those between the pixels included.
    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
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

    /// The `channels` channels from `first` on.
    ///
    /// # Panics
    /// If the map has fewer.
    pub fn channels(&mut self, first: usize, channels: usize) -> MapMut<'_> {
        let start = start(self.shape, first, channels, self.values.len());
        MapMut { values: &mut self.values[start..], shape: self.shape.with_channels(channels), step: self.step }
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
        SharedMut::of(self.values)
    }
}

/// Where threads write parts that do not overlap: of a map, of sums, of bytes.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut<T = f32>(*mut T);

// SAFETY: it is an address; whoever writes through it vouches that no two threads access the same number.
unsafe impl<T: Send> Send for SharedMut<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<T> {}

impl<T> SharedMut<T> {
    pub(crate) fn of(values: &mut [T]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The address; a method, so that closures capture the whole.
    pub(crate) fn get(self) -> *mut T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "more numbers than addresses")]
    fn a_shape_of_more_numbers_than_addresses_is_no_map() {
        let half = 1 << (usize::BITS / 2);
        Map::new(&[], MapShape { batch: half, height: half, width: 1, channels: 1 });
    }

    #[test]
    fn a_map_without_pixels_has_channels() {
        let shape = MapShape { batch: 0, height: 2, width: 2, channels: 8 };
        assert_eq!(Map::new(&[], shape).channels(6, 2).shape(), shape.with_channels(2));
        assert_eq!(MapMut::new(&mut [], shape).channels(8, 0).shape(), shape.with_channels(0));
    }

    #[test]
    #[should_panic(expected = "2 channels from")]
    fn channels_that_a_map_lacks_are_refused() {
        let shape = MapShape { batch: 1, height: 1, width: 1, channels: 8 };
        // Its sum with the count wraps to 1.
        Map::new(&[0.0; 8], shape).channels(usize::MAX, 2);
    }
}
