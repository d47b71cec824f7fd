//! A feed publishes the rows of files as quotes, merged by time.
//!
//! - [`files`]: opens and checks the files. [`resume`]: where accounts stand in them, and whether they have changed.
//! - [`source`]: names of sources. [`positions`]: hashes beside the ledgers.
//! - [`reading`]: reads rows on a thread. [`quote`]: a row as a message. [`publisher`]: publishes within the bounds of
//!   [`flight`] and [`rate`].
//! - [`inspect`]: `intuition feed inspect`.

pub(crate) mod files;
pub(crate) mod flight;
pub(crate) mod inspect;
pub(crate) mod positions;
pub(crate) mod publisher;
pub(crate) mod quote;
pub(crate) mod rate;
pub(crate) mod reading;
pub(crate) mod resume;
pub(crate) mod source;
