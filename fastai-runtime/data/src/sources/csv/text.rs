//! The text of a csv file on its way to the csv reader: where rows begin, unterminated quotes and endless rows.

use std::collections::VecDeque;
use std::io::{self, Read};

/// Most bytes of a row. A row of 65,536 columns is shorter; only an unterminated quote or a file of another kind is longer.
const MAX_ROW: u64 = 8 << 20;
/// The byte order mark of UTF-8, which the csv reader skips.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Forwards the bytes of a csv file, knows in which line each row and the open quote begin, and ends at a row that is too long,
/// which the csv reader would keep in memory.
///
/// The csv reader silently treats everything after an unterminated quote as one cell. It takes the `\n` of `\r\n` and empty
/// lines for the start of the row after them, so that its own line numbers are too low. This reader uses the same definitions of
/// a quote and of a row's end; a line ends with `\n`, `\r\n` or `\r`.
pub struct CsvText<R> {
    inner: R,
    delimiter: u8,
    state: Cell,
    /// The last byte.
    before: u8,
    /// Bytes so far.
    at: u64,
    /// Line of the next byte, from 1.
    line: u64,
    /// Line of the last opening quote.
    opened: u64,
    /// Where the row begins: the byte and its line.
    row: (u64, u64),
    /// The first byte of each row, and its line, of rows that [`line_of`](Self::line_of) was not asked about yet.
    begun: VecDeque<(u64, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Before the first byte of a cell.
    Start,
    /// In an unquoted cell, where a quote is an ordinary character.
    Plain,
    /// In a quoted cell.
    Quoted,
    /// After a quote in a quoted cell: its end, or the first half of an escaped quote.
    Closed,
}

impl<R> CsvText<R> {
    /// The text that `inner` reads, whose cells are parted by `delimiter`.
    pub fn new(inner: R, delimiter: u8) -> Self {
        let (state, begun) = (Cell::Start, VecDeque::new());
        CsvText { inner, delimiter, state, before: 0, at: 0, line: 1, opened: 0, row: (0, 1), begun }
    }

    /// Returns the line of the quote that is still open after all bytes read.
    pub fn open(&self) -> Option<u64> {
        (self.state == Cell::Quoted).then_some(self.opened)
    }

    /// The line, from 1, in which the row begins that the csv reader found at `place`. Rows are asked about in their order.
    pub fn line_of(&mut self, place: &::csv::Position) -> u64 {
        while self.begun.front().is_some_and(|(byte, _)| *byte < place.byte()) {
            self.begun.pop_front();
        }
        self.begun.front().map_or(self.line, |(_, line)| *line)
    }

    /// What it reads from.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn byte(&mut self, byte: u8) {
        // A byte order mark is no part of the first row: that begins after it, or after the empty lines that follow it.
        let is_mark = self.at == self.row.0 && MARK.get(self.at as usize) == Some(&byte);
        if is_mark {
            self.row.0 += 1;
        } else if self.at == self.row.0 && !matches!(byte, b'\n' | b'\r') {
            self.begun.push_back(self.row);
        }
        self.state = match (self.state, byte) {
            (Cell::Quoted, b'"') => Cell::Closed,
            (Cell::Quoted, _) => Cell::Quoted,
            (Cell::Start, b'"') if self.delimiter != b'"' => {
                self.opened = self.line;
                Cell::Quoted
            }
            (Cell::Closed, b'"') => Cell::Quoted,
            (_, b'\n' | b'\r') => Cell::Start,
            (_, byte) if byte == self.delimiter => Cell::Start,
            _ if is_mark => Cell::Start,
            _ => Cell::Plain,
        };
        self.line += u64::from(byte == b'\r' || byte == b'\n' && self.before != b'\r');
        self.before = byte;
        self.at += 1;
        if matches!(byte, b'\n' | b'\r') && self.state == Cell::Start {
            self.row = (self.at, self.line);
        }
    }
}

impl<R: Read> Read for CsvText<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for byte in &buffer[..count] {
            self.byte(*byte);
        }
        let (begins, line) = self.row;
        if self.at - begins <= MAX_ROW {
            return Ok(count);
        }
        let cause = match self.open() {
            Some(opened) => format!("a quote is opened in line {opened} and not closed before"),
            None => "is this a csv file?".to_string(),
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the row that begins in line {line} has more than {} MiB; {cause}", MAX_ROW >> 20),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Option<u64> {
        let mut text = CsvText::new(text.as_bytes(), b',');
        io::copy(&mut text, &mut io::sink()).unwrap();
        text.open()
    }

    #[test]
    fn an_endless_row_ends_with_its_line_and_its_cause() {
        let said = |begin: &str| {
            let mut text = begin.as_bytes().to_vec();
            text.resize(text.len() + (MAX_ROW as usize) + (1 << 20), b'x');
            io::copy(&mut CsvText::new(&text[..], b','), &mut io::sink()).unwrap_err().to_string()
        };
        assert_eq!(said("a,b\nc,d"), "the row that begins in line 2 has more than 8 MiB; is this a csv file?");
        let quoted = said("a,b\nc,d\ne,\"f\ng");
        assert_eq!(
            quoted,
            "the row that begins in line 3 has more than 8 MiB; a quote is opened in line 3 and not closed before"
        );
        // Many rows may have more together.
        let rows = "a,b\n".repeat(3 << 20);
        io::copy(&mut CsvText::new(rows.as_bytes(), b','), &mut io::sink()).unwrap();
    }

    #[test]
    fn rows_have_the_line_in_which_they_begin() {
        let lines = |text: &str| -> Vec<u64> {
            let text = CsvText::new(text.as_bytes(), b',');
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
            let mut records = reader.records();
            let mut lines = Vec::new();
            while let Some(record) = records.next() {
                let place = record.unwrap().position().unwrap().clone();
                lines.push(records.reader_mut().get_mut().line_of(&place));
            }
            lines
        };
        for end in ["\n", "\r\n", "\r"] {
            let said = |text: &str| lines(&text.replace('\n', end));
            assert_eq!(said("id,label\na,x\nb,y\n"), [1, 2, 3], "{end:?}");
            assert_eq!(said("\u{feff}id,label\na,x\nb,y"), [1, 2, 3], "{end:?}");
            assert_eq!(said("\n\nid,label\n\na,x\n\n\nb,y\n\n"), [3, 5, 8], "{end:?}");
            assert_eq!(said("\u{feff}\nid,label\na,x\n"), [2, 3], "{end:?}");
            assert_eq!(said("\u{feff}\n\na\nb\n"), [3, 4], "{end:?}");
            assert_eq!(said("id,\"a\n\nb\"\nc,\"d\n\"\ne,f\n"), [1, 4, 6], "{end:?}");
            // Rows as short as can be, over several buffers of the csv reader.
            assert_eq!(said(&"a\n".repeat(30_000)), (1..=30_000).collect::<Vec<u64>>(), "{end:?}");
        }
        assert_eq!(lines("a\r\nb\nc\rd\n\re"), [1, 2, 3, 4, 6]);
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
