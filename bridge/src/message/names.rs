//! Names that are no symbol in a price map: members that quotes, trades, bars and measurements have everywhere.
//!
//! A map of symbols to prices looks like any other object of numbers, and a wrong trade cannot be taken back. So these
//! names are refused as symbols unless the input lists them. The list leaves out words with capitals that are widely traded
//! symbols (`cost`, `key`, `net`, `now`, `spot`, ...).

use std::{collections::HashSet, sync::LazyLock};

/// Reserved names, by subject. Words of one name are joined by `_`.
const GROUPS: [(&str, &str); 8] = [
    (
        "quote and event",
        "sid symbol quote price indicator id time source seq sequence numbering replay specversion type subject data \
         data_base64 data_content_type data_schema",
    ),
    (
        "time",
        "ts timestamp date datetime date_time epoch epoch_ms unix unix_time time_ms ts_ms timestamp_ms timezone \
         open_time close_time event_time trade_time server_time local_time transaction_time transact_time \
         created created_at updated updated_at received_at last_updated last_changed last_seen last_update modified \
         last_modified published published_at start end expires expiry expiration interval period latency latency_ms \
         elapsed ts_event ts_recv ts_init",
    ),
    (
        "price",
        "last last_price last_px last_trade bid bid_price bid_px best_bid best_bid_price ask ask_price ask_px \
         best_ask best_ask_price mid mid_price mark_price index_price oracle_price open open_price high \
         high_price low low_price close close_price last_close adj_close adj_close_price adjusted_close \
         prev_close prev_close_price prev_price previous_close open_24h high_24h low_24h price_24h high_price_24h \
         low_price_24h day_open day_high day_low day_close vwap twap average_price avg_price weighted_avg_price \
         settle_price settlement_price strike strike_price current_price market_price stock_price asset_price unit_price \
         total_price limit_price stop_price entry_price exit_price fill_price fair_price reference_price \
         theoretical_price regular_market_price regular_market_open regular_market_change regular_market_volume \
         regular_market_day_high regular_market_day_low regular_market_previous_close regular_market_time \
         fifty_two_week_high fifty_two_week_low week_52_high week_52_low amount value spread",
    ),
    (
        "size",
        "volume vol size sz qty quantity bid_size bid_sz bid_qty bid_volume best_bid_size best_bid_qty ask_size \
         ask_sz ask_qty ask_volume best_ask_size best_ask_qty last_size last_sz last_qty last_volume volume_24h \
         vol_24h vol_ccy_24h vol_ccy vol_ccy_quote volume_30d turnover turnover_24h quote_volume base_volume \
         day_volume total_volume open_interest market_cap depth bids asks trades trade_count num_trades lot_size \
         tick_size",
    ),
    (
        "change and rate",
        "change change_24h change_percent change_pct percent percent_change pct pct_change price_change \
         price_change_percent day_change yield dividend volatility implied_volatility rate rates funding_rate \
         next_funding_time interest_rate fee fees commission",
    ),
    (
        "instrument and identity",
        "ticker instrument instrument_id inst_id inst_type instrument_type product product_id pair asset asset_id \
         isin cusip figi sedol ric currency ccy base base_currency base_asset quote_currency quote_asset exchange \
         exchange_id venue market market_id mic name side event event_id event_type channel topic stream message \
         message_id msg_id msg_type trade_id first_trade_id last_trade_id first_id last_id order_id \
         client_order_id user_id client_id account_id transaction_id request_id update_id first_update_id \
         last_update_id final_update_id sequence_number seq_num seq_id prev_seq_id uuid guid nonce checksum hash \
         version revision status state code error offset partition",
    ),
    ("statistics", "min max mean median avg average sum total count std stddev variance index"),
    (
        "devices",
        "temperature temp temp_unit temperature_unit humidity pressure dew_point battery battery_level \
         battery_voltage voltage current power power_factor apparent_power reactive_power energy energy_today \
         frequency illuminance brightness co2 tvoc voc pm1 pm10 pm25 pm2_5 moisture rssi snr lqi link_quality \
         signal signal_strength uptime heap free_heap latitude longitude altitude lat lon speed distance level \
         reading measurement sensor sensor_id device device_id device_class entity_id friendly_name attributes \
         unit_of_measurement yesterday today weight color_temp soil_moisture wind_speed rainfall lux rpm volts \
         amps watts total_energy energy_total occupancy motion contact",
    ),
];

/// Names of one letter that compact trades and bars have, such as `{"o":1,"h":2,"l":1,"c":2,"v":9,"t":1582641000}`. In lower
/// case only: F, T and V are symbols. One of them in a map is enough, so that `a`, `b` and `c` need not be reserved.
const LETTERS: &str = "e h i l n o p q s t u v";

/// Marks around the reserved names in docs/input.md.
const BEGIN: &str = "<!-- reserved names: generated by `make generate` from bridge/src/message/names.rs -->";
const END: &str = "<!-- end of reserved names -->";

/// Capitals of reserved names that are widely traded symbols.
pub(super) const SYMBOLS_IN_CAPITALS: [&str; 8] = ["LOW", "OPEN", "HIGH", "TS", "SIZE", "ID", "TIME", "BID"];

static RESERVED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let names = GROUPS.iter().flat_map(|(_, names)| names.split(' ')).flat_map(spellings);
    let names = names.filter(|name| !SYMBOLS_IN_CAPITALS.contains(&name.as_str()));
    names.chain(LETTERS.split(' ').map(str::to_owned)).collect()
});

/// Whether a name is no symbol in a price map, unless the input lists it.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(name)
}

/// How a name is written: `best_bid`, `bestBid`, `BestBid`, `BEST_BID`, and without the line between words.
fn spellings(name: &str) -> Vec<String> {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    let pascal: String = name.split('_').map(capitalised).collect();
    let first = name.split('_').next().unwrap_or_default();
    let camel = first.to_owned() + pascal.get(first.len()..).unwrap_or_default();
    let joined = name.replace('_', "");
    vec![name.to_owned(), camel, pascal, name.to_ascii_uppercase(), joined.to_ascii_uppercase(), joined]
}

/// A page of Markdown with the reserved names between its two marks. `None`: a mark is missing.
pub fn with_reserved_names(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let row = |(subject, names): &(&str, &str)| format!("| {subject} | `{}` |\n", names.replace(' ', "` `"));
    let rows: String = GROUPS.iter().chain(&[("one letter, in lower case only", LETTERS)]).map(row).collect();
    let symbols = SYMBOLS_IN_CAPITALS.join("` `");
    let names =
        format!("| Subject | Names |\n|---|---|\n{rows}\nThese capitals are symbols nevertheless: `{symbols}`.\n");
    Some(format!("{before}{BEGIN}\n\n{names}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_reserved_in_every_usual_spelling() {
        for name in
            ["ts", "Ts", "last", "Last", "LAST", "Quote", "QUOTE", "SID", "bestBid", "best_bid", "BestBid", "t", "o"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["BEST_BID", "BESTBID", "bestbid", "open24h", "open_24h", "volCcy24h", "changePercent", "DewPoint"]
        {
            assert!(is_reserved(name), "{name}");
        }
    }

    #[test]
    fn traded_symbols_are_not_reserved() {
        let traded = "GOOG goog AAPL COST KEY NET NOW SPOT SNOW F T V C H L a b c x BRK.B BTC/USDT ^GSPC EURUSD=X LINK GAS ON ALL lAst";
        for name in traded.split(' ').chain(SYMBOLS_IN_CAPITALS) {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn eight_capitals_are_of_reserved_names_and_no_name_occurs_twice() {
        assert!(SYMBOLS_IN_CAPITALS.iter().all(|name| is_reserved(&name.to_ascii_lowercase())));
        let names: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.split(' ')).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| name.len() > 1 && *name == name.to_ascii_lowercase()));
    }
}
