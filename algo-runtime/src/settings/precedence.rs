//! Whose word counts at the start.

use super::{Adjustable, Authority, Choice, SettingsError, from_record};
use crate::{algorithm::FieldErrors, ledger::SettingsRecord};

/// What is in force at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// The settings. Their starting cash is the target, which a refused withdrawal may hold back.
    pub adjustable: Adjustable,
    /// Of everything but the cash; 0 without a resource.
    pub settings_generation: i64,
    /// The last one whose cash was in force; 0 without a resource.
    pub cash_generation: i64,
    /// Why the given settings are not in force, where they cannot be used.
    pub refused: Option<FieldErrors>,
    /// Settings that shall take over, and their generation: another algorithm has to answer first, and its channels to be
    /// subscribed to.
    pub candidate: Option<(Adjustable, i64)>,
}

/// Whose word counts at the start: the newer of the given settings and the ledger's record of the same resource. Given
/// settings that cannot be used give way to a record that can, however old, so that an account with a mistake in its
/// newest settings goes on as before, after a restart too. So does another algorithm than the record's, or one at an address
/// by other parameters: until it can take over, the one before decides.
pub fn in_force(
    given: &Adjustable,
    authority: &Authority,
    record: Option<&SettingsRecord>,
) -> Result<InForce, SettingsError> {
    let refused = FieldErrors::none(given.errors()).err();
    let by_given = |settings_generation, cash_generation| match refused.clone() {
        Some(errors) => Err(errors.into()),
        None => Ok(InForce {
            adjustable: given.clone(),
            settings_generation,
            cash_generation,
            refused: None,
            candidate: None,
        }),
    };
    let Authority::Resource { uid, generation } = authority else { return by_given(0, 0) };
    let Some(record) = record.filter(|record| record.resource_uid == *uid) else {
        return by_given(*generation, *generation);
    };
    // A record is written from checked settings; one that this release cannot use gives way to the file.
    let Some(recorded) = from_record(&record.settings_json) else {
        return by_given(*generation, record.cash_generation);
    };
    let by_record = |adjustable, refused, candidate| InForce {
        adjustable,
        settings_generation: record.settings_generation,
        cash_generation: record.cash_generation,
        refused,
        candidate,
    };
    if record.settings_generation > *generation || refused.is_some() {
        Ok(by_record(recorded, refused, None))
    } else if given.algorithm != recorded.algorithm
        || matches!(given.algorithm, Choice::Backend(_)) && !given.decides_like(&recorded)
    {
        let meanwhile = Adjustable { starting_cash: given.starting_cash.clone(), suspend: given.suspend, ..recorded };
        Ok(by_record(meanwhile, None, Some((given.clone(), *generation))))
    } else {
        by_given(*generation, record.cash_generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(algorithm: &str) -> (Adjustable, Authority) {
        let file =
            format!(r#"{{"resourceUid":"u-1","generation":3,{algorithm},"threshold":0.25,"startingCash":"500.50"}}"#);
        Adjustable::from_file(&file).unwrap()
    }

    fn record(uid: &str, generation: i64, settings: &Adjustable) -> SettingsRecord {
        SettingsRecord {
            resource_uid: uid.to_owned(),
            settings_generation: generation,
            cash_generation: generation - 1,
            settings_json: super::super::to_record(settings, false),
        }
    }

    fn with_threshold(threshold: f64) -> Adjustable {
        Adjustable { threshold, ..given(BUILTIN).0 }
    }

    const BUILTIN: &str = r#""algorithm":"random""#;
    const BACKEND: &str = r#""algorithmAddress":"http://algo:50051""#;

    #[test]
    fn the_newer_of_file_and_record_rules_for_the_same_resource() {
        let (given, authority) = given(BUILTIN);
        for (record, threshold, generations) in [
            (None, 0.25, (3, 3)),
            (Some(record("u-1", 4, &with_threshold(0.75))), 0.75, (4, 3)),
            (Some(record("u-1", 2, &with_threshold(0.75))), 0.25, (3, 1)),
            (Some(record("u-2", 9, &with_threshold(0.75))), 0.25, (3, 3)),
            // Of a release that knew better thresholds.
            (Some(record("u-1", 4, &with_threshold(7.5))), 0.25, (3, 3)),
        ] {
            let ruling = in_force(&given, &authority, record.as_ref()).unwrap();
            assert_eq!(ruling.adjustable.threshold.to_bits(), f64::to_bits(threshold));
            assert_eq!((ruling.settings_generation, ruling.cash_generation), generations);
            assert_eq!((ruling.refused, ruling.candidate), (None, None));
        }
        let record = record("u-1", 9, &with_threshold(0.75));
        let by_flags = in_force(&given, &Authority::Start, Some(&record)).unwrap();
        assert_eq!(by_flags.adjustable, given);
    }

    #[test]
    fn a_file_that_cannot_be_used_gives_way_to_any_usable_record_of_the_same_resource() {
        let (given, authority) = given(r#""algorithm":"rnd""#);
        for generation in [2, 3, 4] {
            let record = record("u-1", generation, &with_threshold(0.75));
            let ruling = in_force(&given, &authority, Some(&record)).unwrap();
            assert_eq!(ruling.adjustable.algorithm, Choice::Builtin("random".to_owned()));
            assert_eq!((ruling.settings_generation, ruling.cash_generation), (generation, generation - 1));
            let refused: Vec<_> = ruling.refused.unwrap().into_iter().map(|error| error.field).collect();
            assert_eq!(refused, ["algorithm"]);
        }
        let (usable, unusable) = (with_threshold(0.75), with_threshold(7.5));
        for record in [None, Some(record("u-2", 9, &usable)), Some(record("u-1", 2, &unusable))] {
            assert!(in_force(&given, &authority, record.as_ref()).is_err(), "{record:?}");
        }
        assert!(in_force(&given, &Authority::Start, Some(&record("u-1", 9, &usable))).is_err());
    }

    #[test]
    fn an_algorithm_at_an_address_waits_behind_the_recorded_one_and_cash_and_suspension_do_not() {
        let (mut given, authority) = given(BACKEND);
        given.suspend = true;
        let recorded = Adjustable { starting_cash: "9".to_owned(), ..with_threshold(0.75) };
        let ruling = in_force(&given, &authority, Some(&record("u-1", 2, &recorded))).unwrap();
        let meanwhile = Adjustable { starting_cash: "500.50".to_owned(), suspend: true, ..recorded.clone() };
        assert_eq!((ruling.adjustable, ruling.settings_generation), (meanwhile, 2));
        assert_eq!(ruling.candidate, Some((given.clone(), 3)));
        // Where it was in force already, or nothing was, it has nobody to wait for.
        for record in [Some(record("u-1", 2, &given)), Some(record("u-2", 2, &recorded)), None] {
            let ruling = in_force(&given, &authority, record.as_ref()).unwrap();
            assert_eq!((ruling.adjustable, ruling.candidate), (given.clone(), None));
        }
    }
}
