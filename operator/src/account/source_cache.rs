//! The caches of feeds and indicators that accounts take quotes from.

use std::{sync::Arc, time::Duration};

use intuition_resources::{ChannelSource, Feed, Indicator, SourceName};
use kube::{
    ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use super::sources::KnownSources;
use crate::kubernetes::{
    call::CallError,
    object::{PartialObject, WatchedKind},
};

/// The caches of feeds and indicators.
pub(crate) struct SourceCache {
    pub(crate) feeds: Store<PartialObject<Feed>>,
    /// `None`: the accounts take no quotes from indicators.
    pub(crate) indicators: Option<Store<PartialObject<Indicator>>>,
    /// The only namespace that is watched; `None`: all of them.
    pub(crate) scope: Option<String>,
}

/// The resources that were found.
#[derive(Debug, Default)]
pub(crate) struct FoundSources {
    feeds: Vec<Arc<PartialObject<Feed>>>,
    indicators: Vec<Arc<PartialObject<Indicator>>>,
    scope: Option<String>,
}

impl FoundSources {
    /// For a plan.
    pub(crate) fn known(&self) -> KnownSources<'_> {
        KnownSources { feeds: &self.feeds, indicators: &self.indicators, scope: self.scope.as_deref() }
    }
}

impl SourceCache {
    /// The named sources of a resource in namespace `own` that exist, and the feeds of its indicators. Only a resource that
    /// names some waits for the caches, at most for `timeout`: an API server without these kinds, or without the right to
    /// list them, must not hold back other accounts.
    pub(crate) async fn find(
        &self,
        named: &[ChannelSource],
        own: &str,
        timeout: Duration,
    ) -> Result<FoundSources, CallError> {
        let mut found = FoundSources { scope: self.scope.clone(), ..FoundSources::default() };
        let indicators: Vec<_> = named.iter().filter(|source| source.indicator.is_some()).collect();
        if let Some(store) = self.indicators.as_ref().filter(|_| !indicators.is_empty()) {
            filled(store, timeout).await?;
            found.indicators = indicators.iter().filter_map(|source| get(store, source, own)).collect();
        }
        let of_indicators = found.indicators.iter().filter_map(|indicator| of_indicator(indicator));
        let feeds: Vec<_> = named.iter().filter(|source| source.feed.is_some()).cloned().chain(of_indicators).collect();
        if !feeds.is_empty() {
            filled(&self.feeds, timeout).await?;
            found.feeds = feeds.iter().filter_map(|source| get(&self.feeds, source, own)).collect();
        }
        Ok(found)
    }
}

async fn filled<K: WatchedKind>(store: &Store<PartialObject<K>>, timeout: Duration) -> Result<(), CallError> {
    // An error of the store itself means that the watch has ended, and with it the controller.
    drop(tokio::time::timeout(timeout, store.wait_until_ready()).await.map_err(|_| CallError::TimeOut)?);
    Ok(())
}

/// The feed that an indicator names.
fn of_indicator(indicator: &PartialObject<Indicator>) -> Option<ChannelSource> {
    let from = &indicator.parsed.as_ref().ok()?.spec.from;
    let namespace = from.namespace.clone().or_else(|| indicator.namespace());
    Some(ChannelSource::of_feed(from.feed.clone()?, namespace))
}

fn get<K: WatchedKind>(
    store: &Store<PartialObject<K>>,
    source: &ChannelSource,
    own: &str,
) -> Option<Arc<PartialObject<K>>> {
    let (SourceName::Feed(name) | SourceName::Indicator(name)) = source.named();
    store.get(&ObjectRef::new(name).within(source.namespace(own)))
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher::Event};
    use serde_json::{Value, from_value, json};

    use super::*;

    fn named(from: Value) -> Vec<ChannelSource> {
        from_value(from).unwrap()
    }

    fn object<K: WatchedKind>(kind: &str, namespace: &str, spec: &Value) -> PartialObject<K> {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": kind,
            "metadata": { "name": "btc", "namespace": namespace }, "spec": spec,
        }))
        .unwrap()
    }

    fn fill<K: WatchedKind>(writer: &mut reflector::store::Writer<PartialObject<K>>, found: Vec<PartialObject<K>>) {
        writer.apply_watcher_event(&Event::Init);
        for object in found {
            writer.apply_watcher_event(&Event::InitApply(object));
        }
        writer.apply_watcher_event(&Event::InitDone);
    }

    const TIMEOUT: Duration = Duration::from_secs(9);

    #[tokio::test(start_paused = true)]
    async fn only_accounts_of_sources_wait_for_their_lists() {
        let (feeds, mut writer) = reflector::store();
        let (indicators, mut of_indicators) = reflector::store();
        let cache = SourceCache { feeds, indicators: Some(indicators), scope: None };
        let of_feeds = named(json!([{ "feed": "btc" }, { "feed": "btc", "namespace": "m" }, { "feed": "gone" }]));
        let found = cache.find(&[], "n", TIMEOUT).await.unwrap();
        assert!(found.feeds.is_empty() && found.indicators.is_empty());
        let unread = cache.find(&of_feeds, "n", TIMEOUT).await;
        assert!(matches!(unread, Err(CallError::TimeOut)), "absent is not the same as unread");
        fill(&mut writer, ["m", "n", "x"].map(|namespace| object("Feed", namespace, &json!({}))).into());
        let found = cache.find(&of_feeds, "n", TIMEOUT).await.unwrap();
        assert_eq!(found.feeds.iter().map(|feed| feed.namespace().unwrap()).collect::<Vec<_>>(), ["n", "m"]);
        let of_indicator = named(json!([{ "indicator": "btc" }]));
        assert!(matches!(cache.find(&of_indicator, "n", TIMEOUT).await, Err(CallError::TimeOut)));
        let spec = json!({
            "from": { "feed": "btc", "namespace": "x" }, "compute": [{ "name": "vwap", "type": "VWAP" }],
        });
        fill(&mut of_indicators, vec![object("Indicator", "n", &spec)]);
        let found = cache.find(&of_indicator, "n", TIMEOUT).await.unwrap();
        let feeds: Vec<_> = found.feeds.iter().map(|feed| feed.namespace().unwrap()).collect();
        assert_eq!((found.indicators.len(), feeds), (1, vec!["x".to_owned()]), "with the feed of the indicator");
    }
}
