//! The images of a request.

use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::refusal::Refusal;

/// Bytes of a permit of the buffer.
const UNIT: usize = 1024;

/// An image that a client sent.
pub struct Upload {
    /// The name of its file, if it came as a part of a form.
    pub name: Option<String>,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its share of the buffer.
    _held: BufferShare,
}

/// The memory of all requests, by the bytes that have come, so that clients that send slowly do not keep others away.
#[derive(Clone)]
pub struct UploadMemory(Arc<Semaphore>);

impl UploadMemory {
    pub fn new(limits: &Limits) -> Self {
        UploadMemory(Arc::new(Semaphore::new(limits.buffer as usize * 1_000_000 / UNIT)))
    }

    /// Bytes that are held.
    pub fn held(&self, limits: &Limits) -> usize {
        limits.buffer as usize * 1_000_000 / UNIT * UNIT - self.0.available_permits() * UNIT
    }

    fn hold(&self) -> BufferShare {
        BufferShare { buffer: self.clone(), permit: None }
    }
}

struct BufferShare {
    buffer: UploadMemory,
    permit: Option<OwnedSemaphorePermit>,
}

impl BufferShare {
    /// Holds `bytes` in total.
    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(more) = u32::try_from(bytes.div_ceil(UNIT).saturating_sub(held)) else { return Err(FULL) };
        if more > 0 {
            let more = self.buffer.0.clone().try_acquire_many_owned(more).map_err(|_| FULL)?;
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
        }
        Ok(())
    }
}

const FULL: Refusal = Refusal::Busy("the buffer of images is full");

/// Reads the images of a request: its body, or the files of a form. The second value says whether it was a form.
///
/// # Errors
/// Another content type, more than the limits allow, a body that breaks off.
pub async fn read(request: Request, limits: &Limits, buffer: &UploadMemory) -> Result<(Vec<Upload>, bool), Refusal> {
    let most = limits.max_body as usize * 1_000_000;
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|stated: usize| stated > most) {
        linger(request.into_body(), most).await;
        return Err(too_large(limits));
    }
    match kind(request.headers())? {
        BodyKind::Image => Ok((vec![body(request.into_body(), limits, buffer).await?], false)),
        BodyKind::Form => Ok((form(request, limits, buffer).await?, true)),
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

async fn body(mut body: Body, limits: &Limits, buffer: &UploadMemory) -> Result<Upload, Refusal> {
    let most = limits.max_body as usize * 1_000_000;
    let (mut bytes, mut held) = (Vec::new(), buffer.hold());
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| Refusal::Malformed(format!("the request breaks off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            linger(body, most).await;
            return Err(too_large(limits));
        }
        held.grow(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    if bytes.is_empty() {
        return Err(Refusal::Unreadable("the request has no body; send an image".to_string()));
    }
    Ok(Upload { name: None, bytes, _held: held })
}

async fn form(request: Request, limits: &Limits, buffer: &UploadMemory) -> Result<Vec<Upload>, Refusal> {
    let broken = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(limits),
        _ => Refusal::Malformed(format!("the form cannot be read: {}", error.body_text())),
    };
    let not_a_form = |error: MultipartRejection| Refusal::Malformed(error.body_text());
    let mut parts = Multipart::from_request(request, &()).await.map_err(not_a_form)?;
    let mut images = Vec::new();
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        if images.len() == limits.max_images as usize {
            return Err(Refusal::TooLarge(format!("more than {} images in a request", limits.max_images)));
        }
        let name = part.file_name().or(part.name()).unwrap_or_default().to_string();
        let (mut bytes, mut held) = (Vec::new(), buffer.hold());
        while let Some(data) = part.chunk().await.map_err(broken)? {
            held.grow(bytes.len() + data.len())?;
            bytes.extend_from_slice(&data);
        }
        images.push(Upload { name: Some(name), bytes, _held: held });
    }
    if images.is_empty() {
        return Err(Refusal::Unreadable("the form has no files; send images".to_string()));
    }
    Ok(images)
}

/// Reads and forgets what a client sends on, for a moment: one that is still writing would not see the answer.
async fn linger(mut body: Body, most: usize) {
    let forget = async {
        let mut read = 0;
        while read < most {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            let Some(Ok(frame)) = frame else { break };
            read += frame.into_data().map_or(0, |data| data.len());
        }
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), forget).await;
}
