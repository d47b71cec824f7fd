//! Precedence of the given settings and the ledger's record at the start.

use super::{AlgorithmRef, LiveSettings, SettingsError, SettingsSource, from_record};
use crate::{algorithm::FieldErrors, ledger::SettingsRecord};

/// The settings in force at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveSettings {
    /// The settings. Their starting cash is the target, which a refused withdrawal may hold back.
    pub live: LiveSettings,
    /// Generation of all settings but the cash; 0 without a resource.
    pub settings_generation: i64,
    /// The last generation with its cash in force; 0 without a resource.
    pub cash_generation: i64,
    /// The errors of given settings that cannot be used.
    pub refused: Option<FieldErrors>,
    /// Settings of the candidate, and their generation: it has to answer first, and its channels have to be subscribed to.
    pub candidate: Option<(LiveSettings, i64)>,
}

/// Returns the settings in force at the start: the newer of the given settings and the ledger's record of the same resource.
/// Unusable given settings give way to a usable record of any age, so that an account with a mistake in its newest settings
/// goes on as before, after a restart too. Another algorithm than the record's, or an algorithm at an address with other
/// parameters, is the candidate: until it can take over, the recorded algorithm decides.
pub fn effective_settings(
    given: &LiveSettings,
    source: &SettingsSource,
    record: Option<&SettingsRecord>,
) -> Result<EffectiveSettings, SettingsError> {
    let refused = FieldErrors::none(given.errors()).err();
    let by_given = |retention, settings_generation, cash_generation| match refused.clone() {
        Some(errors) => Err(errors.into()),
        None => Ok(EffectiveSettings {
            live: LiveSettings { retention, ..given.clone() },
            settings_generation,
            cash_generation,
            refused: None,
            candidate: None,
        }),
    };
    let SettingsSource::Resource { uid, generation } = source else { return by_given(given.retention, 0, 0) };
    let Some(record) = record.filter(|record| record.resource_uid == *uid) else {
        return by_given(None, *generation, *generation);
    };
    // A record is written from checked settings. A record that this release cannot use gives way to the file.
    let Some(recorded) = from_record(&record.settings_json) else {
        return by_given(None, *generation, record.cash_generation);
    };
    let by_record = |live, refused, candidate| EffectiveSettings {
        live,
        settings_generation: record.settings_generation,
        cash_generation: record.cash_generation,
        refused,
        candidate,
    };
    if record.settings_generation > *generation || refused.is_some() {
        Ok(by_record(recorded, refused, None))
    } else if given.algorithm != recorded.algorithm
        || matches!(given.algorithm, AlgorithmRef::Backend(_)) && !given.decides_like(&recorded)
    {
        let meanwhile = LiveSettings { starting_cash: given.starting_cash.clone(), suspend: given.suspend, ..recorded };
        Ok(by_record(meanwhile, None, Some((given.clone(), *generation))))
    } else {
        // A settings file has no retention.
        by_given(recorded.retention, *generation, record.cash_generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(algorithm: &str) -> (LiveSettings, SettingsSource) {
        let file =
            format!(r#"{{"resourceUid":"u-1","generation":3,{algorithm},"threshold":0.25,"startingCash":"500.50"}}"#);
        LiveSettings::from_file(&file).unwrap()
    }

    fn record(uid: &str, generation: i64, settings: &LiveSettings) -> SettingsRecord {
        SettingsRecord {
            resource_uid: uid.to_owned(),
            settings_generation: generation,
            cash_generation: generation - 1,
            settings_json: super::super::to_record(settings, false),
        }
    }

    fn with_threshold(threshold: f64) -> LiveSettings {
        LiveSettings { threshold, ..given(BUILTIN).0 }
    }

    const BUILTIN: &str = r#""algorithm":"random""#;
    const BACKEND: &str = r#""algorithmAddress":"http://algo:50051""#;

    #[test]
    fn the_newer_of_file_and_record_rules_for_the_same_resource() {
        let (given, source) = given(BUILTIN);
        for (record, threshold, generations) in [
            (None, 0.25, (3, 3)),
            (Some(record("u-1", 4, &with_threshold(0.75))), 0.75, (4, 3)),
            (Some(record("u-1", 2, &with_threshold(0.75))), 0.25, (3, 1)),
            (Some(record("u-2", 9, &with_threshold(0.75))), 0.25, (3, 3)),
            // Written by a release with other thresholds.
            (Some(record("u-1", 4, &with_threshold(7.5))), 0.25, (3, 3)),
        ] {
            let effective = effective_settings(&given, &source, record.as_ref()).unwrap();
            assert_eq!(effective.live.threshold.to_bits(), f64::to_bits(threshold));
            assert_eq!((effective.settings_generation, effective.cash_generation), generations);
            assert_eq!((effective.refused, effective.candidate), (None, None));
        }
        let record = record("u-1", 9, &with_threshold(0.75));
        let by_flags = effective_settings(&given, &SettingsSource::Start, Some(&record)).unwrap();
        assert_eq!(by_flags.live, given);
    }

    #[test]
    fn unusable_file_gives_way_to_any_usable_record_of_its_resource() {
        let (given, source) = given(r#""algorithm":"rnd""#);
        for generation in [2, 3, 4] {
            let record = record("u-1", generation, &with_threshold(0.75));
            let effective = effective_settings(&given, &source, Some(&record)).unwrap();
            assert_eq!(effective.live.algorithm, AlgorithmRef::Builtin("random".to_owned()));
            assert_eq!((effective.settings_generation, effective.cash_generation), (generation, generation - 1));
            let refused: Vec<_> = effective.refused.unwrap().into_iter().map(|error| error.field).collect();
            assert_eq!(refused, ["algorithm"]);
        }
        let (usable, unusable) = (with_threshold(0.75), with_threshold(7.5));
        for record in [None, Some(record("u-2", 9, &usable)), Some(record("u-1", 2, &unusable))] {
            assert!(effective_settings(&given, &source, record.as_ref()).is_err(), "{record:?}");
        }
        assert!(effective_settings(&given, &SettingsSource::Start, Some(&record("u-1", 9, &usable))).is_err());
    }

    #[test]
    fn candidate_waits_behind_the_recorded_algorithm_but_cash_does_not() {
        let (mut given, source) = given(BACKEND);
        given.suspend = true;
        let recorded = LiveSettings { starting_cash: "9".to_owned(), ..with_threshold(0.75) };
        let effective = effective_settings(&given, &source, Some(&record("u-1", 2, &recorded))).unwrap();
        let meanwhile = LiveSettings { starting_cash: "500.50".to_owned(), suspend: true, ..recorded.clone() };
        assert_eq!((effective.live, effective.settings_generation), (meanwhile, 2));
        assert_eq!(effective.candidate, Some((given.clone(), 3)));
        // If it was in force already, or there is no usable record, it does not wait.
        for record in [Some(record("u-1", 2, &given)), Some(record("u-2", 2, &recorded)), None] {
            let effective = effective_settings(&given, &source, record.as_ref()).unwrap();
            assert_eq!((effective.live, effective.candidate), (given.clone(), None));
        }
    }
}
