//! Hashes of the rows of a file, by which a later reading recognises that a row has changed.

use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub type Digest = [u8; 32];

/// The SHA-256 of all rows up to one, each followed by a line feed: other line ends or another compression change nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Sha256);

impl Running {
    /// Adds a row, and returns the hash up to it.
    pub(crate) fn add(&mut self, record: &[u8]) -> Digest {
        self.0.update(record);
        self.0.update(b"\n");
        self.0.clone().finalize().into()
    }
}

/// The first eight digits of a row's hash: part of the source names of earlier releases.
pub(crate) fn short(record: &[u8]) -> String {
    let mut digits = hex::encode(Sha256::digest(record.trim_ascii()));
    digits.truncate(8);
    digits
}
