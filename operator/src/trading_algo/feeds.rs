//! The feeds that resources name in `spec.channels.from`.

use std::{sync::Arc, time::Duration};

use intuition_resources::{ChannelSource, Feed, TradingAlgo};
use kube::{
    ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use super::sources::KnownFeeds;
use crate::kubernetes::{call::CallError, object::PartialObject};

/// The cache of feeds.
pub(crate) struct Feeds {
    store: Store<PartialObject<Feed>>,
    /// The only namespace that is watched; `None`: all of them.
    scope: Option<String>,
}

impl Feeds {
    /// `scope`: the only namespace that the store's watch covers.
    pub(crate) fn new(store: Store<PartialObject<Feed>>, scope: Option<&str>) -> Self {
        Self { store, scope: scope.map(str::to_owned) }
    }

    /// The feeds that a resource names and that exist. Only a resource that names some waits for the cache, at most for
    /// `timeout`: an API server without the kind `Feed`, or without the right to list it, must not hold back other accounts.
    pub(crate) async fn named_by(
        &self,
        algo: &TradingAlgo,
        timeout: Duration,
    ) -> Result<Vec<Arc<PartialObject<Feed>>>, CallError> {
        let Some(named) = algo.spec.channels.as_ref().and_then(|channels| channels.from.as_ref()) else {
            return Ok(Vec::new());
        };
        // An error of the store itself means that the watch has ended, and with it the controller.
        drop(tokio::time::timeout(timeout, self.store.wait_until_ready()).await.map_err(|_| CallError::TimeOut)?);
        let own = algo.namespace().unwrap_or_default();
        let by_name = |source: &ChannelSource| ObjectRef::new(source.feed()).within(source.namespace(&own));
        Ok(named.iter().filter_map(|source| self.store.get(&by_name(source))).collect())
    }

    /// The feeds that were found, for a plan.
    pub(crate) fn known<'a>(&'a self, found: &'a [Arc<PartialObject<Feed>>]) -> KnownFeeds<'a> {
        KnownFeeds { found, scope: self.scope.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher::Event};
    use serde_json::{Value, from_value, json};

    use super::*;

    fn algo(channels: &Value) -> TradingAlgo {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo", "metadata": { "name": "a", "namespace": "n" },
            "spec": { "algorithm": { "builtin": "random" }, "channels": channels },
        }))
        .unwrap()
    }

    fn feed(namespace: &str) -> PartialObject<Feed> {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "Feed",
            "metadata": { "name": "btc", "namespace": namespace }, "spec": {},
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn only_accounts_of_feeds_wait_for_the_list_of_feeds() {
        let (store, mut writer) = reflector::store();
        let feeds = Feeds::new(store, None);
        let named =
            algo(&json!({ "from": [{ "feed": "btc" }, { "feed": "btc", "namespace": "m" }, { "feed": "gone" }] }));
        let timeout = Duration::from_secs(9);
        assert!(feeds.named_by(&algo(&json!({ "subscribe": ["quotes"] })), timeout).await.unwrap().is_empty());
        assert!(
            matches!(feeds.named_by(&named, timeout).await, Err(CallError::TimeOut)),
            "absent is not the same as unread"
        );
        writer.apply_watcher_event(&Event::Init);
        for namespace in ["m", "n", "x"] {
            writer.apply_watcher_event(&Event::InitApply(feed(namespace)));
        }
        writer.apply_watcher_event(&Event::InitDone);
        let found = feeds.named_by(&named, timeout).await.unwrap();
        assert_eq!(found.iter().map(|feed| feed.namespace().unwrap()).collect::<Vec<_>>(), ["n", "m"]);
    }
}
