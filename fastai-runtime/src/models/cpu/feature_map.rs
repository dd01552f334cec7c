//! A map of a pass.

use std::sync::Arc;

use fastai_kernels::{Buffer, Map, MapMut, MapShape, layout};

/// A map in a buffer, which may hold more channels than the map's. Clones share the buffer.
#[derive(Clone, Debug)]
pub(super) struct FeatureMap {
    buffer: Arc<Buffer>,
    shape: MapShape,
    first: usize,
    step: usize,
}

impl FeatureMap {
    /// A dense map of any values.
    pub(super) fn new(shape: MapShape) -> Self {
        let buffer = Arc::new(Buffer::new(shape.numbers()));
        Self { buffer, shape, first: 0, step: shape.channels }
    }

    pub(super) fn shape(&self) -> MapShape {
        self.shape
    }

    /// The sides of its tensor, `[batch, channel, height, width]`.
    pub(super) fn sides(&self) -> [usize; 4] {
        let MapShape { batch, height, width, channels } = self.shape;
        [batch, channels, height, width]
    }

    /// The numbers of its tensor, channel by channel.
    pub(super) fn planes(&self) -> Vec<f32> {
        let mut planes = vec![0f32; self.shape.numbers()];
        layout::to_planes(self.map(), &mut planes);
        planes
    }

    pub(super) fn map(&self) -> Map<'_> {
        Map::part(&self.buffer.values()[self.first..], self.shape, self.step)
    }

    /// The channels from `first` on.
    pub(super) fn channels(&self, first: usize, channels: usize) -> Self {
        assert!(first + channels <= self.shape.channels);
        let shape = self.shape.with_channels(channels);
        Self { buffer: self.buffer.clone(), shape, first: self.first + first, step: self.step }
    }

    /// The map to write, unless somebody else reads the buffer.
    pub(super) fn map_mut(&mut self) -> Option<MapMut<'_>> {
        let buffer = Arc::get_mut(&mut self.buffer)?;
        Some(MapMut::part(&mut buffer.values_mut()[self.first..], self.shape, self.step))
    }

    /// The map to write. A buffer that others read is copied before.
    pub(super) fn make_mut(&mut self) -> MapMut<'_> {
        if Arc::get_mut(&mut self.buffer).is_none() {
            let mut copy = FeatureMap::new(self.shape);
            layout::copy(self.map(), &mut copy.fresh());
            *self = copy;
        }
        self.fresh()
    }

    /// The map of a buffer that nobody else has seen yet.
    ///
    /// # Panics
    /// If somebody has.
    pub(super) fn fresh(&mut self) -> MapMut<'_> {
        self.map_mut().expect("a buffer of its own")
    }
}
