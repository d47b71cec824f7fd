//! Thirteen years of real closing prices, as quotes.

use anyhow::Context as _;

use super::environment;
use crate::mqtt::Message;

/// One closing price.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Close {
    time: String,
    sid: String,
    price: String,
}

/// The prices, in order.
#[derive(Debug, Clone)]
pub struct History {
    closes: Vec<Close>,
}

impl History {
    /// Reads `examples/data/stocks-daily.csv`.
    pub fn read() -> anyhow::Result<Self> {
        let path = environment::repository().join("examples/data/stocks-daily.csv");
        let table = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let closes = table.lines().skip(1).map(close).collect::<anyhow::Result<_>>()?;
        Ok(Self { closes })
    }

    /// Quote `number`, from 1, as `source` numbers it. After the last line comes the first again.
    pub fn quote(&self, channel: &str, source: &str, number: i64) -> anyhow::Result<Message> {
        let line = usize::try_from(number - 1)? % self.closes.len();
        let Close { time, sid, price } = self.closes.get(line).context("the history is empty")?;
        let quote =
            format!(r#"{{"sid":"{sid}","quote":"{price}","time":"{time}","source":"{source}","seq":{number}}}"#);
        Ok(Message::new(channel, quote))
    }
}

/// `time,sid,open,high,low,close,volume`
fn close(line: &str) -> anyhow::Result<Close> {
    let columns: Vec<_> = line.split(',').collect();
    let &[time, sid, _, _, _, price, _] = columns.as_slice() else { anyhow::bail!("not seven columns: {line}") };
    Ok(Close { time: time.to_owned(), sid: sid.to_owned(), price: price.to_owned() })
}
