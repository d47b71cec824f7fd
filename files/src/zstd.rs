//! Zstandard files: frames, one behind the other. The library decodes one frame at a time.

use std::{
    error::Error,
    io::{self, BufRead, ErrorKind, Read},
};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// Largest window of a frame, and so the bound on memory: that of `zstd -d`, 128 MiB.
const MAX_WINDOW_BYTES: u64 = 128 << 20;

/// The text of all frames.
pub(crate) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    is_within: bool,
}

impl<R: BufRead> Frames<R> {
    pub(crate) fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        Self { source, decoder, is_within: false }
    }

    /// Begins the next frame, or passes over one that holds no text.
    fn begin(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => self.is_within = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
            }
            Err(error) => return Err(as_io(error)),
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_within {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.begin()?;
                continue;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                self.is_within = false;
            } else {
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(as_io)?;
            }
        }
    }
}

/// A frame that ends too early is reported as such, whatever part of it lacks bytes.
fn as_io(error: FrameDecoderError) -> io::Error {
    let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |cause: &&(dyn Error + 'static)| {
        (*cause).source()
    });
    let is_short = causes
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::UnexpectedEof);
    io::Error::new(if is_short { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData }, error)
}
