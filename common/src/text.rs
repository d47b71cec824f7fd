//! Text from outside, made safe for a terminal and for a text log.
//!
//! Publishers, algorithms, brokers, files and arguments bring text that may hold line feeds, terminal escapes and
//! characters that turn the direction of writing round. Shown raw, such text forges lines and steers terminals. JSON needs
//! none of this: its encoder escapes.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// Stands for the part of a text that was left out.
const ELLIPSIS: char = '…';
/// Stands for user name and password in a URL.
const HIDDEN: &str = "***";

/// Whether a character is escaped: control characters (C0, DEL, C1), line and paragraph separators, and characters that
/// change the direction of the text behind them.
const fn is_escaped(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

fn escape(character: char) -> Cow<'static, str> {
    match character {
        '\n' => Cow::Borrowed("\\n"),
        '\r' => Cow::Borrowed("\\r"),
        '\t' => Cow::Borrowed("\\t"),
        other => Cow::Owned(other.escape_unicode().to_string()),
    }
}

/// The text in one line of printable characters: the others become `\n`, `\r`, `\t` or `\u{1b}`. A backslash is not escaped,
/// so that the result cannot be read back.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_escaped(character) {
            escaped.push_str(&escape(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Like [`printable`], but line feeds stay: for a text of several lines with parts that are escaped already.
pub fn printable_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        lines.push_str(&printable(line));
        lines.push_str(end);
    }
    lines
}

/// At most `characters` of the text; `…` stands for the rest.
pub fn shortened(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let mut start = text.get(..end).unwrap_or_default().to_owned();
            start.push(ELLIPSIS);
            Cow::Owned(start)
        }
    }
}

/// A URL without its user name and password: everything between the scheme and the last `@` is hidden, also where the text
/// is no URL.
pub fn without_login(url: &str) -> Cow<'_, str> {
    let Some((before, host)) = url.rsplit_once('@') else { return Cow::Borrowed(url) };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    let separator = if scheme.is_empty() { "" } else { "://" };
    Cow::Owned(format!("{scheme}{separator}{HIDDEN}@{host}"))
}

/// A writer that escapes everything written through it, as [`printable`] does.
#[derive(Debug)]
pub struct Escaped<W>(pub W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_escaped) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                self.0.write_str(&escape(character))?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_steer_a_terminal_are_escaped_and_no_others() {
        for (text, expected) in [
            ("", ""),
            ("Zürich, 東京, \u{1f600} \\n", "Zürich, 東京, \u{1f600} \\n"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\0b", "a\\u{0}b"),
            ("one\r\ntwo\tthree", "one\\r\\ntwo\\tthree"),
            ("\u{7f}\u{80}\u{9b}31m\u{9f}", "\\u{7f}\\u{80}\\u{9b}31m\\u{9f}"),
            ("\u{a0}", "\u{a0}"),
            (
                "\u{2027}\u{2028}\u{2029}\u{202a}\u{202e}\u{202f}",
                "\u{2027}\\u{2028}\\u{2029}\\u{202a}\\u{202e}\u{202f}",
            ),
            ("\u{61c}\u{200e}\u{200f}\u{2066}\u{2069}", "\\u{61c}\\u{200e}\\u{200f}\\u{2066}\\u{2069}"),
            // A joiner is part of many emoji.
            ("\u{200d}", "\u{200d}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn lines_of_one_text_stay_lines() {
        assert_eq!(printable_lines("a\u{1b}\n\nb\r\nc"), "a\\u{1b}\n\nb\\r\nc");
        assert_eq!(printable_lines(""), "");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("éé", 2), "éé");
        assert_eq!(shortened("ééé", 2), "éé…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn a_login_in_a_url_is_hidden_whole() {
        for (url, expected) in [
            ("mqtt://broker:1883", "mqtt://broker:1883"),
            ("mqtt://me:pass@broker", "mqtt://***@broker"),
            ("mqtt://me:p@ss/w:rd@broker:1883", "mqtt://***@broker:1883"),
            ("mqtt://me@broker", "mqtt://***@broker"),
            ("me:pass@broker:1883", "***@broker:1883"),
            ("mqtt:me:pass@broker", "***@broker"),
        ] {
            assert_eq!(without_login(url), expected);
        }
    }
}
