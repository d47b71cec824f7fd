//! The filters of a session that the broker has lost.

use super::{Held, Standing, standing};

/// The filters of a session that the broker has lost: copies of its messages may still wait.
#[derive(Debug, Default)]
pub struct LostFilters(Vec<Held>);

impl LostFilters {
    pub(super) const fn new(held: Vec<Held>) -> Self {
        Self(held)
    }

    /// The standing of a message that came for subscriptions with these identifiers. `None`: the runtime never named the filters.
    pub fn standing(&self, topic: &str, subscription_ids: &[u32]) -> Option<Standing> {
        (!self.0.is_empty()).then(|| standing::among(&self.0, topic, subscription_ids))
    }
}
