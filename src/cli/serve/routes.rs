//! The paths of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fastai_dsl::TaskKind;
use fastai_runtime::metrics::Thresholds;
use fastai_runtime::predict::Predictor;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::Limits;
use super::counters::{Counters, Gauge};
use super::queue::{ImageQueue, Predicted};
use super::refusal::Refusal;
use super::upload::{self, UploadMemory};
use crate::cli::answer;
use crate::cli::predict::{threshold, thresholds};

/// The page, with its style and its script.
const PAGE: &str = include_str!("page.html");
/// The page loads nothing and speaks to this server alone.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the handlers share.
pub struct Service {
    predictor: Arc<Predictor>,
    thresholds: Thresholds,
    limits: Limits,
    queue: ImageQueue,
    buffer: UploadMemory,
    requests: Semaphore,
    counters: Arc<Counters>,
}

impl Service {
    pub fn new(
        predictor: Arc<Predictor>,
        thresholds: Thresholds,
        limits: Limits,
        queue: ImageQueue,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        let (buffer, requests) = (UploadMemory::new(&limits), Semaphore::new(limits.concurrency as usize));
        Arc::new(Service { predictor, thresholds, limits, queue, buffer, requests, counters })
    }
}

pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/model", get(model))
        .route("/metrics", get(metrics))
        .route("/predict", post(predict))
        .fallback(async |uri: Uri| Refusal::NoSuchPath(uri.path().chars().take(100).collect()))
        .method_not_allowed_fallback(async |uri: Uri| {
            Refusal::WrongMethod(if uri.path() == "/predict" { "POST" } else { "GET, HEAD" })
        })
        .layer(from_fn_with_state(service.clone(), counted))
        // `upload` has its own, for forms and images alike.
        .layer(DefaultBodyLimit::disable())
        .with_state(service)
}

async fn counted(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path =
        ["/", "/health", "/model", "/metrics", "/predict"].into_iter().find(|path| *path == request.uri().path());
    let mut response = next.run(request).await;
    service.counters.request(path.unwrap_or("other"), response.status().as_u16(), began.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn page() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)];
    (headers, PAGE).into_response()
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    match service.queue.failure() {
        None => json_answer(StatusCode::OK, &json!({ "status": "ok" })),
        Some(why) => json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "failing", "error": why })),
    }
}

async fn model(State(service): State<Arc<Service>>) -> Response {
    let meta = service.predictor.meta();
    let threshold = (meta.task == TaskKind::MultiLabel).then_some(&service.thresholds);
    let value = json!({
        "recipe": meta.recipe,
        "task": meta.task.word(),
        "classes": meta.classes,
        "threshold": threshold,
        "size": meta.size,
        "version": env!("CARGO_PKG_VERSION"),
        "limits": {
            "bytes": service.limits.body_bytes(),
            "pixels": service.limits.image_pixels(),
            "images": service.limits.max_images,
            "seconds": service.limits.timeout,
        },
    });
    json_answer(StatusCode::OK, &value)
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let text = service.counters.text(service.queue.waiting(), service.buffer.held());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What a request may ask for, in its address.
#[derive(Default)]
struct Asked {
    /// Only the most probable classes.
    top: Option<usize>,
    /// Tags above this probability.
    threshold: Option<f64>,
}

impl Asked {
    /// Reads `?top=3&threshold=0.5`.
    fn of(pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let mut asked = Asked::default();
        for (key, value) in pairs {
            let wanted = |what: &str| Refusal::Malformed(format!("{key}={value}: {what} is wanted"));
            let twice = match key.as_str() {
                "top" => {
                    let top = value.parse::<usize>().ok().filter(|top| *top > 0);
                    asked.top.replace(top.ok_or_else(|| wanted("a whole number, at least 1,"))?).is_some()
                }
                "threshold" => {
                    let threshold = threshold(value).map_err(|what| wanted(&what))?;
                    asked.threshold.replace(threshold).is_some()
                }
                _ => return Err(Refusal::Malformed(format!("{key:?} is not known; `top` and `threshold` are"))),
            };
            if twice {
                return Err(Refusal::Malformed(format!("{key} is given twice; once is wanted")));
            }
        }
        Ok(asked)
    }
}

async fn predict(
    State(service): State<Arc<Service>>,
    asked: Result<Query<Vec<(String, String)>>, QueryRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let _in_progress = Gauge::raise(&service.counters.in_progress);
    let Query(pairs) = asked.map_err(|error| Refusal::Malformed(error.body_text()))?;
    let asked = Asked::of(&pairs)?;
    let thresholds = match asked.threshold {
        Some(threshold) => thresholds(&service.predictor, Some(threshold))
            .map_err(|why| Refusal::Malformed(format!("threshold={threshold}: {why}")))?,
        None => service.thresholds.clone(),
    };
    let _place = service.requests.try_acquire().map_err(|_| Refusal::Busy("too many requests at a time"))?;
    let limits = &service.limits;
    let end = tokio::time::Instant::now() + Duration::from_secs(limits.timeout.into());
    let upload = timeout_at(end, upload::read(request, limits, &service.buffer)).await;
    let upload = upload.map_err(|_| Refusal::SlowBody(limits.timeout))??;
    let is_form = upload.is_form;
    let names: Vec<Option<String>> = upload.images.iter().map(|image| image.name.clone()).collect();
    let said = timeout_at(end, service.queue.predict(upload)).await;
    let said = said.map_err(|_| Refusal::SlowAnswer(limits.timeout))??;

    let describe = |said: Predicted, object: &mut Map<String, Value>| -> Result<(), String> {
        let said = said?;
        let names = service.predictor.said(&said.probabilities, &thresholds);
        answer::describe(object, &service.predictor, &said.probabilities, &names, asked.top);
        Ok(())
    };
    if !is_form {
        let mut object = Map::new();
        let said = said.into_iter().next().unwrap_or_else(|| Err("no answer".to_string()));
        describe(said, &mut object).map_err(Refusal::Unreadable)?;
        return Ok(json_answer(StatusCode::OK, &Value::Object(object)));
    }
    let images = said.into_iter().zip(names).map(|(said, name)| {
        let mut object = Map::new();
        object.insert("file".to_string(), json!(name));
        if let Err(why) = describe(said, &mut object) {
            object.insert("error".to_string(), json!(why));
        }
        Value::Object(object)
    });
    Ok(json_answer(StatusCode::OK, &json!({ "images": images.collect::<Vec<Value>>() })))
}
