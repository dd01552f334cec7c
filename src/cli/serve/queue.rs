//! The images that wait for the network, and the thread that predicts them.

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
use super::upload::Upload;

/// What is said of one image, or why it cannot be read.
pub type Predicted = Result<ImageAnswer, String>;

/// The images of a request.
struct Job {
    images: Vec<Upload>,
    answer: oneshot::Sender<Result<Vec<Predicted>, String>>,
    /// Its places in the queue.
    _places: OwnedSemaphorePermit,
}

/// Bounded in images. Whatever waits when the network becomes free is predicted together.
#[derive(Clone)]
pub struct ImageQueue {
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
    failure: Arc<Mutex<Option<String>>>,
}

impl ImageQueue {
    /// Starts the thread, which ends after the last queue is dropped.
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
        (ImageQueue { jobs, places: Arc::new(Semaphore::new(limits.queue as usize)), failure }, thread)
    }

    /// Predicts the images of a request, in their order.
    ///
    /// # Errors
    /// A full queue; the failure of the network or its device.
    pub async fn predict(&self, images: Vec<Upload>) -> Result<Vec<Predicted>, Refusal> {
        let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
        let full = |_| Refusal::Busy("the queue of images is full");
        let places = self.places.clone().try_acquire_many_owned(count).map_err(full)?;
        let (answer, answered) = oneshot::channel();
        let gone = || Refusal::Failed("the predictor has ended".to_string());
        self.jobs.send(Job { images, answer, _places: places }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(Refusal::Failed)
    }

    /// The reason of the last pass, if it failed.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Images that wait or are predicted.
    pub fn len(&self, limits: &Limits) -> usize {
        (limits.queue as usize).saturating_sub(self.places.available_permits())
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
            let mut count = jobs[0].images.len();
            while count < self.limits.batch as usize {
                let Ok(job) = self.waiting.try_recv() else { break };
                count += job.images.len();
                jobs.push(job);
            }
            // Nobody waits for the answer any more: the client is gone, or its time is over.
            jobs.retain(|job| !job.answer.is_closed());
            self.answer(jobs);
        }
    }

    fn answer(&self, jobs: Vec<Job>) {
        let images: Vec<&Upload> = jobs.iter().flat_map(|job| &job.images).collect();
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
            let count = job.images.len();
            let answer = match &mut answers {
                Ok(answers) => Ok(answers.take(count).collect()),
                Err(why) => Err(why.clone()),
            };
            drop(job.images);
            // The client may have gone meanwhile.
            let _ = job.answer.send(answer);
        }
    }

    /// Predicts images together.
    fn pass(&self, images: &[&Upload]) -> Result<Vec<Predicted>, String> {
        let most = u64::from(self.limits.max_pixels) * 1_000_000;
        let sizes = images.iter().map(|image| match image_size(&image.bytes) {
            Some((width, height)) if u64::from(width) * u64::from(height) > most => {
                let most = self.limits.max_pixels;
                Err(format!("{width} x {height} pixels, at most {most} million are taken"))
            }
            _ => Ok(()),
        });
        let fits: Vec<Result<(), String>> = sizes.collect();
        let fitting: Vec<&[u8]> =
            images.iter().zip(&fits).filter(|(_, fits)| fits.is_ok()).map(|(image, _)| &*image.bytes).collect();
        let answers = self.predictor.predict_encoded(&fitting, &self.options).map_err(|error| error.to_string())?;
        let mut answers = answers.into_iter();
        let said: Vec<Predicted> = fits
            .into_iter()
            .map(|fits| fits.and_then(|()| answers.next().unwrap_or_else(|| Err("no answer".to_string()))))
            .collect();
        let unreadable = said.iter().filter(|said| said.is_err()).count() as u64;
        self.counters.unreadable.fetch_add(unreadable, Ordering::Relaxed);
        self.counters.answered.fetch_add(said.len() as u64 - unreadable, Ordering::Relaxed);
        Ok(said)
    }
}
