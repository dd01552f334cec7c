//! Memory that is used again and again: a pass takes buffers of the same sizes as the one before.

use crate::address_range::Block;

/// Numbers from which on a buffer is worth pages of its own, 64 KiB.
const LARGE: usize = 16 << 10;

#[derive(Debug)]
enum Memory {
    Block(Block),
    Allocated(Vec<f32>),
}

/// Numbers whose memory the next buffer takes over when they are dropped.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    /// `len` numbers of any value.
    pub fn new(len: usize) -> Self {
        let block = if len >= LARGE { Block::new(len) } else { None };
        let memory = block.map_or_else(|| Memory::Allocated(vec![0.0; len]), Memory::Block);
        Self { memory, len }
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        match &self.memory {
            Memory::Block(block) => &block.numbers()[..self.len],
            Memory::Allocated(values) => values,
        }
    }

    /// The numbers to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        match &mut self.memory {
            Memory::Block(block) => &mut block.numbers_mut()[..self.len],
            Memory::Allocated(values) => values,
        }
    }
}
