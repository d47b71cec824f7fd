//! Arithmetic of rates and medians.

/// The messages that had arrived at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Messages so far.
    pub received: u64,
    /// Number of the quote that the last of them is about.
    pub quote: u64,
    /// Microseconds since the start.
    pub micros: u64,
}

/// Quotes a second, from the mark with a fifth of all messages to the last mark: the start of a run is left out. `None`
/// if there is no time between the two.
pub fn quotes_per_second(marks: &[Mark]) -> Option<f64> {
    let last = marks.last()?;
    let first = marks.iter().find(|mark| mark.received * 5 >= last.received)?;
    let (quotes, micros) = (last.quote.checked_sub(first.quote)?, last.micros.checked_sub(first.micros)?);
    (micros > 0).then(|| float(quotes) / float(micros) * 1e6)
}

/// The median; the mean of the two middle values of an even number of them. `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// Slope of the straight line with the least squares through points of x and y. `None` of fewer than two different x.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = float(points.len() as u64);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let (products, squares) = points.iter().fold((0.0, 0.0), |(products, squares), (x, y)| {
        (products + (x - mean_x) * (y - mean_y), squares + (x - mean_x) * (x - mean_x))
    });
    (squares > 0.0).then(|| products / squares)
}

/// A count as a binary float, for rates: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(received: u64, quote: u64, micros: u64) -> Mark {
        Mark { received, quote, micros }
    }

    fn near(value: Option<f64>, expected: f64) -> bool {
        value.is_some_and(|value| (value - expected).abs() < 1e-9)
    }

    #[test]
    fn rate_is_that_of_the_last_four_fifths_in_quotes() {
        // A slow first second, then 80 messages about 160 quotes within 2 s.
        let marks = [mark(1, 2, 0), mark(20, 40, 1_000_000), mark(70, 140, 2_900_000), mark(100, 200, 3_000_000)];
        assert!(near(quotes_per_second(&marks), 80.0));
        assert_eq!(quotes_per_second(&marks[..1]), None);
        assert_eq!(quotes_per_second(&[]), None);
    }

    #[test]
    fn median_is_the_middle_value_in_order() {
        assert!(near(median(&[9.0, 1.0, 4.0]), 4.0));
        assert!(near(median(&[10.0, 9.0, 1.0, 4.0]), 6.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn slope_of_points_on_a_line_is_that_of_the_line() {
        assert!(near(slope(&[(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)]), 2.0));
        assert_eq!(slope(&[(1.0, 5.0), (1.0, 7.0)]), None);
    }
}
