//! The symbols that `spec.channels.inputs[]` lists for a topic.

use std::collections::HashSet;

use intuition_api::{topic, v1};

/// The inputs of one version of the channels, as the runtime sends them.
#[derive(Debug, Clone, Default)]
pub struct Inputs(Vec<Input>);

#[derive(Debug, Clone)]
struct Input {
    filter: String,
    /// Empty: all.
    symbols: HashSet<String>,
}

impl Inputs {
    /// Keeps the inputs of `Channels.inputs`.
    pub fn new(inputs: Vec<v1::Input>) -> Self {
        let input = |input: v1::Input| Input { filter: input.topic, symbols: input.symbols.into_iter().collect() };
        Self(inputs.into_iter().map(input).collect())
    }

    /// The symbols that the inputs of a topic list. Inputs overlap where several filters select the topic.
    pub fn on(&self, topic: &str) -> Listing<'_> {
        let of_topic = || self.0.iter().filter(|input| topic::matches(&input.filter, topic));
        Listing {
            symbols: of_topic().map(|input| &input.symbols).filter(|symbols| !symbols.is_empty()).collect(),
            takes_all: of_topic().any(|input| input.symbols.is_empty()),
        }
    }
}

/// The symbols listed for a topic. The default lists none: every symbol is taken, no name is known to be one.
#[derive(Debug, Clone, Default)]
pub struct Listing<'a> {
    symbols: Vec<&'a HashSet<String>>,
    takes_all: bool,
}

impl Listing<'_> {
    /// Whether a name is listed, which makes it a symbol even where it is reserved.
    pub(super) fn has(&self, name: &str) -> bool {
        self.symbols.iter().any(|symbols| symbols.contains(name))
    }

    /// Whether the list is complete: every symbol of interest is in it.
    pub(super) const fn is_complete(&self) -> bool {
        !self.symbols.is_empty() && !self.takes_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_of_every_input_that_selects_the_topic() {
        let input = |topic: &str, symbols: &[&str]| v1::Input {
            topic: topic.to_owned(),
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
        };
        let inputs = Inputs::new(vec![
            input("a/+", &["goog"]),
            input("a/#", &["ts"]),
            input("b", &[]),
            input("c", &["x"]),
            input("+", &[]),
        ]);
        let on = |topic: &str| {
            let listing = inputs.on(topic);
            (listing.has("goog"), listing.has("ts"), listing.has("x"), listing.is_complete())
        };
        assert_eq!(on("a/1"), (true, true, false, true));
        assert_eq!(on("a/1/2"), (false, true, false, true));
        assert_eq!(on("b"), (false, false, false, false));
        assert_eq!(on("c"), (false, false, true, false));
        assert_eq!(on("d/e"), (false, false, false, false));
    }
}
