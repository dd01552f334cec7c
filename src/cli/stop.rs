//! Clean termination on signals.

use fastai_runtime::progress::StopSignal;

/// Returns a stop signal that Ctrl-C and SIGTERM (`kill`, a batch system's time limit) set.
///
/// The first signal requests a clean end, the second ends the program at once. SIGHUP (a lost terminal) is ignored here, so
/// `nohup` works.
pub fn signal() -> StopSignal {
    let stop = StopSignal::default();
    if let Err(error) = listen(stop.clone()) {
        eprintln!("warning: Ctrl-C will not stop tidily: {error}");
    }
    stop
}

fn listen(stop: StopSignal) -> Result<(), ctrlc::Error> {
    #[cfg(unix)]
    terminations(stop.clone()).map_err(ctrlc::Error::System)?;
    ctrlc::set_handler(move || asked(&stop, 130))
}

/// ctrlc's own feature for SIGTERM would also handle SIGHUP.
#[cfg(unix)]
fn terminations(stop: StopSignal) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])?;
    std::thread::Builder::new().name("SIGTERM".to_string()).spawn(move || {
        for signal in signals.forever() {
            asked(&stop, 128 + signal);
        }
    })?;
    Ok(())
}

fn asked(stop: &StopSignal, code: i32) {
    if stop.requested() {
        std::process::exit(code);
    }
    eprintln!("\nstopping after this batch; again to stop at once");
    stop.request();
}
