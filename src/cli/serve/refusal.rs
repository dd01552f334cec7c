//! Requests that are not answered with a prediction.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is refused. The answer is `{"error": ..}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// 400: the request is not what the path takes.
    Malformed(String),
    /// 404.
    NoSuchPath(String),
    /// 405: the methods that the path takes.
    WrongMethod(&'static str),
    /// 408: the body did not come in time, after that many seconds.
    SlowBody(u32),
    /// 413: more bytes or images than the limit.
    TooLarge(String),
    /// 415: the content type.
    NotAnImageType(String),
    /// 422: no image, or one that cannot be read.
    Unreadable(String),
    /// 500: the network or its device failed.
    Failed(String),
    /// 503: as much is being done as the limits allow.
    Busy(&'static str),
    /// 504: no prediction in time, after that many seconds.
    SlowAnswer(u32),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Refusal::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::NotAnImageType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Unreadable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::SlowAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn text(&self) -> String {
        match self {
            Refusal::Malformed(why) | Refusal::TooLarge(why) | Refusal::Unreadable(why) | Refusal::Failed(why) => {
                why.clone()
            }
            Refusal::NoSuchPath(path) => {
                format!("{path:?} is not here; POST /predict, GET /, /model, /health and /metrics are")
            }
            Refusal::WrongMethod(methods) => format!("this path takes {methods}"),
            Refusal::SlowBody(seconds) => format!("the request did not come within {seconds} s"),
            Refusal::NotAnImageType(given) => format!(
                "the content type is {given:?}; send an image as it is (`image/jpeg`, `application/octet-stream`), or several \
                 as `multipart/form-data`"
            ),
            Refusal::Busy(with) => format!("busy: {with}; try again"),
            Refusal::SlowAnswer(seconds) => format!("no prediction within {seconds} s; try again"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.text() }).to_string();
        let json = (header::CONTENT_TYPE, "application/json");
        let mut response = (self.status(), [json], body).into_response();
        let headers = response.headers_mut();
        match self {
            Refusal::Busy(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::WrongMethod(methods) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(methods));
            }
            // The rest of the body is not read.
            Refusal::SlowBody(_) | Refusal::TooLarge(_) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
