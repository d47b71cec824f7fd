//! The cells of a record.

/// Cells without the blanks around them, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    /// Splits a record.
    pub(crate) fn split(&mut self, record: &[u8], delimiter: u8) {
        self.bytes.clear();
        self.ends.clear();
        let mut rest = record;
        loop {
            let start = rest.trim_ascii_start();
            // A tab that is the delimiter is no blank.
            let is_quoted = start.first() == Some(&b'"')
                && !rest.get(..rest.len() - start.len()).unwrap_or_default().contains(&delimiter);
            let behind = if is_quoted {
                self.quoted(start.get(1..).unwrap_or_default(), delimiter)
            } else {
                self.plain(rest, delimiter)
            };
            self.ends.push(self.bytes.len());
            match behind {
                Some(behind) => rest = behind,
                None => return,
            }
        }
    }

    /// Takes a cell without quotes, and returns the text behind its delimiter.
    fn plain<'a>(&mut self, text: &'a [u8], delimiter: u8) -> Option<&'a [u8]> {
        let end = text.iter().position(|byte| *byte == delimiter);
        let cell = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        self.bytes.extend_from_slice(cell.trim_ascii());
        end.and_then(|end| text.get(end + 1..))
    }

    /// Takes a cell behind its opening quote. Text between the closing quote and the delimiter belongs to it.
    fn quoted<'a>(&mut self, mut text: &'a [u8], delimiter: u8) -> Option<&'a [u8]> {
        let start = self.bytes.len();
        loop {
            let Some(end) = text.iter().position(|byte| *byte == b'"') else {
                self.bytes.extend_from_slice(text);
                return None;
            };
            self.bytes.extend_from_slice(text.get(..end).unwrap_or_default());
            text = text.get(end + 1..).unwrap_or_default();
            if text.first() == Some(&b'"') {
                self.bytes.push(b'"');
                text = text.get(1..).unwrap_or_default();
            } else {
                break;
            }
        }
        let trimmed = self.bytes.get(start..).unwrap_or_default().trim_ascii().to_vec();
        self.bytes.truncate(start);
        self.bytes.extend(trimmed);
        self.plain(text, delimiter)
    }

    /// The number of cells.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell; empty where there is none.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(index).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default()
    }

    /// All cells as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        (0..self.len()).map(|index| String::from_utf8_lossy(self.get(index)).into_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_trimmed_and_unquoted() {
        let mut cells = Cells::default();
        for (record, delimiter, expected) in [
            ("a,b", b',', vec!["a", "b"]),
            (" a , b\t", b',', vec!["a", "b"]),
            ("", b',', vec![""]),
            ("a,,", b',', vec!["a", "", ""]),
            (r#""a,b", "c ""d""" ,e"#, b',', vec!["a,b", r#"c "d""#, "e"]),
            (r#"" GOOG ",1"#, b',', vec!["GOOG", "1"]),
            ("a\t\t b", b'\t', vec!["a", "", "b"]),
            ("\t\"b\"", b'\t', vec!["", "b"]),
            ("a;1,5;b", b';', vec!["a", "1,5", "b"]),
        ] {
            cells.split(record.as_bytes(), delimiter);
            assert_eq!(cells.texts(), expected, "{record:?}");
        }
        assert_eq!(cells.get(9), b"");
    }
}
