//! The images of a request.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::refusal::Refusal;

/// Bytes of a permit of the buffer.
const UNIT: usize = 1024;
/// Longest name of a file, bytes, as on most file systems: an answer repeats it.
const LONGEST_NAME: usize = 255;

/// What a client sent.
pub struct Upload {
    pub images: Vec<UploadedImage>,
    /// Whether they are the files of a form.
    pub is_form: bool,
    /// Its share of the buffer.
    _held: BufferShare,
}

pub struct UploadedImage {
    /// The name of its file, if it came as a part of a form.
    pub name: Option<String>,
    /// The file.
    pub bytes: Bytes,
}

/// The memory of all requests, by the bytes that have come, so that clients that send slowly do not keep others away.
pub struct UploadMemory {
    free: Arc<Semaphore>,
    units: usize,
}

impl UploadMemory {
    pub fn new(limits: &Limits) -> Self {
        let units = limits.buffer as usize * 1_000_000 / UNIT;
        UploadMemory { free: Arc::new(Semaphore::new(units)), units }
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        (self.units - self.free.available_permits()) * UNIT
    }

    fn hold(&self) -> BufferShare {
        BufferShare { free: self.free.clone(), permit: None }
    }
}

struct BufferShare {
    free: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl BufferShare {
    /// Holds `bytes` in total.
    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(more) = u32::try_from(bytes.div_ceil(UNIT).saturating_sub(held)) else { return Err(FULL) };
        if more > 0 {
            let more = self.free.clone().try_acquire_many_owned(more).map_err(|_| FULL)?;
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
        }
        Ok(())
    }
}

const FULL: Refusal = Refusal::Busy("the buffer of images is full");

/// Reads the images of a request: its body, or the files of a form.
///
/// # Errors
/// Another content type, more than the limits allow, a body that breaks off.
pub async fn read(request: Request, limits: &Limits, buffer: &UploadMemory) -> Result<Upload, Refusal> {
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|stated: usize| stated > limits.body_bytes()) {
        return Err(too_large(limits));
    }
    let kind = kind(request.headers())?;
    let (head, body) = request.into_parts();
    let (body, held) = whole(body, limits, buffer).await?;
    match kind {
        BodyKind::Image => {
            let image = UploadedImage { name: None, bytes: body.into() };
            Ok(Upload { images: vec![image], is_form: false, _held: held })
        }
        BodyKind::Form => {
            let images = form(Request::from_parts(head, body.into()), limits).await?;
            Ok(Upload { images, is_form: true, _held: held })
        }
    }
}

enum BodyKind {
    Image,
    Form,
}

fn kind(headers: &HeaderMap) -> Result<BodyKind, Refusal> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(BodyKind::Image) };
    let given = given.to_str().unwrap_or("?");
    let name = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "multipart/form-data" => Ok(BodyKind::Form),
        // The last is what curl's --data-binary states unless told otherwise. The content decides anyway.
        "application/octet-stream" | "application/x-www-form-urlencoded" => Ok(BodyKind::Image),
        name if name.starts_with("image/") => Ok(BodyKind::Image),
        _ => Err(Refusal::NotAnImageType(given.to_string())),
    }
}

fn too_large(limits: &Limits) -> Refusal {
    Refusal::TooLarge(format!("more than {} MB in a request", limits.max_body))
}

/// Reads a body to its end. A form is taken apart afterwards: while it comes, its parser would keep what the buffer does not
/// count, and search all of it for the next part whenever a little more has come.
async fn whole(mut body: Body, limits: &Limits, buffer: &UploadMemory) -> Result<(Vec<u8>, BufferShare), Refusal> {
    let (mut bytes, mut held) = (Vec::new(), buffer.hold());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| Refusal::Malformed(format!("the request breaks off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limits.body_bytes() {
            return Err(too_large(limits));
        }
        held.grow(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    if bytes.is_empty() {
        return Err(Refusal::Unreadable("the request has no body; send an image".to_string()));
    }
    Ok((bytes, held))
}

async fn form(request: Request, limits: &Limits) -> Result<Vec<UploadedImage>, Refusal> {
    let broken = |error: MultipartError| Refusal::Malformed(format!("the form cannot be read: {}", error.body_text()));
    let not_a_form = |error: MultipartRejection| Refusal::Malformed(error.body_text());
    let mut parts = Multipart::from_request(request, &()).await.map_err(not_a_form)?;
    let mut images = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        if images.len() == limits.max_images as usize {
            return Err(Refusal::TooLarge(format!("more than {} images in a request", limits.max_images)));
        }
        let name = part.file_name().or(part.name()).unwrap_or_default().to_string();
        if name.len() > LONGEST_NAME {
            let length = name.len();
            let why = format!("the name of a file has {length} bytes, at most {LONGEST_NAME} are taken");
            return Err(Refusal::Malformed(why));
        }
        images.push(UploadedImage { name: Some(name), bytes: part.bytes().await.map_err(broken)? });
    }
    if images.is_empty() {
        return Err(Refusal::Unreadable("the form has no files; send images".to_string()));
    }
    Ok(images)
}
