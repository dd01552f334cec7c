//! Pages for large buffers, which passes take again and again.
//!
//! An allocator that gets maps of many sizes keeps more memory than was ever in use at a time, or returns it to the system and gets
//! it back page by page, which takes longer than to compute what is written there. Here all blocks lie in one range of addresses,
//! the lowest that fits is taken, and neighbours grow together when they are free.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes of a page, the unit of blocks.
const PAGE: usize = 4096;
/// Numbers of a page.
const NUMBERS: usize = PAGE / size_of::<f32>();
/// Pages that free blocks may keep in any case, 512 MiB: evaluation of a batch needs no new memory then.
const LEAST_KEPT: usize = (512 << 20) / PAGE;

/// Which pages are free. It knows no addresses.
#[derive(Debug)]
struct Pages {
    /// Length of each free block by its first page. Neighbours are one block.
    free: BTreeMap<usize, usize>,
    used: usize,
    most_used: usize,
    /// Pages from here on have no memory.
    end: usize,
}

impl Pages {
    fn new(count: usize) -> Self {
        Self { free: BTreeMap::from([(0, count)]), used: 0, most_used: 0, end: 0 }
    }

    /// The lowest block of `count` pages.
    fn take(&mut self, count: usize) -> Option<Range<usize>> {
        let (&start, &len) = self.free.iter().find(|(_, len)| **len >= count)?;
        self.free.remove(&start);
        if len > count {
            self.free.insert(start + count, len - count);
        }
        self.used += count;
        self.most_used = self.most_used.max(self.used);
        self.end = self.end.max(start + count);
        Some(start..start + count)
    }

    /// Frees a block. Returns pages that shall lose their memory: those at the end, beyond five quarters of what was once in use
    /// at the same time.
    fn give(&mut self, block: Range<usize>) -> Range<usize> {
        self.used -= block.len();
        let mut free = block;
        if let Some((&start, &len)) = self.free.range(..free.start).next_back()
            && start + len == free.start
        {
            self.free.remove(&start);
            free.start = start;
        }
        if let Some(len) = self.free.remove(&free.end) {
            free.end += len;
        }
        self.free.insert(free.start, free.len());
        let kept = LEAST_KEPT.max(self.most_used / 4 * 5).max(free.start);
        if free.end < self.end || kept >= self.end {
            return 0..0;
        }
        let dropped = kept..self.end;
        self.end = kept;
        dropped
    }
}

/// The range of addresses and its pages.
struct AddressRange {
    first: *mut f32,
    pages: Mutex<Pages>,
}

// SAFETY: the address is that of a mapping that lives as long as the process; blocks of it belong to one owner each, and the list of
// free ones is behind a lock.
unsafe impl Send for AddressRange {}
// SAFETY: as above.
unsafe impl Sync for AddressRange {}

/// Bytes of addresses, 256 GiB. They are reserved only; memory comes when a page is first written.
#[cfg(all(unix, target_pointer_width = "64", not(miri)))]
const RESERVED: usize = 1 << 38;

impl AddressRange {
    /// None where the system reserves no addresses.
    #[cfg(all(unix, target_pointer_width = "64", not(miri)))]
    fn reserve() -> Option<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address that the system chooses touches no other memory.
        let first = unsafe { libc::mmap(std::ptr::null_mut(), RESERVED, protection, flags, -1, 0) };
        if first == libc::MAP_FAILED {
            return None;
        }
        // Huge pages take a hundredth of the faults. A system that has none refuses, and the pages are good all the same.
        #[cfg(target_os = "linux")]
        // SAFETY: the mapping from above; the advice changes no value.
        unsafe {
            libc::madvise(first, RESERVED, libc::MADV_HUGEPAGE);
        }
        Some(Self { first: first.cast(), pages: Mutex::new(Pages::new(RESERVED / PAGE)) })
    }

    #[cfg(not(all(unix, target_pointer_width = "64", not(miri))))]
    fn reserve() -> Option<Self> {
        None
    }

    fn get() -> Option<&'static Self> {
        static RANGE: OnceLock<Option<AddressRange>> = OnceLock::new();
        RANGE.get_or_init(Self::reserve).as_ref()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the memory of free pages back to the system.
    fn drop_memory(&self, pages: Range<usize>) {
        #[cfg(all(unix, target_pointer_width = "64", not(miri)))]
        if !pages.is_empty() {
            // SAFETY: the pages lie in the mapping and belong to nobody, as the caller holds the lock; whatever they hold next are
            // numbers. Where the system's pages are larger than `PAGE` it may refuse, and the memory stays.
            unsafe {
                libc::madvise(self.first.add(pages.start * NUMBERS).cast(), pages.len() * PAGE, libc::MADV_DONTNEED);
            }
        }
        #[cfg(not(all(unix, target_pointer_width = "64", not(miri))))]
        let _ = pages;
    }
}

/// Pages of the range, owned.
#[derive(Debug)]
pub(crate) struct Block(Range<usize>);

impl Block {
    /// A block for `len` numbers of any value; none where there is no range or no room in it.
    pub(crate) fn new(len: usize) -> Option<Self> {
        AddressRange::get()?.pages().take(len.div_ceil(NUMBERS)).map(Self)
    }

    fn first(&self) -> *mut f32 {
        let range = AddressRange::get().expect("a block of the range");
        // SAFETY: the block lies in the mapping.
        unsafe { range.first.add(self.0.start * NUMBERS) }
    }

    pub(crate) fn numbers(&self) -> &[f32] {
        // SAFETY: the pages are mapped and this block's alone, and every bit pattern is a number.
        unsafe { std::slice::from_raw_parts(self.first(), self.0.len() * NUMBERS) }
    }

    pub(crate) fn numbers_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `numbers`, and the block is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.first(), self.0.len() * NUMBERS) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(range) = AddressRange::get() {
            let mut pages = range.pages();
            let dropped = pages.give(self.0.clone());
            range.drop_memory(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_never_overlap_and_grow_together_again(steps in proptest::collection::vec((1usize..50, any::<u8>()), 1..80)) {
            let mut pages = Pages::new(2000);
            let mut held: Vec<Range<usize>> = Vec::new();
            for (count, choice) in steps {
                if choice % 3 == 0 && !held.is_empty() {
                    let block = held.swap_remove(usize::from(choice) % held.len());
                    pages.give(block);
                } else if let Some(block) = pages.take(count) {
                    prop_assert!(block.len() == count && block.end <= 2000);
                    prop_assert!(held.iter().all(|other| other.end <= block.start || block.end <= other.start));
                    held.push(block);
                }
                prop_assert_eq!(pages.used, held.iter().map(Range::len).sum::<usize>());
                prop_assert_eq!(pages.used + pages.free.values().sum::<usize>(), 2000);
            }
            for block in held {
                pages.give(block);
            }
            prop_assert_eq!(pages.free, BTreeMap::from([(0, 2000)]));
        }
    }

    #[test]
    fn memory_beyond_the_reserve_goes_back() {
        let mut pages = Pages::new(10 * LEAST_KEPT);
        let low = pages.take(LEAST_KEPT).unwrap();
        let high = pages.take(3 * LEAST_KEPT).unwrap();
        assert_eq!(pages.give(low), 0..0, "memory below a block in use stays");
        assert_eq!(pages.give(high), 0..0, "so does what was once in use");
        let all = pages.take(LEAST_KEPT).unwrap();
        let far = pages.take(4 * LEAST_KEPT).unwrap();
        let top = pages.take(2 * LEAST_KEPT).unwrap();
        pages.give(all);
        pages.give(far);
        assert_eq!(pages.give(top), 0..0);
        assert_eq!((pages.most_used, pages.end), (7 * LEAST_KEPT, 7 * LEAST_KEPT));
    }

    #[test]
    fn blocks_hold_what_is_written() {
        let Some(mut block) = Block::new(3 * NUMBERS + 1) else { return };
        assert_eq!(block.numbers().len(), 4 * NUMBERS);
        block.numbers_mut().fill(2.5);
        let other = Block::new(NUMBERS).unwrap();
        assert!(block.numbers().iter().all(|number| *number == 2.5));
        drop((block, other));
    }
}
