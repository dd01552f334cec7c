//! Channels and kernel of a convolution.

/// Channels and kernel of a convolution, whose weights are `[output, input / groups, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sides {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Pixels between two outputs.
    pub stride: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Sides {
    /// Numbers of the weights.
    pub fn weights(&self) -> usize {
        self.output * self.input / self.groups * self.kernel[0] * self.kernel[1]
    }
}
