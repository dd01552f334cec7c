//! Messages of the language server protocol: JSON behind a header with its length.

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// Largest message, bytes. A recipe is much smaller.
const LARGEST: u64 = 16 << 20;
/// Longest line of a header, bytes.
const LONGEST_LINE: u64 = 4096;

/// Reads a message; `None` at the end of the input. The inner error is what is wrong with a message behind which the next one
/// can be read: it is too large, or no JSON.
///
/// # Errors
/// An input that cannot be read, or whose header is none.
pub fn read(input: &mut impl BufRead) -> io::Result<Option<Result<Value, String>>> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut length = None;
    loop {
        let mut line = String::new();
        input.by_ref().take(LONGEST_LINE).read_line(&mut line)?;
        if line.is_empty() {
            return if length.is_none() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { return Err(broken("a header without a colon")) };
        if name.eq_ignore_ascii_case("content-length") {
            let value: u64 = value.trim().parse().map_err(|_| broken("a length that is no number"))?;
            length = Some(value);
        }
    }
    let length = length.ok_or_else(|| broken("a message without its length"))?;
    let mut content = input.by_ref().take(length);
    if length > LARGEST {
        let skipped = io::copy(&mut content, &mut io::sink())?;
        let why = format!("a message of more than {} MiB", LARGEST >> 20);
        return if skipped < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Some(Err(why))) };
    }
    let mut bytes = vec![0; length as usize];
    content.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes).map_err(|error| error.to_string())))
}

/// Writes a message.
///
/// # Errors
/// An output that cannot be written.
pub fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_are_read_back_and_broken_ones_refused() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({ "é": 1 })).unwrap();
        bytes.extend(b"content-length: 2\r\nContent-Type: x\r\n\r\n{]");
        let mut input = &bytes[..];
        assert_eq!(read(&mut input).unwrap().unwrap().unwrap(), json!({ "é": 1 }));
        assert!(read(&mut input).unwrap().unwrap().is_err());
        assert!(read(&mut input).unwrap().is_none());
        for wrong in [
            "hello\r\n\r\n",
            "\r\n",
            "Content-Length: x\r\n\r\n",
            "Content-Length: 99999999999\r\n\r\n",
            "Content-Length: 5\r\n\r\n{}",
        ] {
            assert!(read(&mut wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
