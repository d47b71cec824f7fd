//! Reconciling one `Feed`.

use intuition_resources::{FEED_KIND, Feed, FeedStatus};

use crate::kubernetes::object::WatchedKind;

impl WatchedKind for Feed {
    const KIND: &'static str = FEED_KIND;
    const RAW_FIELDS: &'static [&'static str] = &[];
    type Status = FeedStatus;
}
