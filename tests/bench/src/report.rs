//! The figures, as a table for people and as one JSON object for scripts.

use crate::rate;

/// Names of the figures that have a member in the JSON object, a goal or a ratio.
pub mod names {
    /// Publisher, broker, subscriber.
    pub const LIMIT: &str = "limit: publisher, mosquitto, subscriber";
    /// With a relay between.
    pub const RELAY: &str = "relay: a message for each quote";
    /// The account.
    pub const OURS: &str = "ours: every quote a decision";
    /// [`OURS`] / [`RELAY`] of the same round.
    pub const RATIO: &str = "ours / relay";
    /// Processor time of the bridge.
    pub const CPU_BRIDGE: &str = "ours, processor time of the bridge";
    /// Of the runtime.
    pub const CPU_RUNTIME: &str = "ours, processor time of algo-runtime";
    /// Of both.
    pub const CPU_BOTH: &str = "ours, processor time of both";
    /// At 1,000 quotes a second.
    pub const P50: &str = "latency at 1000/s, p50";
    /// At 1,000 quotes a second.
    pub const P99: &str = "latency at 1000/s, p99";
    /// Beside it.
    pub const SYNC: &str = "fdatasync of 4 KiB, p50";
    /// Of an idle account.
    pub const REST_BRIDGE: &str = "at rest, anonymous memory of the bridge";
    /// Of an idle account.
    pub const REST_RUNTIME: &str = "at rest, anonymous memory of algo-runtime";
    /// With full windows.
    pub const FULL_RUNTIME: &str = "flood, anonymous memory of algo-runtime";
    /// Size of a ledger.
    pub const DECISION: &str = "ledger, bytes of a decision";
    /// Of the largest ledger.
    pub const OPEN: &str = "opening 10000000 decisions";
    /// Of [`crate::stage::Remote::Rust`].
    pub const RUST: &str = "remote algorithm, Rust";
    /// Of [`crate::stage::Remote::Python`].
    pub const PYTHON: &str = "remote algorithm, Python SDK";
}

/// Members of the JSON object in their order, with their figures.
const MEMBERS: [(&str, &str); 15] = [
    ("limit_per_s", names::LIMIT),
    ("relay_per_s", names::RELAY),
    ("ours_per_s", names::OURS),
    ("ratio", names::RATIO),
    ("cpu_us_per_tick_bridge", names::CPU_BRIDGE),
    ("cpu_us_per_tick_runtime", names::CPU_RUNTIME),
    ("p50_us", names::P50),
    ("p99_us", names::P99),
    ("fdatasync_p50_us", names::SYNC),
    ("rest_mib_bridge", names::REST_BRIDGE),
    ("rest_mib_runtime", names::REST_RUNTIME),
    ("bytes_per_decision", names::DECISION),
    ("open_10m_s", names::OPEN),
    ("remote_rust_per_s", names::RUST),
    ("remote_python_per_s", names::PYTHON),
];

/// Goals: the figure is to be at most this. A decision's bytes are 120 beside the texts of its symbol (2) and event
/// (13).
const GOALS: [(&str, f64); 6] = [
    (names::CPU_BOTH, 22.0),
    (names::REST_BRIDGE, 6.0),
    (names::REST_RUNTIME, 6.0),
    (names::FULL_RUNTIME, 24.0),
    (names::DECISION, 135.0),
    (names::OPEN, 1.0),
];

/// Unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Messages or quotes a second.
    PerSecond,
    /// Microseconds for each quote.
    MicrosPerQuote,
    /// Microseconds.
    Micros,
    /// Seconds.
    Seconds,
    /// Thousandths of a processor.
    MilliCpu,
    /// Mebibytes.
    Mebibytes,
    /// Mebibytes a minute.
    MebibytesPerMinute,
    /// Bytes.
    Bytes,
    /// A ratio.
    Ratio,
}

impl Unit {
    const fn label(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::MicrosPerQuote => "us/quote",
            Self::Micros => "us",
            Self::Seconds => "s",
            Self::MilliCpu => "m CPU",
            Self::Mebibytes => "MiB",
            Self::MebibytesPerMinute => "MiB/min",
            Self::Bytes => "B",
            Self::Ratio => "",
        }
    }

    const fn places(self) -> usize {
        match self {
            Self::PerSecond | Self::Micros => 0,
            Self::MicrosPerQuote | Self::MilliCpu | Self::Mebibytes | Self::Bytes => 1,
            Self::MebibytesPerMinute | Self::Ratio => 2,
            Self::Seconds => 3,
        }
    }
}

/// A figure with its value of each round.
#[derive(Debug)]
struct Row {
    name: String,
    unit: Unit,
    values: Vec<f64>,
}

/// All figures, in the order in which they were first recorded.
#[derive(Debug, Default)]
pub struct Figures {
    rows: Vec<Row>,
}

impl Figures {
    /// One more value of a figure.
    pub fn record(&mut self, name: &str, unit: Unit, value: f64) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.values.push(value),
            None => self.rows.push(Row { name: name.to_owned(), unit, values: vec![value] }),
        }
    }

    /// Records the ratio of two figures of each round, where both were measured.
    pub fn record_ratio(&mut self) {
        let of = |name: &str| self.row(name).map(|row| row.values.clone()).unwrap_or_default();
        let ratios: Vec<f64> = of(names::OURS).iter().zip(of(names::RELAY)).map(|(ours, relay)| ours / relay).collect();
        for ratio in ratios {
            self.record(names::RATIO, Unit::Ratio, ratio);
        }
    }

    /// Median of a figure's values.
    pub fn median(&self, name: &str) -> Option<f64> {
        rate::median(&self.row(name)?.values)
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// A table: median, lowest and highest value, goal, and for rates the part of limit and relay.
    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max(6);
        let mut text = format!(
            "| {:<width$} | {:>9} | {:<8} | {:>21} | {:>9} | {:>7} | {:>7} |\n",
            "figure", "median", "unit", "lowest to highest", "goal", "/ limit", "/ relay"
        );
        let rule = |width: usize| "-".repeat(width);
        let columns = [width, 9, 8, 21, 9, 7, 7].map(|width| format!(" {} |", rule(width)));
        text.extend(["|", &columns.concat(), "\n"]);
        for row in &self.rows {
            text.push_str(&self.line(row, width));
            text.push('\n');
        }
        text
    }

    fn line(&self, row: &Row, width: usize) -> String {
        let number = |value: f64| format!("{value:.*}", row.unit.places());
        let lowest = row.values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = row.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let spread =
            if row.values.len() > 1 { format!("{} to {}", number(lowest), number(highest)) } else { String::new() };
        let goal = GOALS.iter().find(|(name, _)| *name == row.name);
        let goal = goal.map(|(_, most)| format!("<= {most}")).unwrap_or_default();
        let part = |of: &str| {
            let whole = self.median(of).filter(|_| row.unit == Unit::PerSecond)?;
            Some(format!("{:.2}", rate::median(&row.values)? / whole))
        };
        let (limit, relay) = (part(names::LIMIT).unwrap_or_default(), part(names::RELAY).unwrap_or_default());
        let median = rate::median(&row.values).map(number).unwrap_or_default();
        let (name, unit) = (&row.name, row.unit.label());
        format!("| {name:<width$} | {median:>9} | {unit:<8} | {spread:>21} | {goal:>9} | {limit:>7} | {relay:>7} |")
    }

    /// One line: medians, and null for parts that did not run.
    pub fn json(&self) -> String {
        let members = MEMBERS.map(|(member, name)| {
            let places = self.row(name).map_or(0, |row| row.unit.places());
            let value = self.median(name).map_or_else(|| "null".to_owned(), |value| format!("{value:.places$}"));
            format!("\"{member}\":{value}")
        });
        format!("{{{}}}", members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_medians_and_null_for_parts_that_did_not_run() {
        let mut figures = Figures::default();
        for (ours, relay) in [(20_000.0, 25_000.0), (18_000.0, 20_000.0), (30_000.0, 30_000.0)] {
            figures.record(names::OURS, Unit::PerSecond, ours);
            figures.record(names::RELAY, Unit::PerSecond, relay);
        }
        figures.record(names::P50, Unit::Micros, 1_203.4);
        figures.record_ratio();
        let json: serde_json::Value = serde_json::from_str(&figures.json()).unwrap();
        assert_eq!(json["ours_per_s"], 20_000);
        // The median of the ratios, not the ratio of the medians.
        assert_eq!(json["ratio"], 0.9);
        assert_eq!(json["p50_us"], 1_203);
        assert_eq!(json["limit_per_s"], serde_json::Value::Null);
        assert_eq!(json.as_object().unwrap().len(), MEMBERS.len());
    }

    #[test]
    fn table_shows_spread_goal_and_part_of_the_relay() {
        let mut figures = Figures::default();
        for value in [20_000.0, 10_000.0, 15_000.0] {
            figures.record(names::OURS, Unit::PerSecond, value);
        }
        figures.record(names::RELAY, Unit::PerSecond, 30_000.0);
        figures.record(names::OPEN, Unit::Seconds, 0.5);
        let table = figures.table();
        let line = |name: &str| table.lines().find(|line| line.contains(name)).unwrap().to_owned();
        let ours = line(names::OURS);
        assert!(ours.contains("| 15000 |") || ours.contains("    15000 |"), "{ours}");
        assert!(ours.contains("10000 to 20000") && ours.contains("0.50 |"), "{ours}");
        assert!(line(names::OPEN).contains("0.500 |") && line(names::OPEN).contains("<= 1 |"), "{table}");
    }
}
