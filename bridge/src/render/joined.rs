//! A quote with the indicators that include it, and the value of one indicator, as JSON.

use std::borrow::Cow;

use bytes::Bytes;
use intuition_api::{
    indicator::ONLY_VALUE,
    quote::{QuoteDetails, interval_text},
    v1::{Indicator, IndicatorValue, Joined},
};
use intuition_common::clock::rfc3339_micros;
use serde::{Serialize, Serializer};

use super::json;

/// Identity of the quote, which all elements of its message have.
#[derive(Clone, Copy, Serialize)]
struct IdentityView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
}

/// An indicator: with `value` where it has one value, otherwise with `values`.
#[derive(Serialize)]
struct IndicatorView<'a> {
    indicator: &'a str,
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Members<'a>>,
    time: String,
    #[serde(flatten)]
    identity: IdentityView<'a>,
}

/// Prices are text, so that no digit of them changes.
#[derive(Serialize)]
struct QuoteView<'a> {
    sid: &'a str,
    quote: &'a str,
    time: String,
    #[serde(flatten)]
    identity: IdentityView<'a>,
    #[serde(flatten)]
    details: DetailsView<'a>,
}

/// The values beside the price that the quote has.
struct DetailsView<'a>(Option<&'a QuoteDetails>);

impl Serialize for DetailsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decimals = self.0.map(QuoteDetails::decimals).into_iter().flatten();
        let decimals = decimals.filter_map(|(name, text)| Some((name, Cow::Borrowed(text?))));
        let interval = self.0.and_then(|details| details.interval_micros);
        let interval = interval.map(|micros| ("interval", Cow::Owned(interval_text(micros))));
        serializer.collect_map(decimals.chain(interval))
    }
}

/// An element of the array.
#[derive(Serialize)]
#[serde(untagged)]
enum Element<'a> {
    Indicator(IndicatorView<'a>),
    Quote(Box<QuoteView<'a>>),
}

/// Values as the members of an object, in their order.
struct Members<'a>(&'a [IndicatorValue]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|IndicatorValue { name, value }| (name, value)))
    }
}

/// The message: an array of the indicators, and the quote as its last element.
pub(super) fn payload(joined: &Joined) -> Bytes {
    let indicators = joined.indicators.iter().map(|indicator| Element::Indicator(indicator_view(joined, indicator)));
    let quote = quote_view(joined).map(|view| Element::Quote(Box::new(view)));
    json(&indicators.chain(quote).collect::<Vec<_>>())
}

/// One of its indicators, as an element of the array.
pub fn element(joined: &Joined, indicator: &Indicator) -> Bytes {
    json(&indicator_view(joined, indicator))
}

/// The user properties of the message.
pub(super) fn marks(joined: &Joined) -> Vec<(String, String)> {
    let marks = [
        joined.replay.then_some(("replay", "true")),
        joined.backfill.then_some(("backfill", "true")),
        joined.sparse.then_some(("numbering", "sparse")),
    ];
    marks.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn identity(Joined { source, seq, id, .. }: &Joined) -> IdentityView<'_> {
    IdentityView { source, seq: *seq, id }
}

fn indicator_view<'a>(joined: &'a Joined, indicator: &'a Indicator) -> IndicatorView<'a> {
    let Indicator { name, sid, values, time_micros } = indicator;
    let only = match values.as_slice() {
        [IndicatorValue { name, value }] if name == ONLY_VALUE => Some(value.as_str()),
        _ => None,
    };
    IndicatorView {
        indicator: name,
        sid,
        value: only,
        values: only.is_none().then_some(Members(values)),
        time: rfc3339_micros(*time_micros),
        identity: identity(joined),
    }
}

fn quote_view(joined: &Joined) -> Option<QuoteView<'_>> {
    let quote = joined.quote.as_ref()?;
    Some(QuoteView {
        sid: &quote.sid,
        quote: &quote.price,
        time: rfc3339_micros(quote.time_micros),
        identity: identity(joined),
        details: DetailsView(quote.details.as_deref()),
    })
}

#[cfg(test)]
mod tests {
    use intuition_api::{
        topic::OwnTopics,
        v1::{Quote, outbox_entry::Content, tick},
    };

    use super::{
        super::{message, topic},
        *,
    };
    use crate::message::{Envelope, OnTopic};

    const ACCOUNT: &str = "desk/indicator.trend";

    fn value(name: &str, value: &str) -> IndicatorValue {
        IndicatorValue { name: name.to_owned(), value: value.to_owned() }
    }

    fn indicator(name: &str, values: Vec<IndicatorValue>) -> Indicator {
        Indicator { name: name.to_owned(), sid: "BRK \"B\"".to_owned(), values, time_micros: 951_868_800_000_007 }
    }

    fn quote(details: Option<QuoteDetails>) -> Quote {
        Quote {
            sid: "BRK \"B\"".to_owned(),
            price: "130.3100000001".to_owned(),
            time_micros: 951_868_800_000_007,
            details: details.map(Box::new),
        }
    }

    fn joined(indicators: Vec<Indicator>) -> Joined {
        let (quote, source) = (Some(quote(None)), "nyse".to_owned());
        Joined { indicators, quote, source, seq: Some(17), ..Joined::default() }
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn message_is_an_array_of_the_indicators_and_the_quote() {
        let sma = indicator("sma-20", vec![value("value", "44.104")]);
        let macd = indicator("macd", vec![value("line", "-0.4377327039"), value("signal", "0")]);
        let expected = [
            r#"[{"indicator":"sma-20","sid":"BRK \"B\"","value":"44.104","time":"2000-03-01T00:00:00.000007Z","#,
            r#""source":"nyse","seq":17},"#,
            r#"{"indicator":"macd","sid":"BRK \"B\"","values":{"line":"-0.4377327039","signal":"0"},"#,
            r#""time":"2000-03-01T00:00:00.000007Z","source":"nyse","seq":17},"#,
            r#"{"sid":"BRK \"B\"","quote":"130.3100000001","time":"2000-03-01T00:00:00.000007Z","#,
            r#""source":"nyse","seq":17}]"#,
        ];
        let message = joined(vec![sma, macd]);
        assert_eq!(text(&payload(&message)), expected.concat());
        let one = element(&message, &message.indicators[0]);
        assert_eq!(text(&one), &expected[..2].concat()[1..expected[..2].concat().len() - 1]);
    }

    #[test]
    fn one_value_of_another_name_is_among_values() {
        let view = element(&joined(Vec::new()), &indicator("k", vec![value("k", "1")]));
        assert!(text(&view).contains(r#""values":{"k":"1"}"#), "{view:?}");
    }

    #[test]
    fn quote_alone_is_published_where_no_indicator_is_ready() {
        let message = Joined { source: String::new(), seq: None, id: "a-1".to_owned(), ..joined(Vec::new()) };
        let expected =
            r#"[{"sid":"BRK \"B\"","quote":"130.3100000001","time":"2000-03-01T00:00:00.000007Z","id":"a-1"}]"#;
        assert_eq!(text(&payload(&message)), expected);
    }

    #[test]
    fn it_goes_to_the_topic_of_the_indicator_with_its_marks() {
        let topics = OwnTopics::new("trading", ACCOUNT, None);
        let all = Joined { replay: true, sparse: true, backfill: true, ..joined(Vec::new()) };
        let sent = |joined| {
            let content = Content::Joined(joined);
            message(ACCOUNT, &topic(&topics, &content), &content)
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("replay", "true"), pair("backfill", "true"), pair("numbering", "sparse")];
        let marked = sent(all);
        assert_eq!(
            (marked.topic.as_str(), &marked.user_properties[..]),
            ("trading/desk/indicator.trend/joined", &expected[..])
        );
        assert!(sent(joined(Vec::new())).user_properties.is_empty());
        assert_eq!(topic(&OwnTopics::new("trading", "desk/trend", None), &Content::Joined(Joined::default())), "");
    }

    /// Reads the quote of a message as a bridge of another account does.
    #[test]
    fn bridge_reads_the_quote_as_it_was() {
        let some = |text: &str| Some(text.to_owned());
        let details = QuoteDetails {
            size: some("0.00000001"),
            open: some("130"),
            high: some("131.5"),
            low: some("0.0000000001"),
            volume: some("9999999999999999999999999999.99999999"),
            bid: some("130.3"),
            ask: some("130.32"),
            interval_micros: Some(90_000_000),
        };
        let identities =
            [("nyse", Some(17), ""), ("", None, "a-1"), ("nyse", None, "a-1"), ("nyse", Some(i64::MAX), "")];
        let all = [None, Some(details)]
            .into_iter()
            .flat_map(|details| identities.map(|identity| (details.clone(), identity)));
        for (details, (source, seq, id)) in all {
            for time_micros in [951_868_800_000_007, 0, -1, 999_999, 4_102_444_800_000_000] {
                let quote = Quote { time_micros, ..quote(details.clone()) };
                let (source, id) = (source.to_owned(), id.to_owned());
                let sent = Joined { quote: Some(quote.clone()), source, seq, id, sparse: true, ..Joined::default() };
                let content = Content::Joined(sent.clone());
                let message = message(ACCOUNT, "t", &content);
                let envelope = Envelope {
                    payload: &message.payload,
                    user_properties: &message.user_properties,
                    input: OnTopic::default(),
                    arrived_micros: 1,
                };
                let parsed = envelope.parse();
                let [tick] = parsed.ticks.as_slice() else { panic!("{parsed:?}") };
                assert_eq!(tick.content, Some(tick::Content::Quote(quote)));
                assert_eq!((&tick.source, tick.seq, &tick.id), (&sent.source, sent.seq, &sent.id));
                assert_eq!(parsed.notes, crate::message::Notes::default());
                let marks = envelope.marks();
                assert!(marks.sparse && !marks.replay && !marks.backfill);
            }
        }
    }
}
