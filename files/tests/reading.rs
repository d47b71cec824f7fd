//! Files as they come: read whole, bad ones included.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fs, io::Write as _, path::PathBuf};

use flate2::{Compression as Level, write::GzEncoder};
use quote_files::{Compression, Content, FileError, Merged, Options, Problem, QuoteFile};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::TempDir;

const HEAD: &str = "time,sid,close\n";

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn source(bytes: &[u8], options: &Options) -> Result<QuoteFile, FileError> {
    QuoteFile::from_source(Box::new(std::io::Cursor::new(bytes.to_vec())), "q.csv", options)
}

/// Each row: its number, its line, and its price or its complaint.
fn rows(file: &mut QuoteFile) -> Vec<(u64, u64, String)> {
    std::iter::from_fn(|| file.next_row().unwrap()).map(|row| (row.number, row.line, shown(&row.content))).collect()
}

fn shown(content: &Content) -> String {
    match content {
        Content::Quote(row) => row.price.to_string(),
        Content::NoPrice => "none".to_owned(),
        Content::Unusable { complaint, .. } => complaint.clone(),
    }
}

fn minutes(count: usize) -> String {
    let row = |minute: usize| format!("{},GOOG,{}\n", 946_684_800 + minute * 60, minute + 1);
    (0..count).map(row).collect()
}

fn refusal(bytes: &[u8], options: &Options) -> String {
    match source(bytes, options) {
        Ok(file) => file.check(false).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn compressed_files_are_recognised_also_in_several_parts() {
    let text = format!("{HEAD}{}", minutes(50_000));
    let (one, other) = text.split_at(300_000);
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |text: &str| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    for (bytes, compression) in [
        (text.as_bytes().to_vec(), Compression::None),
        (gzip(&text), Compression::Gzip),
        ([gzip(one), gzip(other)].concat(), Compression::Gzip),
        (zstd(&text), Compression::Zstd),
        ([zstd(one), skippable.to_vec(), zstd(other)].concat(), Compression::Zstd),
    ] {
        let mut file = source(&bytes, &Options::default()).unwrap();
        assert_eq!(file.compression(), compression);
        let rows = rows(&mut file);
        assert_eq!((rows.len(), rows.last().unwrap().2.as_str()), (50_000, "50000"), "{compression:?}");
    }
}

#[test]
fn a_compressed_file_that_is_cut_short_is_an_error_at_its_line() {
    let text = format!("{HEAD}{}", minutes(50_000));
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let zstd = compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
    for whole in [gzip, zstd] {
        let cut = whole.get(..whole.len() - 20).unwrap();
        let mut file = source(cut, &Options::default()).unwrap();
        let error = loop {
            match file.next_row() {
                Ok(row) => assert!(row.is_some(), "the end came without an error"),
                Err(error) => break error,
            }
        };
        let text = error.to_string();
        assert!(matches!(error.problem, Problem::Read { line: 10_000.., .. }), "{text}");
        assert!(text.ends_with("; the compressed file is cut short: fetch it again"), "{text}");
        let start = whole.get(..200).unwrap();
        assert!(refusal(start, &Options::default()).contains("is cut short"));
    }
}

#[test]
fn files_that_are_no_text_are_refused_with_the_command_that_makes_text() {
    let utf16 = |mark: &[u8]| [mark, &HEAD.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<_>>()].concat();
    for (bytes, expected) in [
        (utf16(b"\xff\xfe"), "q.csv: is UTF-16, or no text: `iconv -f UTF-16 -t UTF-8 FILE`"),
        (utf16(b""), "q.csv: is UTF-16"),
        (b"PK\x03\x04rest".to_vec(), "q.csv: is a zip archive: `unzip -p FILE`"),
        (b"PAR1rest".to_vec(), "q.csv: is a Parquet file"),
        (b"\r\n<!DOCTYPE html><title>Log in</title>".to_vec(), "q.csv: is a web page: "),
        (b"<?xml version=\"1.0\"?><Error/>".to_vec(), "q.csv: is a web page: "),
        (b"\xfd7zXZ\0".to_vec(), "q.csv: is compressed by xz"),
        (b"".to_vec(), "q.csv: is empty"),
        (b" \n\n".to_vec(), "q.csv: is empty"),
        (HEAD.as_bytes().to_vec(), "q.csv: holds no quotes"),
    ] {
        let refusal = refusal(&bytes, &Options::default());
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    let folder = TempDir::new().unwrap();
    let error = QuoteFile::open(folder.path(), &Options::default()).err().unwrap().to_string();
    assert!(error.ends_with("is a folder: name a file in it"), "{error}");
    assert!(QuoteFile::open(&folder.path().join("none.csv"), &Options::default()).is_err());
}

#[test]
fn bad_rows_are_refused_with_line_value_and_remedy_before_the_run() {
    for (text, expected) in [
        (
            "2024-01-02,A,1\n\n2024-01-03,A,n/a\n",
            r#"line 4: close: "n/a" is not a decimal number; --allow-bad-lines passes"#,
        ),
        ("2024-01-02,A,1\n2024-01-03,A\n", r#"line 3: has 2 columns, the header 3: "2024-01-03,A"; --allow-bad-lines"#),
        (
            "2024-01-02,A,1\n2024-01-03 09:30,A,2\n",
            r#"line 3: time: "2024-01-03 09:30" is 2026-01-02 09:30:00, without a zone, and line 2 has a date"#,
        ),
        ("2024-01-02,A,1\ntime,sid,close\n2024-01-03,A,2\n", "line 3: is the header once more; --allow-bad-lines"),
        ("2024-01-02,A,1\n2024-01-03,A\0,2\n", r#"line 3: holds a NUL byte: "2024-01-03,A\0,2"; --allow-bad-lines"#),
        (
            "2024-01-02,A,1\n2024-01-02,A,1\n2024-01-03,A,2\n",
            "line 3: repeats A at 2024-01-02T00:00:00Z of line 2; --allow-bad-lines",
        ),
        (
            "2024-01-02,A,1\n2024-01-04,A,1\n2024-01-05,A,1\n2024-01-03,A,2\n",
            "line 5: the time 2024-01-03T00:00:00Z of A is before",
        ),
        ("yesterday,A,1\ntoday,A,2\n", "none of the first 2 rows can be used: --time-column and --time-format"),
        (
            "2024-01-02,A,x\n2024-01-03,A,y\n",
            r#"line 2: close: "x" is not a decimal number; none of the first 2 rows can be used: --price-column"#,
        ),
        ("2024-01-02,A,\n2024-01-03,A,null\n", "line 2: has no price; none of the first 2 rows"),
        (
            "2024-01-03,A,1\n2024-01-02,A,1\n2024-01-01,A,2\n",
            "line 3: the time 2024-01-02T00:00:00Z of A is before 2024-01-03T00:00:00Z in line 2; the file is newest first: --reverse",
        ),
        ("2024-01-03,A,\"1\n2024-01-02,A,1\n", r#"line 2: a quote (") opens a cell that nothing closes"#),
    ] {
        let refusal = refusal(format!("{HEAD}{text}").as_bytes(), &Options::default());
        assert!(refusal.starts_with("q.csv: line ") && refusal.contains(expected), "{refusal}");
    }
    let long = refusal(
        format!("{HEAD}2024-01-02,A,1\n2024-01-03,A,{}\n", "1".repeat(5_000_000)).as_bytes(),
        &Options::default(),
    );
    assert!(long.starts_with("q.csv: line 3: has more than 65536 bytes: ") && long.len() < 300, "{long}");
    let header = refusal(format!("{}\n", "x".repeat(3_000_000)).as_bytes(), &Options::default());
    assert!(header.starts_with("q.csv: line 1: has more than 65536 bytes: ") && header.len() < 300, "{header}");
}

#[test]
fn with_bad_lines_allowed_the_others_are_read_and_keep_their_numbers() {
    let text = "2024-01-02,A,1\n2024-01-03,A,n/a\n2024-01-04,A,\n2024-01-05,A,4\n";
    let mut file = source(format!("{HEAD}{text}").as_bytes(), &Options::default()).unwrap();
    assert!(file.check(true).is_ok() && file.check(false).is_err());
    let expected = [(1, 2, "1"), (2, 3, r#"close: "n/a" is not a decimal number"#), (3, 4, "none"), (4, 5, "4")];
    assert_eq!(rows(&mut file), expected.map(|(number, line, shown)| (number, line, shown.to_owned())));
}

#[test]
fn a_bad_row_far_behind_the_check_is_found_with_its_line() {
    let text = format!("{HEAD}{}", minutes(1_000_000));
    let text = text.replace(&format!("{},GOOG,1000000\n", 946_684_800 + 999_999_u64 * 60), "946684800,GOOG\n");
    let mut file = source(text.as_bytes(), &Options::default()).unwrap();
    file.check(false).unwrap();
    let last = std::iter::from_fn(|| file.next_row().unwrap()).last().unwrap();
    assert_eq!((last.number, last.line), (1_000_000, 1_000_001));
    assert!(shown(&last.content).starts_with("has 2 columns, the header 3"), "{}", shown(&last.content));
    let error = file.refuse(last.line, &shown(&last.content)).to_string();
    assert!(error.starts_with("q.csv: line 1000001: has 2 columns") && error.ends_with("and lists them"), "{error}");
}

#[test]
fn a_file_that_is_newest_first_is_read_from_its_end() {
    let options = Options { reverse: true, digests: true, ..Options::default() };
    let text = format!("{HEAD}2024-01-04,A,3\r\n\r\n2024-01-03,A,2\r\n2024-01-02,A,1");
    let mut file = source(text.as_bytes(), &options).unwrap();
    file.check(false).unwrap();
    let expected = [(1, 5, "1"), (2, 4, "2"), (3, 2, "3")];
    assert_eq!(rows(&mut file), expected.map(|(number, line, shown)| (number, line, shown.to_owned())));
    let turned = format!("{HEAD}2024-01-02,A,1\n2024-01-03,A,2\n2024-01-04,A,3\n");
    let refusal = refusal(turned.as_bytes(), &options);
    assert!(refusal.ends_with("the file is oldest first: it is read without --reverse"), "{refusal}");
    // New rows come on top: the rows that were there keep number and hash.
    let longer = text.replace(HEAD, &format!("{HEAD}2024-01-05,A,4\n"));
    let digest = |text: &str| {
        let mut file = source(text.as_bytes(), &options).unwrap();
        std::iter::from_fn(|| file.next_row().unwrap()).nth(2).unwrap().digest
    };
    assert_eq!(digest(&text), digest(&longer));
    assert!(digest(&text).is_some());
}

#[test]
fn choices_that_change_the_prices_or_the_times_are_reported() {
    let goog = Options { sid: Some("GOOG".to_owned()), ..Options::default() };
    let yahoo = source(b"Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,1,1,1,1,0.5,9\n", &goog).unwrap();
    assert_eq!(
        yahoo.notes(),
        ["q.csv: Yahoo: the price is Close; --price-column \"Adj Close\" takes the prices that are adjusted"]
    );
    let zone = source(format!("{HEAD}2024-01-02 09:30:00,A,1\n").as_bytes(), &Options::default()).unwrap();
    assert_eq!(zone.notes(), ["q.csv: the times have no zone and are read as UTC; --time-zone names another one"]);
    assert!(source(format!("{HEAD}2024-01-02,A,1\n").as_bytes(), &Options::default()).unwrap().notes().is_empty());
}

fn merged(folder: &TempDir, files: &[(&str, &str)]) -> Vec<(usize, u64, String)> {
    let files = files.iter().map(|(name, text)| {
        let path = written(folder, name, format!("{HEAD}{text}").as_bytes());
        QuoteFile::open(&path, &Options::default()).unwrap()
    });
    let mut merged = Merged::new(files.collect());
    std::iter::from_fn(|| merged.next_row().unwrap())
        .map(|(file, row)| (file, row.number, shown(&row.content)))
        .collect()
}

#[test]
fn files_that_overlap_are_merged_by_time_and_a_quote_in_both_is_refused() {
    let folder = TempDir::new().unwrap();
    let rows = merged(
        &folder,
        &[("a.csv", "2024-01-02,A,1\n2024-01-04,A,3\n2024-01-05,A,5\n"), ("b.csv", "2024-01-03,B,2\n2024-01-04,B,4\n")],
    );
    let prices: Vec<_> = rows.iter().map(|(_, _, shown)| shown.as_str()).collect();
    assert_eq!(prices, ["1", "2", "3", "4", "5"]);
    let rows = merged(
        &folder,
        &[("a.csv", "2024-01-02,A,1\n2024-01-03,A,2\n"), ("b.csv", "2024-01-03,A,2\n2024-01-04,A,3\n")],
    );
    let [_, _, (1, 1, repeated), _] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(
        repeated.starts_with("repeats A at 2024-01-03T00:00:00Z of line 3 of ") && repeated.ends_with("a.csv"),
        "{repeated}"
    );
    let open = |name: &str| QuoteFile::open(&folder.path().join(name), &Options::default()).unwrap();
    let mut both = Merged::new(vec![open("a.csv"), open("b.csv")]);
    let error = both.check(false).unwrap_err().to_string();
    assert!(error.contains("b.csv: line 2: repeats A at ") && error.ends_with("and lists them"), "{error}");
    let mut both = Merged::new(vec![open("a.csv"), open("b.csv")]);
    both.check(true).unwrap();
    assert_eq!(std::iter::from_fn(|| both.next_row().unwrap()).count(), 4);
    let rows = merged(&folder, &[("a.csv", "2024-01-03,A,1\n2024-01-02,B,2\n"), ("b.csv", "2024-01-04,C,2\n")]);
    assert!(rows[1].2.contains("files that are merged have to be in the order of time"), "{rows:?}");
}
