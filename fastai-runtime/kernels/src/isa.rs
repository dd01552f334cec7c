//! Which vector instructions this CPU has, chosen when the program runs.

use std::sync::OnceLock;

/// A set of vector instructions that this CPU is known to have.
///
/// A value exists only of a set that was detected, so a kernel that is given one may execute its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

// Miri finds portable code only.
#[cfg_attr(miri, allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// What every CPU of the target has.
    Portable,
    /// AVX2 and FMA, 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F, 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The widest set of this CPU.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(|| Self::available().pop().unwrap_or(Self::portable()))
    }

    /// What every CPU of the target has.
    pub fn portable() -> Self {
        Isa(Level::Portable)
    }

    /// Every set of this CPU, the widest last.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut found = vec![Self::portable()];
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") {
                found.push(Isa(Level::Avx2));
                if has!("avx512f") {
                    found.push(Isa(Level::Avx512));
                }
            }
        }
        found
    }

    /// Name for tables.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "AVX-512",
        }
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }

    /// Lanes of a vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            Level::Portable => 8,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => 16,
        }
    }
}

/// Defines a function that runs `body::<V>` compiled for the vectors `V` of an [`Isa`].
///
/// `dispatch! { fn name(isa, a: A, b: B) -> R = body; }` expects `#[inline(always)] unsafe fn body<V: Vector>(a: A, b: B) -> R`,
/// whose only requirement beside its own is that the CPU has the instructions of `V`.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident($isa:ident $(, $arg:ident: $ty:ty)* $(,)?) $(-> $ret:ty)? = $body:ident;) => {
        $(#[$meta])*
        #[inline]
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name($isa: $crate::isa::Isa $(, $arg: $ty)*) $(-> $ret)? {
            use $crate::isa::Level;
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the requirements of the body are the caller's; the features are enabled.
                unsafe { $body::<std::arch::x86_64::__m512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: as above.
                unsafe { $body::<std::arch::x86_64::__m256>($($arg),*) }
            }
            match $isa.level() {
                // SAFETY: an `Isa` exists only of instructions that the CPU has; the rest is the caller's.
                Level::Portable => unsafe { $body::<$crate::vector::Portable>($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Level::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
    };
}
pub(crate) use dispatch;
