//! Memory that a thread works in, kept from one call to the next.

use std::cell::RefCell;

/// Numbers by which the start of a scratch buffer is aligned: a cache line.
const ALIGN: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` with `len` numbers of any value, aligned to a cache line. Calls may be nested.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len + ALIGN {
        buffer.clear();
        buffer.resize(len + ALIGN, 0.0);
    }
    let start = buffer.as_ptr().align_offset(ALIGN * size_of::<f32>()).min(ALIGN);
    let result = work(&mut buffer[start..start + len]);
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}
