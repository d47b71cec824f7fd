//! Opens a file or standard input, and recognises compression.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

use crate::{error::Problem, zstd::Frames};

/// The path that names standard input.
pub const STDIN: &str = "-";
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain text.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
}

/// A file that has been opened.
pub(crate) struct Opened {
    /// Its text, without a byte order mark.
    pub(crate) text: BufReader<Box<dyn Read + Send>>,
    pub(crate) compression: Compression,
    /// Bytes of a regular file.
    pub(crate) bytes: Option<u64>,
    /// Bytes of the file that were read, before decompression.
    pub(crate) taken: Arc<AtomicU64>,
}

/// Opens `path`; `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<Opened, Problem> {
    if path == Path::new(STDIN) {
        return recognise(Box::new(io::stdin()), None);
    }
    let file = File::open(path).map_err(Problem::Open)?;
    let metadata = file.metadata().map_err(Problem::Open)?;
    if metadata.is_dir() {
        return Err(Problem::Kind("a folder: name a file in it"));
    }
    recognise(Box::new(file), metadata.is_file().then_some(metadata.len()))
}

/// Recognises the compression by the first bytes.
pub(crate) fn recognise(source: Box<dyn Read + Send>, bytes: Option<u64>) -> Result<Opened, Problem> {
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Counted { source, taken: Arc::clone(&taken) };
    let mut packed = BufReader::with_capacity(BUFFER_BYTES, counted);
    let start = first_bytes(&mut packed)?;
    let (compression, plain): (_, Box<dyn Read + Send>) = match start {
        [0x1f, 0x8b, ..] => (Compression::Gzip, Box::new(MultiGzDecoder::new(packed))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => (Compression::Zstd, Box::new(Frames::new(packed))),
        _ => (Compression::None, Box::new(packed)),
    };
    let mut text = BufReader::with_capacity(BUFFER_BYTES, plain);
    let start = first_bytes(&mut text)?;
    if let Some(kind) = other_kind(start) {
        return Err(Problem::Kind(kind));
    }
    if start.starts_with(b"\xef\xbb\xbf") {
        text.consume(3);
    }
    if is_page(text.buffer()) {
        return Err(Problem::Kind("a web page: the address or the login is wrong, or the server reports an error"));
    }
    Ok(Opened { text, compression, bytes, taken })
}

/// The first bytes; fewer than four only at the end of the file or of a pipe's first part.
fn first_bytes(source: &mut impl BufRead) -> Result<&[u8], Problem> {
    let start = source.fill_buf().map_err(|cause| Problem::Read { line: 1, cause })?;
    Ok(start.get(..4).unwrap_or(start))
}

/// The kind of a file that is no text in UTF-8, with the remedy.
const fn other_kind(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Some("UTF-16, or no text: `iconv -f UTF-16 -t UTF-8 FILE` makes UTF-8 of it, and --feed - reads that")
        }
        [b'P', b'K', 3, 4] => Some("a zip archive: `unzip -p FILE` writes its text, and --feed - reads that"),
        [b'P', b'A', b'R', b'1'] => Some("a Parquet file: write it as CSV"),
        [0xfd, b'7', b'z', b'X'] => Some("compressed by xz: `xz -dc FILE` writes its text, and --feed - reads that"),
        [b'B', b'Z', b'h', _] => Some("compressed by bzip2: `bzip2 -dc FILE` writes its text, and --feed - reads that"),
        _ => None,
    }
}

/// Whether a text is HTML or XML, which web servers give in place of a file.
fn is_page(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let begins = |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    ["<!doctype", "<html", "<?xml"].into_iter().any(begins)
}

/// Counts the bytes that are read.
struct Counted {
    source: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
