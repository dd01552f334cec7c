//! The chain of a JPEG's segments, of any coding.

/// What the markers of a complete JPEG say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline<'a> {
    /// The first Exif segment's content after its name.
    pub(crate) exif: Option<&'a [u8]>,
}

impl<'a> Outline<'a> {
    /// Follows the segments to the end marker; later bytes are ignored. `None` if the file is no JPEG or has no end.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut outline = Outline::default();
        bytes.strip_prefix(&[0xff, 0xd8])?;
        let mut at = 2;
        loop {
            // The next marker. Within a scan `FF 00` is data and `FF D0` to `FF D7` are restarts; stray bytes between
            // segments are skipped, as decoders do.
            at += bytes.get(at..).and_then(|rest| memchr::memchr(0xff, rest))? + 1;
            match *bytes.get(at)? {
                0xd9 => return Some(outline),
                0xff => {}
                0x00 | 0x01 | 0xd0..=0xd8 => at += 1,
                marker => {
                    let length = usize::from(u16::from_be_bytes([*bytes.get(at + 1)?, *bytes.get(at + 2)?])).max(2);
                    match marker {
                        0xe1 if outline.exif.is_none() => {
                            let segment = bytes.get(at + 3..at + 1 + length);
                            outline.exif = segment.and_then(|segment| segment.strip_prefix(b"Exif\0\0"));
                        }
                        _ => {}
                    }
                    at += 1 + length;
                }
            }
        }
    }
}
