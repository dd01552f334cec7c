//! Logical lines: physical lines joined within brackets, strings and after a backslash, without comments.

/// A statement's text with its indentation.
#[derive(Debug, PartialEq)]
pub(super) struct LogicalLine {
    pub(super) indent: usize,
    /// Without comments; a line break within brackets is one blank.
    pub(super) text: String,
}

/// Splits a program into logical lines; blank ones are left out, and `;` ends one.
pub(super) fn lines(text: &str) -> Vec<LogicalLine> {
    let chars: Vec<char> = text.replace("\r\n", "\n").replace('\r', "\n").chars().collect();
    let mut found = Vec::new();
    let mut line = LogicalLine { indent: 0, text: String::new() };
    let (mut depth, mut at_start, mut i) = (0usize, true, 0);
    while i < chars.len() {
        let c = chars[i];
        if at_start && depth == 0 {
            match c {
                ' ' => line.indent += 1,
                '\t' => line.indent = (line.indent / 8 + 1) * 8,
                '\n' => line.indent = 0,
                // A magic or a shell command takes its whole line.
                '%' | '!' => {
                    let end = (i..chars.len()).find(|j| chars[*j] == '\n').unwrap_or(chars.len());
                    line.text.extend(&chars[i..end]);
                    i = end;
                    finish(&mut line, &mut found);
                    continue;
                }
                _ => {
                    at_start = false;
                    continue;
                }
            }
            i += 1;
            continue;
        }
        match c {
            '#' => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
                continue;
            }
            '\'' | '"' => {
                let end = string_end(&chars, i);
                line.text.extend(&chars[i..end]);
                i = end;
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '\\' if chars.get(i + 1) == Some(&'\n') => {
                blank(&mut line.text);
                i += 2;
                continue;
            }
            '\n' if depth == 0 => {
                finish(&mut line, &mut found);
                line.indent = 0;
                at_start = true;
                i += 1;
                continue;
            }
            ';' if depth == 0 => {
                finish(&mut line, &mut found);
                i += 1;
                continue;
            }
            ' ' | '\t' | '\n' => {
                blank(&mut line.text);
                i += 1;
                continue;
            }
            _ => {}
        }
        line.text.push(c);
        i += 1;
    }
    finish(&mut line, &mut found);
    found
}

fn blank(text: &mut String) {
    if !text.ends_with([' ', '(', '[']) && !text.is_empty() {
        text.push(' ');
    }
}

fn finish(line: &mut LogicalLine, found: &mut Vec<LogicalLine>) {
    let text = line.text.trim().to_string();
    if !text.is_empty() {
        found.push(LogicalLine { indent: line.indent, text });
    }
    line.text.clear();
}

/// The end of the string that begins at `start`; the end of the text if it is never closed.
pub(super) fn string_end(chars: &[char], start: usize) -> usize {
    let quote = chars[start];
    let triple = chars.get(start + 1) == Some(&quote) && chars.get(start + 2) == Some(&quote);
    let mut i = start + if triple { 3 } else { 1 };
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 1,
            // A single-quoted string ends with its line at the latest.
            '\n' if !triple => return i,
            c if c == quote && !triple => return i + 1,
            c if c == quote && chars[i..].starts_with(&[quote; 3]) => return i + 3,
            _ => {}
        }
        i += 1;
    }
    chars.len()
}
