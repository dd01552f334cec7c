//! The time of each unit of a body, for benches.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A pass through a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassDirection {
    /// From the images to the features.
    Forward,
    /// From the gradient of the features to those of the parameters.
    Backward,
}

/// The time of one unit in one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitTime {
    /// Number of the unit in the body's graph.
    pub unit: usize,
    /// Which pass.
    pub direction: PassDirection,
    /// Seconds.
    pub seconds: f64,
}

thread_local! {
    static TIMES: RefCell<Option<Vec<UnitTime>>> = const { RefCell::new(None) };
}

/// Returns the result of `work`, and the times of the units that this thread runs meanwhile, in order.
///
/// Operations of the CPU backend are complete when they return; on other devices the times mean nothing. The backward pass
/// appears only where the body runs as one operation.
pub fn unit_times<T>(work: impl FnOnce() -> T) -> (T, Vec<UnitTime>) {
    let outer = TIMES.replace(Some(Vec::new()));
    let result = work();
    (result, TIMES.replace(outer).unwrap_or_default())
}

/// Runs a body on a thread of the pool, which need not be woken for every unit; the times count as those of this thread.
///
/// With `awake`, the pool's other threads look for work until the body ends or has nothing for them for [`PATIENCE`]. A
/// thread that sleeps between two units takes longer to wake up than a small unit runs.
pub(super) fn on_pool<T: Send>(awake: bool, body: impl FnOnce() -> T + Send) -> T {
    if !is_recording() {
        return on_threads(awake, body);
    }
    let (result, found) = on_threads(awake, || unit_times(body));
    TIMES.with_borrow_mut(|times| times.iter_mut().for_each(|times| times.extend_from_slice(&found)));
    result
}

fn on_threads<T: Send>(awake: bool, body: impl FnOnce() -> T + Send) -> T {
    let ended = AtomicBool::new(false);
    rayon::scope(|scope| {
        let own = rayon::current_thread_index();
        if awake && rayon::current_num_threads() > 1 {
            // A broadcast reaches this thread too, when it waits for the scope or for a part of a unit; it must not stay.
            let ended = &ended;
            scope.spawn_broadcast(move |_, other| {
                if Some(other.index()) != own {
                    look_for_work(ended);
                }
            });
        }
        let ending = PassEnd(&ended);
        let result = body();
        drop(ending);
        result
    })
}

/// Tells the other threads that the body has ended, even if it panics.
struct PassEnd<'a>(&'a AtomicBool);

impl Drop for PassEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Looks this often before it lets other programs run.
const LOOKS: u32 = 512;

/// How long a thread looks for work in vain before it leaves, however long the body still takes.
///
/// A thread that waits inside a part of the body may be given the broadcast too, and then looks for work on top of the very
/// part that the body waits for: neither would ever end. Who leaves is woken for the next part as usual.
const PATIENCE: Duration = Duration::from_millis(5);

fn look_for_work(ended: &AtomicBool) {
    let mut idle_since = Instant::now();
    while idle_since.elapsed() < PATIENCE {
        for _ in 0..LOOKS {
            if ended.load(Ordering::Acquire) {
                return;
            }
            match rayon::yield_now() {
                Some(rayon::Yield::Executed) => idle_since = Instant::now(),
                _ => std::hint::spin_loop(),
            }
        }
        std::thread::yield_now();
    }
}

fn is_recording() -> bool {
    TIMES.with_borrow(Option::is_some)
}

/// Runs one unit, and records its time if [`unit_times`] is running.
pub(super) fn timed<T>(unit: usize, direction: PassDirection, work: impl FnOnce() -> T) -> T {
    if !is_recording() {
        return work();
    }
    let begun = Instant::now();
    let result = work();
    let seconds = begun.elapsed().as_secs_f64();
    TIMES.with_borrow_mut(|times| times.iter_mut().for_each(|times| times.push(UnitTime { unit, direction, seconds })));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_timed_only_on_request() {
        let run = || timed(3, PassDirection::Backward, || 7);
        assert_eq!(run(), 7);
        let (result, times) = unit_times(run);
        assert_eq!((result, times.len(), times[0].unit, times[0].direction), (7, 1, 3, PassDirection::Backward));
        assert!(unit_times(|| ()).1.is_empty());
        assert_eq!(unit_times(|| on_pool(true, run)).1.len(), 1);
        assert_eq!(unit_times(|| unit_times(run)).1.len(), 0);
    }

    #[test]
    fn a_body_ends_although_a_thread_looks_for_work_inside_a_part_that_it_waits_for() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (part_begun, body_begun, part_ended) =
            (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let wait_for = |flag: &AtomicBool| {
            while !flag.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        };
        pool.scope(|scope| {
            scope.spawn(|_| {
                part_begun.store(true, Ordering::Release);
                wait_for(&body_begun);
                // The broadcast lies in this thread's queue.
                assert_eq!(rayon::yield_now(), Some(rayon::Yield::Executed));
                part_ended.store(true, Ordering::Release);
            });
            wait_for(&part_begun);
            on_threads(true, || {
                body_begun.store(true, Ordering::Release);
                wait_for(&part_ended);
            });
        });
        assert!(part_ended.into_inner());
    }
}
