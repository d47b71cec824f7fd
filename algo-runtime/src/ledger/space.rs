//! The space of a ledger and of its volume.

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The ledger's file and its write-ahead log.
    pub ledger_bytes: u64,
    /// Bytes that a process without privileges may still write on the volume.
    pub free_bytes: u64,
    /// Size of the volume without the blocks that are reserved for root; 0 where the file system reports none.
    pub volume_bytes: u64,
}

impl Space {
    /// Bytes of the volume that are used.
    pub const fn used_bytes(&self) -> u64 {
        self.volume_bytes.saturating_sub(self.free_bytes)
    }

    /// The used part of the volume in percent, rounded down; 0 for a volume without a size.
    pub fn used_percent(&self) -> u64 {
        let percent = u128::from(self.used_bytes()) * 100 / u128::from(self.volume_bytes.max(1));
        // At most 100.
        u64::try_from(percent).unwrap_or(100)
    }
}
