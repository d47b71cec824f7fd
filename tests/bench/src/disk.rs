//! The disk's own figure: the time of one fdatasync.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    time::Instant,
};

use hdrhistogram::Histogram;

use crate::latency;

const PAGE: [u8; 4096] = [0x5a; 4096];
const PAGES: usize = 1_000;

/// Times of 1,000 syncs in a folder, microseconds: each follows a write of 4 KiB into a file that has its length
/// already, as the log of a ledger has.
pub fn syncs(folder: &Path) -> anyhow::Result<Histogram<u64>> {
    let path = folder.join("syncs");
    let mut file = File::create(&path)?;
    for _ in 0..PAGES {
        file.write_all(&PAGE)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let mut times = latency::micros()?;
    for _ in 0..PAGES {
        file.write_all(&PAGE)?;
        let start = Instant::now();
        file.sync_data()?;
        latency::record(&mut times, start.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}
