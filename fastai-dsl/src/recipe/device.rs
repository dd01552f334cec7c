//! What a recipe asks of the device.

use crate::word_enums::word_enums;

word_enums! {
    values in option_words;

    /// The requested device.
    DeviceWish {
        /// The first of CUDA, Metal, Vulkan and wgpu that computes, else the CPU.
        Auto = auto,
        /// CUDA or an error.
        Cuda = cuda,
        /// wgpu, which selects Vulkan, Metal or Direct3D 12, or an error.
        Wgpu = wgpu,
        /// Vulkan or an error.
        Vulkan = vulkan,
        /// Metal or an error.
        Metal = metal,
        /// The CPU.
        Cpu = cpu,
    }

    /// The numbers that a body computes with while it trains.
    Precision {
        /// 32-bit floats throughout.
        F32 = f32,
        /// 16-bit floats in the convolutions of training, 32-bit floats in everything else.
        Mixed = mixed,
    }
}
