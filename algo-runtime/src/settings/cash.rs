//! Which starting cash counts at the start.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{LiveSettings, SettingsError, SettingsSource, from_record};
use crate::ledger::SettingsRecord;

/// The file `cash.json` beside the settings: whether a resource leaves its starting cash open. v0.1.0 does not read it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CashFile {
    /// uid of the resource.
    pub resource_uid: String,
    /// Generation of the resource. The one of the settings file counts.
    pub generation: i64,
    /// The deposits stay as they are; false: the number in the settings file counts.
    #[serde(default)]
    pub starting_cash_unchanged: bool,
}

impl CashFile {
    /// The path of the file beside the settings file `settings`.
    pub fn beside(settings: &Path) -> PathBuf {
        settings.with_file_name("cash.json")
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// The starting cash of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartingCash {
    /// Net deposits that the ledger shall show, as a decimal. `None`: those that it shows.
    pub target: Option<String>,
    /// Its generation; 0 without a resource.
    pub generation: i64,
}

/// The starting cash that counts at the start: the newer of the given settings' and the recorded one of the same resource. A
/// file that is older than the record never deposits or withdraws.
///
/// `unchanged`: the given settings leave the starting cash open. Their number counts at the very first start alone, which is
/// that of a ledger without any recorded settings and without a journal entry (`has_entries`).
pub fn starting_cash(
    given: &LiveSettings,
    unchanged: bool,
    source: &SettingsSource,
    record: Option<&SettingsRecord>,
    has_entries: bool,
) -> Result<StartingCash, SettingsError> {
    let is_first = record.is_none() && !has_entries;
    let by_given = |generation| {
        given.starting_cash()?;
        let target = (!unchanged || is_first).then(|| given.starting_cash.clone());
        Ok(StartingCash { target, generation })
    };
    let SettingsSource::Resource { uid, generation } = source else { return by_given(0) };
    let Some(record) = record.filter(|record| record.resource_uid == *uid) else { return by_given(*generation) };
    // The record's text is of the newest settings taken, also where their withdrawal was refused or their algorithm has not
    // answered yet.
    let newest = record.settings_generation.max(record.cash_generation);
    if *generation >= newest && given.errors().is_empty() {
        return by_given(*generation);
    }
    let recorded = from_record(&record.settings_json).map(|settings| settings.starting_cash);
    Ok(StartingCash { target: recorded, generation: newest })
}

#[cfg(test)]
mod tests {
    use super::{super::to_record, *};

    fn given(generation: i64, cash: &str) -> (LiveSettings, SettingsSource) {
        let text = format!(
            r#"{{"resourceUid":"u-1","generation":{generation},"algorithm":"random","threshold":0.5,"startingCash":"{cash}"}}"#
        );
        LiveSettings::from_file(&text).unwrap()
    }

    fn record(uid: &str, generations: (i64, i64), cash: &str) -> SettingsRecord {
        SettingsRecord {
            resource_uid: uid.to_owned(),
            settings_generation: generations.0,
            cash_generation: generations.1,
            settings_json: to_record(&given(1, cash).0, false),
        }
    }

    fn effective(generation: i64, unchanged: bool, record: Option<&SettingsRecord>) -> (Option<String>, i64) {
        let (given, source) = given(generation, "500");
        let cash = starting_cash(&given, unchanged, &source, record, record.is_some()).unwrap();
        (cash.target, cash.generation)
    }

    #[test]
    fn older_file_moves_no_cash() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(effective(3, false, None), (text("500"), 3));
        assert_eq!(effective(3, false, Some(&record("u-1", (1, 2), "9"))), (text("500"), 3));
        assert_eq!(effective(3, false, Some(&record("u-1", (1, 3), "9"))), (text("500"), 3));
        assert_eq!(
            effective(3, false, Some(&record("u-1", (1, 4), "9"))),
            (text("9"), 4),
            "the algorithm is on its way"
        );
        assert_eq!(
            effective(3, false, Some(&record("u-1", (4, 2), "9"))),
            (text("9"), 4),
            "the withdrawal was refused"
        );
        assert_eq!(effective(3, false, Some(&record("u-2", (9, 9), "9"))), (text("500"), 3));
    }

    #[test]
    fn cash_that_is_left_open_counts_at_the_first_start_alone() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(effective(3, true, None), (text("500"), 3));
        assert_eq!(effective(3, true, Some(&record("u-1", (1, 2), "9"))), (None, 3));
        assert_eq!(effective(3, true, Some(&record("u-1", (5, 5), "9"))), (text("9"), 5));
        assert_eq!(effective(3, true, Some(&record("u-2", (9, 9), "9"))), (None, 3));
        let (given, _) = given(1, "500");
        let by_flags =
            |has_entries| starting_cash(&given, true, &SettingsSource::Start, None, has_entries).unwrap().target;
        assert_eq!((by_flags(false), by_flags(true)), (text("500"), None));
    }
}
