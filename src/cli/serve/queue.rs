//! The images that wait for the network, and the thread that predicts them.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fastai_runtime::data::image_size;
use fastai_runtime::predict::{ImageAnswer, PredictOptions, Predictor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Limits;
use super::counters::Counters;
use super::refusal::Refusal;
use super::upload::{Upload, UploadedImage};

/// Images are decoded together while they have at most so many times the pixels of the largest one: whatever the number of
/// threads, small files that decode to large images take no more memory than that.
const DECODED_TOGETHER: u64 = 4;

/// What is said of one image, or why it cannot be read.
pub type Predicted = Result<ImageAnswer, String>;

/// A request.
struct Job {
    upload: Upload,
    answer: oneshot::Sender<Result<Vec<Predicted>, String>>,
    /// Its places in the queue.
    _places: OwnedSemaphorePermit,
}

/// Bounded in images. Whatever waits when the network becomes free is predicted together.
pub struct ImageQueue {
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
    /// Places in all.
    most: usize,
    failure: Arc<Mutex<Option<String>>>,
}

impl ImageQueue {
    /// Starts the thread, which ends after the queue is dropped.
    pub fn start(
        predictor: Arc<Predictor>,
        options: PredictOptions,
        limits: Limits,
        counters: Arc<Counters>,
    ) -> (Self, JoinHandle<()>) {
        let (jobs, received) = channel();
        let failure = Arc::new(Mutex::new(None));
        let worker = Worker { predictor, options, limits, counters, failure: failure.clone(), waiting: received };
        let thread = std::thread::spawn(move || worker.run());
        let most = limits.queue as usize;
        (ImageQueue { jobs, places: Arc::new(Semaphore::new(most)), most, failure }, thread)
    }

    /// Predicts the images of a request, in their order.
    ///
    /// # Errors
    /// A full queue; the failure of the network or its device.
    pub async fn predict(&self, upload: Upload) -> Result<Vec<Predicted>, Refusal> {
        let count = u32::try_from(upload.images.len()).unwrap_or(u32::MAX);
        let full = |_| Refusal::Busy("the queue of images is full");
        let places = self.places.clone().try_acquire_many_owned(count).map_err(full)?;
        let (answer, answered) = oneshot::channel();
        let gone = || Refusal::Failed("the predictor has ended".to_string());
        self.jobs.send(Job { upload, answer, _places: places }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(Refusal::Failed)
    }

    /// The reason of the last pass, if it failed.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Images that wait or are predicted.
    pub fn waiting(&self) -> usize {
        self.most - self.places.available_permits()
    }
}

struct Worker {
    predictor: Arc<Predictor>,
    options: PredictOptions,
    limits: Limits,
    counters: Arc<Counters>,
    failure: Arc<Mutex<Option<String>>>,
    waiting: Receiver<Job>,
}

impl Worker {
    fn run(self) {
        while let Ok(first) = self.waiting.recv() {
            let mut jobs = vec![first];
            let mut count = jobs[0].upload.images.len();
            while count < self.limits.batch as usize {
                let Ok(job) = self.waiting.try_recv() else { break };
                count += job.upload.images.len();
                jobs.push(job);
            }
            // Nobody waits for the answer any more: the client is gone, or its time is over.
            jobs.retain(|job| !job.answer.is_closed());
            self.answer(jobs);
        }
    }

    fn answer(&self, jobs: Vec<Job>) {
        let images: Vec<&UploadedImage> = jobs.iter().flat_map(|job| &job.upload.images).collect();
        if images.is_empty() {
            return;
        }
        self.counters.pass(images.len());
        // A driver's failure may be a panic; the next pass may succeed.
        let done = catch_unwind(AssertUnwindSafe(|| self.pass(&images)));
        let done = done.unwrap_or_else(|_| Err("the network failed; the server's log says more".to_string()));
        if let Err(why) = &done {
            eprintln!("error: {why}");
        }
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = done.as_ref().err().cloned();
        let mut answers = done.map(Vec::into_iter);
        for job in jobs {
            let count = job.upload.images.len();
            let answer = match &mut answers {
                Ok(answers) => Ok(answers.take(count).collect()),
                Err(why) => Err(why.clone()),
            };
            drop(job.upload);
            // The client may have gone meanwhile.
            let _ = job.answer.send(answer);
        }
    }

    /// Predicts images together, as far as they can be decoded together.
    fn pass(&self, images: &[&UploadedImage]) -> Result<Vec<Predicted>, String> {
        let fits: Vec<Result<u64, String>> = images.iter().map(|image| self.pixels(image)).collect();
        let pixels: Vec<u64> = fits.iter().map(|fits| fits.as_ref().map_or(0, |pixels| *pixels)).collect();
        let mut said: Vec<Predicted> = Vec::with_capacity(images.len());
        for part in parts(&pixels, DECODED_TOGETHER * self.limits.image_pixels()) {
            let fitting = part.clone().filter(|image| fits[*image].is_ok());
            let fitting: Vec<&[u8]> = fitting.map(|image| &*images[image].bytes).collect();
            let answers = self.predictor.predict_encoded(&fitting, &self.options).map_err(|error| error.to_string())?;
            let mut answers = answers.into_iter().map(|answer| answer.map_err(|reason| reason.to_string()));
            said.extend(part.map(|image| match &fits[image] {
                Ok(_) => answers.next().unwrap_or_else(|| Err("no answer".to_string())),
                Err(why) => Err(why.clone()),
            }));
        }
        let unreadable = said.iter().filter(|said| said.is_err()).count() as u64;
        self.counters.unreadable.fetch_add(unreadable, Ordering::Relaxed);
        self.counters.answered.fetch_add(said.len() as u64 - unreadable, Ordering::Relaxed);
        Ok(said)
    }

    /// The pixels of an image, as its head states them; the most that there may be if it states none.
    ///
    /// # Errors
    /// More than the limit.
    fn pixels(&self, image: &UploadedImage) -> Result<u64, String> {
        let most = self.limits.image_pixels();
        let Some((width, height)) = image_size(&image.bytes) else { return Ok(most) };
        let pixels = u64::from(width) * u64::from(height);
        if pixels <= most {
            Ok(pixels)
        } else {
            Err(format!("{width} x {height} pixels, at most {} million are taken", self.limits.max_pixels))
        }
    }
}

/// Splits images of so many pixels into parts that have at most `most` together, or are one image.
fn parts(pixels: &[u64], most: u64) -> Vec<Range<usize>> {
    let (mut parts, mut sum): (Vec<Range<usize>>, u64) = (Vec::new(), 0);
    for (image, pixels) in pixels.iter().enumerate() {
        sum += pixels;
        match parts.last_mut() {
            Some(part) if sum <= most => part.end = image + 1,
            _ => {
                parts.push(image..image + 1);
                sum = *pixels;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_few_pixels_or_are_one_image() {
        assert_eq!(parts(&[4, 6, 1, 20, 0, 9, 1], 10), [0..2, 2..3, 3..4, 4..7]);
        assert!(parts(&[], 10).is_empty());
    }
}
