//! The volume of a ledger: its size, its free space, and the space that the ledger takes.

use std::{fs::File, io};

use super::place::{Place, length};
use crate::ledger::Space;

/// Bytes that a process without privileges may still write on the file system of a file or folder.
pub(super) fn free_bytes(file: &File) -> io::Result<u64> {
    let found = rustix::fs::fstatvfs(file)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

impl Place {
    /// The space now. `file`: the ledger's, open.
    pub(super) fn space(&self, file: &File) -> io::Result<Space> {
        let log = length(&self.beside("-wal"))?.unwrap_or(0);
        let found = rustix::fs::fstatvfs(file)?;
        Ok(Space {
            ledger_bytes: file.metadata()?.len() + log,
            free_bytes: free_bytes(file)?,
            // As `df` counts: blocks that are reserved for root belong to no side.
            volume_bytes: (found.f_blocks - found.f_bfree + found.f_bavail).saturating_mul(found.f_frsize),
        })
    }
}
