//! Clean termination on signals.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fastai_runtime::progress::StopSignal;

use super::ending::end_at_once;

/// When the first signal came.
static FIRST: OnceLock<Instant> = OnceLock::new();
/// Signals that follow the first within this time ask for the same: `timeout` sends its signal to the program and to its group.
const TOGETHER: Duration = Duration::from_millis(500);

/// Returns a stop signal that Ctrl-C, SIGTERM (`kill`, a batch system's time limit) and SIGHUP (a lost connection) set.
///
/// The first signal requests a clean end; a second Ctrl-C or SIGTERM, half a second or more later, ends the program at once, and
/// so does the first while the program writes into a pipe. Under `nohup`, SIGHUP stays ignored.
pub fn signal() -> StopSignal {
    signal_that("stopping after this batch; again to stop at once")
}

/// Like [`signal`], with what the first signal says.
pub fn signal_that(says: &'static str) -> StopSignal {
    let stop = StopSignal::default();
    if let Err(error) = listen(stop.clone(), says) {
        eprintln!("warning: Ctrl-C will not stop tidily: {error}");
    }
    stop
}

/// Makes a write beyond the limit of `ulimit -f` an error of that write, like a full disk, where it would otherwise end the
/// program without a word.
pub fn survive_file_limits() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Default::default());
}

fn listen(stop: StopSignal, says: &'static str) -> Result<(), ctrlc::Error> {
    #[cfg(unix)]
    terminations(stop.clone(), says).map_err(ctrlc::Error::System)?;
    ctrlc::set_handler(move || asked(&stop, 130, says))
}

/// ctrlc's own feature for SIGTERM would also handle a SIGHUP that `nohup` ignores.
#[cfg(unix)]
fn terminations(stop: StopSignal, says: &'static str) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM])?;
    if !ignores_hangup() {
        signals.add_signal(SIGHUP)?;
    }
    std::thread::Builder::new().name("signals".to_string()).spawn(move || {
        for signal in signals.forever() {
            // A lost connection sends several: from the terminal, and from the shell to its jobs.
            if signal == SIGHUP {
                FIRST.get_or_init(Instant::now);
                stop.request();
            } else {
                asked(&stop, 128 + signal, says);
            }
        }
    })?;
    Ok(())
}

/// Whether SIGHUP is ignored, as `nohup` starts programs. Only Linux says so without unsafe code; elsewhere SIGHUP keeps its
/// own effect.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal_hook::consts::SIGHUP - 1) & 1 == 1)
}

fn asked(stop: &StopSignal, code: i32, says: &str) {
    let again = FIRST.get_or_init(Instant::now).elapsed() > TOGETHER;
    // Nobody may ever read from a pipe.
    if again || fastai_runtime::atomic::is_streaming() {
        end_at_once(code);
    }
    if !stop.requested() {
        eprintln!("\n{says}");
        stop.request();
    }
}
