//! A map by channel and source that is looked up without copying either.

use std::{collections::HashMap, sync::Arc};

/// Channel and source, as the map shares them.
pub(super) type Names = (Arc<str>, Arc<str>);

/// Each channel's name is held once, whatever the number of its sources.
#[derive(Debug)]
pub(super) struct Pairs<T> {
    by_channel: HashMap<Arc<str>, HashMap<Arc<str>, T>>,
    len: usize,
}

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self { by_channel: HashMap::new(), len: 0 }
    }
}

impl<T> Pairs<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, channel: &str, source: &str) -> Option<&T> {
        self.by_channel.get(channel)?.get(source)
    }

    pub(super) fn get_mut(&mut self, channel: &str, source: &str) -> Option<&mut T> {
        self.by_channel.get_mut(channel)?.get_mut(source)
    }

    /// The names as this map shares them.
    pub(super) fn names(&self, channel: &str, source: &str) -> Option<Names> {
        let (channel, sources) = self.by_channel.get_key_value(channel)?;
        let (source, _) = sources.get_key_value(source)?;
        Some((Arc::clone(channel), Arc::clone(source)))
    }

    pub(super) fn insert(&mut self, channel: &str, source: &str, value: T) {
        if !self.by_channel.contains_key(channel) {
            self.by_channel.insert(channel.into(), HashMap::new());
        }
        let before = self.by_channel.get_mut(channel).and_then(|sources| sources.insert(source.into(), value));
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, channel: &str, source: &str) -> Option<T> {
        let sources = self.by_channel.get_mut(channel)?;
        let value = sources.remove(source)?;
        if sources.is_empty() {
            self.by_channel.remove(channel);
        }
        self.len -= 1;
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &T)> {
        self.by_channel
            .iter()
            .flat_map(|(channel, sources)| sources.iter().map(move |(source, value)| (channel, source, value)))
    }
}

impl<T: Default> Pairs<T> {
    /// Changes the value, made where there was none.
    pub(super) fn update<R>(&mut self, channel: &str, source: &str, change: impl FnOnce(&mut T) -> R) -> R {
        if let Some(value) = self.get_mut(channel, source) {
            return change(value);
        }
        let mut value = T::default();
        let result = change(&mut value);
        self.insert(channel, source, value);
        result
    }
}
