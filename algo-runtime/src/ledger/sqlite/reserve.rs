//! The reserve: a file beside an open ledger that is deleted when the disk is full, so that the next commits and an opening can
//! write.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
};

use super::place::Place;

/// Name of the reserve.
const RESERVE: &str = "ledger.reserve";
/// Its size: commits of some seconds, and the log and its index of an opening.
const BYTES: u64 = 1 << 20;
/// Free space from which on it is made: after a full disk there is room again.
const ROOM: u64 = 16 << 20;

impl Place {
    fn reserve(&self) -> PathBuf {
        self.dir().join(RESERVE)
    }

    /// Makes the reserve where it is not there and the volume has room for it. `free`: bytes that may still be written.
    pub(super) fn keep_reserve(&self, free: u64) -> io::Result<()> {
        let path = self.reserve();
        // A crash may have left a part of it.
        let is_whole = fs::metadata(&path).is_ok_and(|found| found.len() == BYTES);
        if is_whole || free < ROOM {
            return Ok(());
        }
        let written = File::create(&path).and_then(|mut file| {
            let block = vec![0; 64 << 10];
            for _ in 0..BYTES / block.len() as u64 {
                file.write_all(&block)?;
            }
            // Many file systems allocate blocks no sooner.
            file.sync_all()
        });
        written.inspect_err(|_| {
            self.release_reserve();
        })
    }

    /// Deletes the reserve. Returns whether it was there.
    pub(super) fn release_reserve(&self) -> bool {
        fs::remove_file(self.reserve()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn reserve_is_made_where_there_is_room_and_anew_where_a_part_is_left() {
        let dir = tempdir().unwrap();
        let place = Place::new(dir.path());
        let length = || fs::metadata(dir.path().join(RESERVE)).map(|found| found.len()).ok();
        place.keep_reserve(ROOM - 1).unwrap();
        assert_eq!(length(), None);
        place.keep_reserve(ROOM).unwrap();
        assert_eq!(length(), Some(BYTES));
        File::create(dir.path().join(RESERVE)).unwrap();
        place.keep_reserve(ROOM).unwrap();
        assert_eq!(length(), Some(BYTES));
        place.keep_reserve(0).unwrap();
        assert_eq!(length(), Some(BYTES), "it stays where there is no room");
        assert!(place.release_reserve() && !place.release_reserve());
        assert_eq!(length(), None);
    }
}
