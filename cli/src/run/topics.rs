//! Channels by the topics of a cluster, at the topics of this run. Pure.

use intuition_api::topic::overlap;
use intuition_resources::Channels;

use super::names;

/// The topics of the feeds and indicators of a run.
pub(super) struct Topics<'a> {
    prefix: &'a str,
    /// The filter of a source's messages in a cluster, and that in this run.
    filters: Vec<(String, String)>,
}

impl<'a> Topics<'a> {
    pub(super) fn new(prefix: &'a str, filters: impl Iterator<Item = (String, String)>) -> Self {
        Self { prefix, filters: filters.collect() }
    }

    /// The channel in this run. A channel that selects a source of the run by its topic in a cluster gets the topic of the run,
    /// and the notes get a sentence about it. Any other channel stays as it is.
    pub(super) fn localised(&self, account: &str, channel: &str, notes: &mut Vec<String>) -> String {
        let means = |(cluster, run): &(String, String)| overlap(channel, cluster) && !overlap(channel, run);
        if !self.filters.iter().any(means) {
            return channel.to_owned();
        }
        let own = names::own_topic(channel, self.prefix);
        notes.push(format!("{account}: the channel {channel} is {own} in this run"));
        own
    }

    /// Changes the channels of an account as [`Self::localised`] does.
    pub(super) fn localise(&self, account: &str, channels: &mut Channels, notes: &mut Vec<String>) {
        let subscribed = channels.subscribe.iter_mut().flatten();
        let inputs = channels.inputs.iter_mut().flatten().map(|input| &mut input.topic);
        for channel in subscribed.chain(inputs) {
            *channel = self.localised(account, channel, notes);
        }
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::topic::PREFIX;
    use serde_json::{Value, from_value, json};

    use super::*;

    fn localised(channels: Value, prefix: &str) -> (Channels, Vec<String>) {
        let filters = ["feed.demo/quotes", "indicator.trend/joined"]
            .map(|topic| (format!("{PREFIX}/default/{topic}"), format!("{prefix}/default/{topic}")));
        let (mut channels, mut notes) = (from_value(channels).unwrap(), Vec::new());
        Topics::new(prefix, filters.into_iter()).localise("default/a", &mut channels, &mut notes);
        (channels, notes)
    }

    #[test]
    fn channels_that_mean_a_source_of_the_run_are_those_of_the_run() {
        let (channels, notes) = localised(
            json!({ "subscribe": [
                "intuition/default/feed.demo/quotes", "intuition/+/feed.demo/quotes", "quotes", "intuition/default/feed.other/quotes",
                "+/default/feed.demo/quotes", "intuition/default/indicator.trend/joined",
            ] }),
            names::LOCAL,
        );
        let expected = [
            "intuition-local/default/feed.demo/quotes",
            "intuition-local/+/feed.demo/quotes",
            "quotes",
            "intuition/default/feed.other/quotes",
            "+/default/feed.demo/quotes",
            "intuition-local/default/indicator.trend/joined",
        ];
        assert_eq!(channels.subscribe.unwrap(), expected);
        let first = "default/a: the channel intuition/default/feed.demo/quotes is intuition-local/default/feed.demo/quotes in this run";
        assert_eq!((notes.len(), notes[0].as_str()), (3, first));
        let input = json!({ "inputs": [{ "topic": "intuition/default/feed.demo/quotes", "symbols": ["A"] }] });
        let (channels, _) = localised(input, names::LOCAL);
        assert_eq!(channels.inputs.unwrap()[0].topic, "intuition-local/default/feed.demo/quotes");
    }

    #[test]
    fn channels_stay_where_the_run_has_the_topics_of_a_cluster() {
        let channels = json!({ "subscribe": ["intuition/default/feed.demo/quotes"] });
        let (after, notes) = localised(channels.clone(), PREFIX);
        assert_eq!((notes.len(), after), (0, from_value(channels).unwrap()));
    }
}
