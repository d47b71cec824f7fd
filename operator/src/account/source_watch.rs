//! The accounts that a feed or an indicator concerns: those that name it are woken where its topic may have changed.

use intuition_resources::{ChannelSource, Feed, Indicator, IndicatorSource, SourceName};
use kube::{
    Resource as _, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    kubernetes::object::{PartialObject, WatchedKind},
    reconcile::change_filter::ChangeFilter,
};

/// The part of a `Feed` on which accounts depend: its topic; `Err` if its spec cannot be parsed.
pub(crate) type FeedTopic = Result<Option<String>, ()>;

/// The part of an `Indicator` on which accounts depend: its source, and whether it publishes bars; `Err` if its spec cannot
/// be parsed.
pub(crate) type IndicatorInput = Result<(IndicatorSource, bool), ()>;

/// The resources that name this feed, by `named`, if it appeared, got another topic or was deleted.
pub(crate) fn takers_of_feed<K: WatchedKind>(
    store: &Store<PartialObject<K>>,
    known: &ChangeFilter<FeedTopic>,
    feed: &PartialObject<Feed>,
    named: fn(&K) -> Vec<ChannelSource>,
) -> Vec<ObjectRef<PartialObject<K>>> {
    let topic = feed.parsed.as_ref().map(|feed| feed.spec.publish.topic.clone()).map_err(|_| ());
    if !is_news(known, feed, topic) {
        return Vec::new();
    }
    takers(store, (&feed.namespace().unwrap_or_default(), SourceName::Feed(&feed.name_any())), named)
}

/// The resources that name this indicator, by `named`, if it appeared, got another source or was deleted.
pub(crate) fn takers_of_indicator<K: WatchedKind>(
    store: &Store<PartialObject<K>>,
    known: &ChangeFilter<IndicatorInput>,
    indicator: &PartialObject<Indicator>,
    named: fn(&K) -> Vec<ChannelSource>,
) -> Vec<ObjectRef<PartialObject<K>>> {
    let input = indicator.parsed.as_ref().map(|found| (found.spec.from.clone(), found.spec.bars.is_some()));
    if !is_news(known, indicator, input.map_err(|_| ())) {
        return Vec::new();
    }
    let name = indicator.name_any();
    takers(store, (&indicator.namespace().unwrap_or_default(), SourceName::Indicator(&name)), named)
}

/// Whether the fields of a source differ from those that were seen last. A deletion is news.
fn is_news<K: WatchedKind, F: PartialEq + Clone>(
    known: &ChangeFilter<F>,
    source: &PartialObject<K>,
    fields: F,
) -> bool {
    if source.meta().deletion_timestamp.is_some() {
        known.forget(source.uid_or_empty());
        return true;
    }
    known.replace(source.uid_or_empty(), fields.clone()) != Some(fields)
}

fn takers<K: WatchedKind>(
    store: &Store<PartialObject<K>>,
    (namespace, name): (&str, SourceName<'_>),
    named: fn(&K) -> Vec<ChannelSource>,
) -> Vec<ObjectRef<PartialObject<K>>> {
    let takes = |object: &PartialObject<K>| {
        let own = object.namespace().unwrap_or_default();
        let is_it = |source: &ChannelSource| source.named() == name && source.namespace(&own) == namespace;
        object.parsed.as_ref().is_ok_and(|parsed| named(parsed).iter().any(is_it))
    };
    store.state_filter(takes).iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}
