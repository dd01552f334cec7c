//! What the server has done, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastai_runtime::data::memory;

use crate::cli::numbers::counted;

/// Upper bounds of the histogram of answer times, seconds.
const SECONDS: [f64; 12] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Counts of everything since the start.
pub struct Counters {
    started: Instant,
    /// Requests by path and status.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// Answer times of predictions.
    times: Mutex<Times>,
    /// Images that were predicted.
    pub answered: AtomicU64,
    /// Images that could not be read.
    pub unreadable: AtomicU64,
    /// Requests for predictions that are being answered.
    pub in_progress: AtomicU64,
    /// Open connections.
    pub connections: AtomicU64,
    passes: AtomicU64,
    pass_images: AtomicU64,
}

#[derive(Default)]
struct Times {
    /// By bound; the last is beyond all.
    counts: [u64; SECONDS.len() + 1],
    sum: f64,
}

/// Counts one while it lives.
pub struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub fn raise(value: &'a AtomicU64) -> Self {
        value.fetch_add(1, Ordering::Relaxed);
        Gauge(value)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            started: Instant::now(),
            requests: Mutex::default(),
            times: Mutex::default(),
            answered: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            in_progress: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            passes: AtomicU64::new(0),
            pass_images: AtomicU64::new(0),
        }
    }
}

impl Counters {
    /// Counts a request that was answered with `status` after `time`.
    pub fn request(&self, path: &'static str, status: u16, time: Duration) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry((path, status)).or_default() += 1;
        if path == "/predict" && status == 200 {
            let seconds = time.as_secs_f64();
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.counts[SECONDS.partition_point(|bound| *bound < seconds)] += 1;
            times.sum += seconds;
        }
    }

    /// Counts a pass through the network.
    pub fn pass(&self, images: usize) {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.pass_images.fetch_add(images as u64, Ordering::Relaxed);
    }

    /// What was done, in words.
    pub fn summary(&self) -> String {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        let images = self.answered.load(Ordering::Relaxed);
        format!(
            "{}, {}",
            counted(requests, "request", "requests"),
            counted(images, "image predicted", "images predicted")
        )
    }

    /// The text of Prometheus; `waiting` are the images that wait, `held` the bytes in memory.
    pub fn text(&self, waiting: usize, held: usize) -> String {
        let mut out = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, rows: &[(String, f64)]| {
            let _ = writeln!(out, "# HELP fastai_{name} {help}\n# TYPE fastai_{name} {kind}");
            for (suffix, value) in rows {
                let _ = writeln!(out, "fastai_{name}{suffix} {value}");
            }
        };
        let of = |value: &AtomicU64| value.load(Ordering::Relaxed) as f64;
        let one = |value: f64| [(String::new(), value)];
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let requests: Vec<(String, f64)> = requests
            .iter()
            .map(|((path, status), count)| (format!("{{path=\"{path}\",status=\"{status}\"}}"), *count as f64))
            .collect();
        metric("requests_total", "counter", "Requests by path and status.", &requests);
        let images = [
            ("{result=\"answered\"}".to_string(), of(&self.answered)),
            ("{result=\"unreadable\"}".to_string(), of(&self.unreadable)),
        ];
        metric("images_total", "counter", "Images that were predicted, and images that could not be read.", &images);
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut below = 0;
        let mut rows: Vec<(String, f64)> = Vec::new();
        for (bound, count) in SECONDS.iter().map(f64::to_string).chain(["+Inf".to_string()]).zip(times.counts) {
            below += count;
            rows.push((format!("_bucket{{le=\"{bound}\"}}"), below as f64));
        }
        rows.push(("_sum".to_string(), times.sum));
        rows.push(("_count".to_string(), below as f64));
        metric("request_seconds", "histogram", "Time from the head of a request to its prediction.", &rows);
        let passes = [("_sum".to_string(), of(&self.pass_images)), ("_count".to_string(), of(&self.passes))];
        metric("pass_images", "summary", "Images per pass through the network.", &passes);
        metric("waiting_images", "gauge", "Images that wait or are predicted.", &one(waiting as f64));
        metric("buffer_bytes", "gauge", "Bytes of images in memory.", &one(held as f64));
        metric("requests_in_progress", "gauge", "Requests for predictions in progress.", &one(of(&self.in_progress)));
        metric("connections", "gauge", "Open connections.", &one(of(&self.connections)));
        metric("uptime_seconds", "gauge", "Time since the start.", &one(self.started.elapsed().as_secs_f64()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = now.saturating_sub(self.started.elapsed()).as_secs_f64();
        let _ = writeln!(out, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started}");
        if let Some(bytes) = memory::resident() {
            let _ = writeln!(out, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {bytes}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_accumulate_and_bounds_belong_to_their_bucket() {
        let counters = Counters::default();
        for milliseconds in [1, 2, 3, 20_000] {
            counters.request("/predict", 200, Duration::from_millis(milliseconds));
        }
        counters.request("/predict", 503, Duration::from_millis(1));
        let text = counters.text(7, 1024);
        for line in [
            "fastai_requests_total{path=\"/predict\",status=\"200\"} 4",
            "fastai_requests_total{path=\"/predict\",status=\"503\"} 1",
            "fastai_request_seconds_bucket{le=\"0.002\"} 2",
            "fastai_request_seconds_bucket{le=\"0.005\"} 3",
            "fastai_request_seconds_bucket{le=\"10\"} 3",
            "fastai_request_seconds_bucket{le=\"+Inf\"} 4",
            "fastai_request_seconds_count 4",
            "fastai_waiting_images 7",
            "fastai_buffer_bytes 1024",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }
}
