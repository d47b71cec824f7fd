//! Metrics: those of a table, and those that a registry shows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Table, codes, section};

/// The labels of each metric, by the metric's name as queries use it.
pub type Labels = BTreeMap<String, BTreeSet<String>>;

/// The metrics with a prefix in the table of docs/operations.md.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documented {
    /// The labels of each metric.
    pub labels: Labels,
    /// The codes in the description of each metric: values of labels, and other words.
    codes: BTreeMap<String, BTreeSet<String>>,
}

impl Documented {
    /// Reads the table of the page.
    pub fn read(page: &str, prefix: &str) -> Self {
        let mut documented = Self::default();
        let tables = Table::all(section(page, "## Metrics"));
        for row in tables.iter().flat_map(Table::rows) {
            let [metrics, description] = row.as_slice() else { continue };
            for metric in codes(metrics).filter(|metric| metric.starts_with(prefix)) {
                let (name, labels) = metric.trim_end_matches('}').split_once('{').unwrap_or((metric, ""));
                let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
                documented.labels.insert(name.to_owned(), labels);
                documented.codes.insert(name.to_owned(), codes(description).map(str::to_owned).collect());
            }
        }
        documented
    }

    /// The codes in the description of a metric.
    pub fn codes(&self, metric: &str) -> BTreeSet<&str> {
        self.codes.get(metric).into_iter().flatten().map(String::as_str).collect()
    }
}

/// The metrics of a page of `/metrics`. A family shows its labels only where it has a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The labels of each metric.
    pub labels: Labels,
    values: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Shown {
    /// Reads a page in the format `OpenMetrics`.
    pub fn read(page: &str) -> Self {
        let mut shown = Self::default();
        let mut name = String::new();
        for line in page.lines() {
            if let Some((metric, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                name = if kind == "counter" { format!("{metric}_total") } else { metric.to_owned() };
                shown.labels.entry(name.clone()).or_default();
            } else if !line.starts_with('#') {
                let pairs =
                    line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(pairs, _)| pairs);
                for (label, value) in pairs.split(',').filter_map(|pair| pair.split_once('=')) {
                    // The bucket of a histogram.
                    if label != "le" {
                        shown.labels.entry(name.clone()).or_default().insert(label.to_owned());
                        let values = shown.values.entry((name.clone(), label.to_owned())).or_default();
                        values.insert(value.trim_matches('"').to_owned());
                    }
                }
            }
        }
        shown
    }

    /// The values of a label of a metric.
    pub fn values(&self, metric: &str, label: &str) -> BTreeSet<&str> {
        let values = self.values.get(&(metric.to_owned(), label.to_owned()));
        values.into_iter().flatten().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_and_page_are_compared_by_name_and_labels() {
        let page = "\n## Metrics\n\n| Metric | |\n|---|---|\n| `a_ticks_total{outcome}` | `decided`, `denied` |\n| `a_x`, `b_y` | |\n";
        let documented = Documented::read(page, "a_");
        let shown = Shown::read(
            "# HELP a_ticks Ticks.\n# TYPE a_ticks counter\na_ticks_total{outcome=\"decided\"} 1\n\
             a_ticks_total{outcome=\"denied\"} 2\n# TYPE a_x histogram\na_x_sum 1.0\na_x_bucket{le=\"+Inf\"} 1\n# EOF\n",
        );
        assert_eq!(documented.labels, shown.labels);
        assert_eq!(documented.labels.keys().collect::<Vec<_>>(), ["a_ticks_total", "a_x"]);
        assert_eq!(documented.codes("a_ticks_total"), shown.values("a_ticks_total", "outcome"));
        assert_eq!(shown.values("a_ticks_total", "outcome").len(), 2);
    }
}
