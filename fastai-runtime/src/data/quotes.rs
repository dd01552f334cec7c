//! Quotes of a csv file that are opened and never closed.

use std::io::{self, Read};

/// Passes on what it reads, and remembers where the quote was opened that is still open.
///
/// The csv reader takes everything after such a quote for one cell and says nothing. What counts as a quote, and as the
/// end of a line, is what counts for that reader.
pub(super) struct Quotes<R> {
    inner: R,
    state: State,
    /// Bytes so far.
    at: u64,
    /// Line of the next byte, from 1.
    line: u64,
    /// Line of the last quote that was opened.
    opened: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    Start,
    /// In a cell without quotes, where a quote is a letter like any other.
    Plain,
    /// In a quoted cell.
    Quoted,
    /// After a quote in a quoted cell: the end of it, or the first of two that stand for one.
    Closed,
}

impl<R> Quotes<R> {
    pub(super) fn new(inner: R) -> Self {
        Quotes { inner, state: State::Start, at: 0, line: 1, opened: 0 }
    }

    /// The line of the quote that is open after all that was read.
    pub(super) fn open(&self) -> Option<u64> {
        (self.state == State::Quoted).then_some(self.opened)
    }

    fn byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::Closed,
            (State::Quoted, _) => State::Quoted,
            (State::Start, b'"') => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Closed, b'"') => State::Quoted,
            (_, b',' | b'\n' | b'\r') => State::Start,
            // A byte order mark is no part of the first cell.
            (State::Start, 0xef | 0xbb | 0xbf) if self.at < 3 => State::Start,
            _ => State::Plain,
        };
        self.line += u64::from(byte == b'\n');
        self.at += 1;
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        buffer[..count].iter().for_each(|byte| self.byte(*byte));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Option<u64> {
        let mut quotes = Quotes::new(text.as_bytes());
        io::copy(&mut quotes, &mut io::sink()).unwrap();
        quotes.open()
    }

    #[test]
    fn the_open_quote_is_found_where_the_csv_reader_opens_it() {
        assert_eq!(open("a,b\nc,\"d\"\n"), None);
        assert_eq!(open("a,b\nc,\"d\ne,f\n"), Some(2));
        assert_eq!(open("a,\"b\"\"\nc\",\"d\n"), Some(2));
        assert_eq!(open("\u{feff}\"a\n"), Some(1));
        // Within a cell a quote is a letter.
        assert_eq!(open("a,5\" pipe\nb,c\n"), None);
        assert_eq!(open("a,\"b\" \"c\n"), None);
        assert_eq!(open("a\r\n\r\n\"b"), Some(3));
        // The csv reader agrees: what is open swallows the rest of the file.
        for text in ["a,\"b\"\"\nc\",\"d\ne,f\n", "a,5\" pipe\nb,c\n", "a,\"b\" \"c\nd,e\n", "\u{feff}\"a\nb,c\n"] {
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let last = reader.records().last().unwrap().unwrap();
            let swallowed = last.get(last.len() - 1).is_some_and(|cell| cell.ends_with('\n'));
            assert_eq!(open(text).is_some(), swallowed, "{text:?}");
        }
    }
}
