//! Why an image cannot be read.

use std::io;
use std::path::PathBuf;

use image::ImageFormat;
use serde::{Serialize, Serializer};

use super::{MAX_IMAGE_BYTES, MAX_SIDE};

/// Why an image cannot be read. The text, which is also its serialised form, does not name the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {message}")]
    Io {
        /// The kind of the system's error.
        kind: io::ErrorKind,
        /// The text of the system's error.
        message: String,
    },
    /// A folder, a pipe or a device is in the place of the file.
    #[error("is no regular file")]
    NoFile,
    /// The file has no bytes.
    #[error("the file is empty (0 bytes)")]
    Empty,
    /// The file has more bytes than are read.
    #[error("the file is larger than {} MiB", *limit >> 20)]
    FileTooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// The content is none of JPEG, PNG, GIF, BMP, WebP and TIFF.
    #[error("not an image: its content is no JPEG, PNG, GIF, BMP, WebP or TIFF")]
    UnknownFormat,
    /// Images of this format are read, but not of this kind, e.g. a lossless JPEG.
    #[error("{text}")]
    Unsupported {
        /// The format.
        format: ImageFormat,
        /// The whole message.
        text: String,
    },
    /// A JPEG has no end marker, or a chunk of a WebP is longer than the file. Other formats that are cut off are
    /// [`Unsound`](Self::Unsound).
    #[error("the {}", cut_off(*format))]
    Truncated {
        /// JPEG or WebP.
        format: ImageFormat,
    },
    /// The file breaks the rules of its format.
    #[error("not a sound {format:?} file: {reason}")]
    Unsound {
        /// The format.
        format: ImageFormat,
        /// What the decoder says of it.
        reason: String,
    },
    /// The headers of a JPEG are right, and its coded data are not.
    #[error("the JPEG is damaged, a part of it would be grey or shifted: {reason}")]
    Damaged {
        /// What is wrong with the coded data.
        reason: &'static str,
    },
    /// The image has no columns or no rows.
    #[error("the image has no pixels")]
    NoPixels,
    /// A side has more pixels than are decoded.
    #[error("too large, {width} x {height} pixels (limits: {limit} pixels a side, {} MiB)", MAX_IMAGE_BYTES >> 20)]
    SideTooLong {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The most pixels a side.
        limit: u32,
    },
    /// The pixels take more memory than an image may.
    #[error("{width} x {height} pixels take more than {} MiB", *limit >> 20)]
    TooManyPixels {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The most bytes of a decoded image.
        limit: u64,
    },
    /// The decoder of the format met these limits before it told the size.
    #[error("too large, {reason} (limits: {} pixels a side, {} MiB)", MAX_SIDE, MAX_IMAGE_BYTES >> 20)]
    OverLimit {
        /// The format.
        format: ImageFormat,
        /// What the decoder says of it.
        reason: String,
    },
    /// A decoder panicked.
    #[error("the decoder failed on it: {message}")]
    DecoderPanicked {
        /// The text of the panic.
        message: String,
    },
    /// The image was decoded, and the function that a [`Loader`](crate::Loader) applies to it panicked.
    #[error("loading it panicked: {message}")]
    LoadPanicked {
        /// The text of the panic.
        message: String,
    },
    /// The content is not the one that preflight saw. The file is not decoded.
    #[error("has changed since the images were checked: its content is another one")]
    Changed,
    /// The scaled copy of the image cannot be read; the image itself was not opened.
    #[error("its copy {} cannot be read ({error}); the next run makes it again", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// Why it cannot be read.
        error: Box<DecodeError>,
    },
    /// The image was decoded, and its scaled copy cannot be compressed.
    #[error("{reason}")]
    NotCompressed {
        /// What the encoder says of it.
        reason: String,
    },
}

impl DecodeError {
    pub(super) fn unsound(format: ImageFormat, reason: impl Into<String>) -> Self {
        DecodeError::Unsound { format, reason: reason.into() }
    }
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> Self {
        DecodeError::Io { kind: error.kind(), message: error.to_string() }
    }
}

impl Serialize for DecodeError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn cut_off(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::WebP => "WebP is truncated: one of its chunks is longer than the file",
        _ => "JPEG is truncated: it has no end marker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_hold_what_the_fields_say() {
        let (width, height, reason) = (40_000, 2, "Memory limit exceeded".to_string());
        let copy = DecodeError::Copy { path: "a/b.jpg".into(), error: Box::new(DecodeError::Empty) };
        for (error, text) in [
            (
                DecodeError::SideTooLong { width, height, limit: MAX_SIDE },
                "too large, 40000 x 2 pixels (limits: 16384 pixels a side, 512 MiB)",
            ),
            (
                DecodeError::OverLimit { format: ImageFormat::Png, reason },
                "too large, Memory limit exceeded (limits: 16384 pixels a side, 512 MiB)",
            ),
            (
                DecodeError::TooManyPixels { width, height, limit: MAX_IMAGE_BYTES },
                "40000 x 2 pixels take more than 512 MiB",
            ),
            (DecodeError::FileTooLarge { limit: MAX_IMAGE_BYTES }, "the file is larger than 512 MiB"),
            (
                DecodeError::Truncated { format: ImageFormat::WebP },
                "the WebP is truncated: one of its chunks is longer than the file",
            ),
            (DecodeError::unsound(ImageFormat::Jpeg, "it has no frame"), "not a sound Jpeg file: it has no frame"),
            (copy, "its copy a/b.jpg cannot be read (the file is empty (0 bytes)); the next run makes it again"),
        ] {
            assert_eq!(error.to_string(), text);
            assert_eq!(serde_json::to_value(&error).unwrap(), text);
        }
    }
}
