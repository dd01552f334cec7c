//! Opens csv files: containers and encodings, before any row is read.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use fastai_dsl::Encoding;

use super::text::CsvText;
use crate::memory;

/// The rows of a csv file as text; none of them is a header.
pub(crate) type CsvRecords = ::csv::Reader<CsvText<Box<dyn Read>>>;

/// Bytes at the start of a file that tell its kind.
const START: usize = 4096;
/// Largest file in another encoding than UTF-8, bytes; it is converted in memory, which takes up to four times as much.
const MOST: u64 = 1 << 30;

/// First bytes of files that are no text, what they are, and what to do about it.
const KINDS: [(&[u8], &str, &str); 12] = [
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"\x1f\x8b", "packed with gzip", "unpack it (`gunzip`)"),
    (b"BZh", "packed with bzip2", "unpack it (`bunzip2`)"),
    (b"\xfd7zXZ\0", "packed with xz", "unpack it (`unxz`)"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it (`unzstd`)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as csv"),
    (b"PAR1", "a parquet file", "save it as csv (pandas: `to_csv(.., index=False)`)"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as csv"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself (`git lfs pull`)"),
    (b"{\\rtf", "a text document", "save it as plain text"),
    (b"%PDF", "a PDF", "export the table as csv"),
];

/// Opens the csv file at `path`.
///
/// # Errors
/// The finding, which begins with the path: the file cannot be read, is no text, or is in another encoding.
pub(crate) fn open(path: &Path, delimiter: char, encoding: Encoding) -> Result<CsvRecords, String> {
    let cannot = |error: io::Error| format!("cannot open {}: {error}", path.display());
    let mut file = File::open(path).map_err(cannot)?;
    let mut start = Vec::with_capacity(START);
    file.by_ref().take(START as u64).read_to_end(&mut start).map_err(cannot)?;
    let named = |what: String| format!("{}: {what}", path.display());
    if let Some((_, what, cure)) = KINDS.iter().find(|(bytes, ..)| start.starts_with(bytes)) {
        let sheet =
            start.windows(19).any(|text| text == b"[Content_Types].xml") || path.extension() == Some("xlsx".as_ref());
        return Err(named(match (*what, sheet) {
            ("a zip archive", true) => "this is an Excel workbook, no csv file: save the sheet as csv".to_string(),
            _ => format!("this is {what}, no csv file: {cure}, and name the file inside as `labels`"),
        }));
    }
    let text_start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    let begins = |word: &[u8]| text_start.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    if begins(b"<!doctype") || begins(b"<html") || begins(b"<?xml") {
        return Err(named("this is a web page or XML, no csv file: was it downloaded without signing in?".to_string()));
    }
    let inner = text_start.strip_prefix(b"[").unwrap_or(text_start).trim_ascii_start();
    if inner.strip_prefix(b"{").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"")) {
        return Err(named(
            "this is JSON, no csv file: save it as csv (pandas: `read_json(..).to_csv(..)`)".to_string(),
        ));
    }
    let whole = |file: File, start: Vec<u8>| -> Result<Vec<u8>, String> {
        let mut bytes = start;
        let most = memory::limit().map_or(MOST, |limit| MOST.min(limit / 8));
        file.take(most).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 >= most {
            return Err(named(format!("a file of more than {} MiB must be UTF-8: convert it", most >> 20)));
        }
        Ok(bytes)
    };
    let text: Box<dyn Read> = match encoding {
        Encoding::Utf8 => {
            if start.starts_with(b"\xff\xfe\0\0") || start.starts_with(b"\0\0\xfe\xff") {
                return Err(named("this is UTF-32: save it as UTF-8".to_string()));
            }
            if is_marked(&start) || is_wide(&start) {
                return Err(named("this is UTF-16: save it as UTF-8, or say `encoding: utf16`".to_string()));
            }
            if start.contains(&0) {
                return Err(named("this is no text: it contains zero bytes".to_string()));
            }
            Box::new(BufReader::new(Cursor::new(start).chain(file)))
        }
        Encoding::Latin1 => {
            if let Some(other) = other_than_latin1(&start) {
                return Err(named(format!("this is {other}, and no Latin-1, as `encoding` says")));
            }
            Box::new(Cursor::new(latin1(&whole(file, start)?)))
        }
        Encoding::Utf16 => {
            let bytes = whole(file, start)?;
            if let Some(other) = narrow(&bytes) {
                return Err(named(format!("this is no UTF-16, as `encoding` says, but {other}")));
            }
            let text = utf16(&bytes).map_err(|fault| named(fault.describe(bytes.len())))?;
            Box::new(Cursor::new(text))
        }
    };
    let delimiter = delimiter as u8;
    let text = CsvText::new(text, delimiter);
    // The reader skips a byte order mark by itself.
    Ok(::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text))
}

/// The first rows of a csv file, header included, as far as it can be read.
pub fn first_rows(path: &Path, delimiter: char, encoding: Encoding, count: usize) -> Vec<::csv::StringRecord> {
    let Ok(mut reader) = open(path, delimiter, encoding) else { return Vec::new() };
    reader.records().take(count).map_while(Result::ok).collect()
}

/// Says what is wrong with a row that cannot be read, and that begins in this line, if that is known.
pub(crate) fn reason(error: &::csv::Error, line: Option<u64>) -> String {
    match error.kind() {
        ::csv::ErrorKind::Utf8 { .. } => {
            let line = line.unwrap_or(1);
            format!("{line}: this line is not UTF-8: save the file as UTF-8, or say `encoding: latin1`")
        }
        _ => format!(" {error}"),
    }
}

/// Whether text begins with a byte order mark of UTF-16.
fn is_marked(start: &[u8]) -> bool {
    start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff")
}

/// Whether text looks like UTF-16 without a byte order mark: every other byte is 0.
fn is_wide(start: &[u8]) -> bool {
    let pairs = start.as_chunks::<2>().0;
    pairs.len() > 1 && (2 * zeros(pairs, 0) > pairs.len() || 2 * zeros(pairs, 1) > pairs.len())
}

/// How many pairs have a zero byte in this place alone.
fn zeros(pairs: &[[u8; 2]], place: usize) -> usize {
    pairs.iter().filter(|pair| pair[place] == 0 && pair[1 - place] != 0).count()
}

/// The characters of Windows-1252 where Latin-1 has control codes.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// What a file is instead of Latin-1, in which every byte is a character, and what to say then.
fn other_than_latin1(start: &[u8]) -> Option<&'static str> {
    if is_marked(start) {
        Some("UTF-16 by its byte order mark (say `encoding: utf16`, or save it as UTF-8)")
    } else if is_wide(start) {
        Some("UTF-16 by its zero bytes (say `encoding: utf16`, or save it as UTF-8)")
    } else if start.starts_with(b"\xef\xbb\xbf") {
        Some("UTF-8 by its byte order mark (leave `encoding` out)")
    } else {
        start.contains(&0).then_some("no text, as it contains zero bytes")
    }
}

fn latin1(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        0x80..=0x9f => WINDOWS[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    bytes.iter().map(one).collect()
}

/// What bytes are instead of UTF-16, and what to say then. Delimiters and the ends of lines have a zero byte in UTF-16, so that
/// a table without any is none; read all the same, it would be one row of strange characters.
fn narrow(bytes: &[u8]) -> Option<&'static str> {
    if is_marked(bytes) || bytes.is_empty() || bytes.contains(&0) {
        return None;
    }
    Some(match std::str::from_utf8(bytes) {
        Ok(_) => "UTF-8: leave `encoding` out",
        Err(_) => "bytes of another encoding: save it as UTF-8 and leave `encoding` out, or say `encoding: latin1`",
    })
}

/// Where UTF-16 holds half a character: the number of its first byte, from 0.
#[derive(Debug, PartialEq)]
struct HalfCharacter(usize);

impl HalfCharacter {
    /// Says what is wrong with a file of so many bytes.
    fn describe(&self, bytes: usize) -> String {
        let at = self.0 + 1;
        match bytes - self.0 {
            // A character has two bytes, or four.
            0..4 => format!(
                "this UTF-16 ends in the middle of a character (byte {at}): was it cut off? Copy or save it again"
            ),
            _ => format!("this is no UTF-16, as `encoding` says: byte {at} begins half a character"),
        }
    }
}

/// Decodes UTF-16. Without a byte order mark, the byte that is zero in delimiters, digits and the ends of lines comes first.
fn utf16(bytes: &[u8]) -> Result<String, HalfCharacter> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let big = match pairs.first() {
        Some(b"\xfe\xff") => true,
        Some(b"\xff\xfe") => false,
        _ => zeros(pairs, 0) > zeros(pairs, 1),
    };
    let units = pairs.iter().map(|pair| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) });
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut at = 0;
    for character in char::decode_utf16(units) {
        let character = character.map_err(|_| HalfCharacter(at))?;
        at += 2 * character.len_utf16();
        text.push(character);
    }
    if rest.is_empty() { Ok(text) } else { Err(HalfCharacter(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8], delimiter: char, encoding: Encoding) -> Result<Vec<Vec<String>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, bytes).unwrap();
        let mut reader = open(&path, delimiter, encoding).map_err(|finding| {
            finding.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&finding).to_string()
        })?;
        let mut rows = Vec::new();
        let mut records = reader.records();
        while let Some(record) = records.next() {
            let record = record.map_err(|error| {
                let line = error.position().map(|place| records.reader_mut().get_mut().line_of(place));
                reason(&error, line)
            })?;
            rows.push(record.iter().map(str::to_string).collect());
        }
        Ok(rows)
    }

    #[test]
    fn encodings_and_delimiters_are_read_as_said() {
        let wanted = vec![vec!["id".to_string(), "breed".to_string()], vec!["é€".to_string(), "x y".to_string()]];
        let text = "id;breed\né€;x y\n";
        assert_eq!(rows(text.as_bytes(), ';', Encoding::Utf8).unwrap(), wanted);
        assert_eq!(rows(b"id\tbreed\n\xe9\x80\tx y\n", '\t', Encoding::Latin1).unwrap(), wanted);
        let little: Vec<u8> = "\u{feff}id;breed\né€;x y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}id;breed\né€;x y\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&little, &big] {
            assert_eq!(rows(bytes, ';', Encoding::Utf16).unwrap(), wanted);
            let error = rows(bytes, ';', Encoding::Utf8).unwrap_err();
            assert_eq!(error, "this is UTF-16: save it as UTF-8, or say `encoding: utf16`");
        }
        for unmarked in [&little[2..], &big[2..]] {
            assert!(rows(unmarked, ';', Encoding::Utf8).unwrap_err().starts_with("this is UTF-16"));
            assert_eq!(rows(unmarked, ';', Encoding::Utf16).unwrap(), wanted);
        }
        for bytes in [&little[..], &big[..], &little[2..], &big[2..]] {
            let error = rows(bytes, ';', Encoding::Latin1).unwrap_err();
            assert!(error.starts_with("this is UTF-16 by its ") && error.contains("`encoding: utf16`"), "{error}");
        }
        let error = rows("\u{feff}id;breed\n".as_bytes(), ';', Encoding::Latin1).unwrap_err();
        assert_eq!(
            error,
            "this is UTF-8 by its byte order mark (leave `encoding` out), and no Latin-1, as `encoding` says"
        );
        let error = rows(b"id,breed\na,x\n\xe9,y\n", ',', Encoding::Utf8).unwrap_err();
        let not_utf8 = "3: this line is not UTF-8: save the file as UTF-8, or say `encoding: latin1`";
        assert_eq!(error, not_utf8);
        assert_eq!(rows(b"id,breed\r\na,x\r\n\xe9,y\r\n", ',', Encoding::Utf8).unwrap_err(), not_utf8);
    }

    #[test]
    fn half_a_character_of_utf16_is_named_by_its_byte() {
        let text = "id;breed\na;\u{1f436}";
        for order in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
            assert_eq!(utf16(&bytes), Ok(text.to_string()));
            let length = bytes.len();
            for (end, at) in
                [(length - 1, length - 4), (length - 2, length - 4), (length - 3, length - 4), (length - 5, length - 6)]
            {
                let error = rows(&bytes[..end], ';', Encoding::Utf16).unwrap_err();
                let ends = format!("this UTF-16 ends in the middle of a character (byte {}): ", at + 1);
                assert!(error.starts_with(&ends), "{end}: {error}");
            }
        }
        let lone: Vec<u8> = [0x69, 0x64, 0xd83d, 0x3b, 0x61, 0x0a].into_iter().flat_map(u16::to_le_bytes).collect();
        let error = rows(&lone, ';', Encoding::Utf16).unwrap_err();
        assert_eq!(error, "this is no UTF-16, as `encoding` says: byte 5 begins half a character");
    }

    #[test]
    fn what_is_no_text_is_named() {
        for (bytes, expected) in [
            (&b"PK\x03\x04\x14\0labels.csv"[..], "this is a zip archive, no csv file: unpack it"),
            (b"PK\x03\x04\x14\0[Content_Types].xml", "this is an Excel workbook"),
            (b"\x1f\x8b\x08\0", "this is packed with gzip, no csv file: unpack it"),
            (b"a,b\n\0\0\0,c\n", "this is no text"),
        ] {
            for encoding in [Encoding::Utf8, Encoding::Latin1] {
                let error = rows(bytes, ',', encoding).unwrap_err();
                assert!(error.starts_with(expected), "{error}");
            }
        }
    }
}
