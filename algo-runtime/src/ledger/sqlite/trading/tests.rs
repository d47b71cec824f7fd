//! The file changes hands between v0.1.0, which knows `suspend` alone, and this release.

use std::path::Path;

use intuition_api::v1::{SetTradingStateRequest, TradingCause, TradingState};
use tempfile::tempdir;

use crate::{
    engine::Engine,
    ledger::{
        Ledger as _,
        sqlite::{
            SqliteLedger,
            schema::{FORMAT_1, MIGRATIONS, Migration},
        },
    },
    portfolio::Policy,
    settings::{Initial, LiveSettings, Settings, Topics, from_record},
    sizes::Sizes,
};

const ACCOUNT: &str = "default/goog-random";

fn open(dir: &Path, migrations: &[Migration]) -> SqliteLedger {
    SqliteLedger::open_with(dir, ACCOUNT, migrations).unwrap()
}

/// Writes settings as v0.1.0 does, its seal included.
fn configured_by_v010(dir: &Path, migrations: &[Migration], generations: (i64, i64), suspend: bool) {
    let ledger = open(dir, migrations);
    let (settings, cash) = generations;
    let sql = format!(
        r#"INSERT INTO settings (id, resource_uid, settings_generation, cash_generation, settings_json)
           VALUES (1, 'u-1', {settings}, {cash},
               '{{"algorithm":"random","threshold":0.5,"parameters":{{}},"startingCash":"0","suspend":{suspend}}}')
           ON CONFLICT DO UPDATE SET settings_generation = excluded.settings_generation,
               cash_generation = excluded.cash_generation, settings_json = excluded.settings_json"#
    );
    ledger.connection.execute_batch(&sql).unwrap();
    ledger.reseal();
}

/// This release takes the file up at its settings file of `generation`, which asks for no stop.
fn taken_up(dir: &Path, migrations: &[Migration], generation: i64) -> (SqliteLedger, Engine) {
    let file = format!(
        r#"{{"resourceUid":"u-1","generation":{generation},"algorithm":"random","threshold":0.5,"startingCash":"0"}}"#
    );
    let (live, source) = LiveSettings::from_file(&file).unwrap();
    let settings = Settings {
        account: ACCOUNT.to_owned(),
        live,
        source,
        policy: Policy::RandomFraction,
        topics: Topics::default(),
        subscribe: None,
        inputs: Vec::new(),
        initial: Initial::default(),
    };
    let mut ledger = open(dir, migrations);
    let mut engine = Engine::start(ledger.snapshot().unwrap(), &settings, Sizes::DESIGN, 7, 9).unwrap();
    commit(&mut ledger, &mut engine);
    (ledger, engine)
}

fn commit(ledger: &mut SqliteLedger, engine: &mut Engine) {
    if let Some(changes) = engine.take_changes() {
        ledger.commit(&changes).unwrap();
    }
}

fn codes(engine: &Engine) -> Vec<(String, String)> {
    let causes = engine.account().trading.unwrap().causes;
    causes.into_iter().map(|cause| (cause.cause, cause.message)).collect()
}

fn suspends(ledger: &mut SqliteLedger) -> bool {
    let record = ledger.snapshot().unwrap().settings.unwrap();
    assert!(from_record(&record.settings_json).is_some(), "v0.1.0 reads {}", record.settings_json);
    record.suspends()
}

#[test]
fn suspension_in_a_v010_file_is_a_stop_while_the_candidate_is_silent() {
    for generations in [(4, 4), (1, 4)] {
        let dir = tempdir().unwrap();
        configured_by_v010(dir.path(), &MIGRATIONS[..1], generations, true);
        let (mut ledger, engine) = taken_up(dir.path(), MIGRATIONS, 4);
        assert_eq!(codes(&engine), [("User".to_owned(), "spec.suspend".to_owned())]);
        assert_eq!(engine.account().trading.unwrap().generation, 4);
        assert!(suspends(&mut ledger));
        drop(ledger);
        let (_, engine) = taken_up(dir.path(), MIGRATIONS, 5);
        assert_eq!(codes(&engine), [], "the file of a newer generation does not suspend");
    }
    let dir = tempdir().unwrap();
    configured_by_v010(dir.path(), &MIGRATIONS[..1], (4, 4), false);
    assert_eq!(codes(&taken_up(dir.path(), MIGRATIONS, 4).1), []);
}

#[test]
fn v010_stays_halted_on_the_file_and_its_newer_suspend_counts_afterwards() {
    let dir = tempdir().unwrap();
    let (mut ledger, mut engine) = taken_up(dir.path(), FORMAT_1, 5);
    let reduce = SetTradingStateRequest {
        resource_uid: "u-1".to_owned(),
        generation: 5,
        causes: vec![TradingCause {
            cause: "Reduce".to_owned(),
            state: TradingState::Reducing.into(),
            message: "ann".to_owned(),
            since_micros: 0,
        }],
        ..SetTradingStateRequest::default()
    };
    engine.set_trading_state(&reduce, 10).unwrap();
    commit(&mut ledger, &mut engine);
    assert!(suspends(&mut ledger), "v0.1.0 does not know Reducing");
    drop(ledger);
    let reduced = ("Reduce".to_owned(), "ann".to_owned());
    for (generation, suspend, expected) in [
        (5, false, vec![reduced.clone()]),
        (6, true, vec![reduced.clone(), ("User".to_owned(), "spec.suspend".to_owned())]),
        (7, false, vec![reduced]),
    ] {
        configured_by_v010(dir.path(), FORMAT_1, (generation, generation), suspend);
        for migrations in [FORMAT_1, MIGRATIONS] {
            // The file stays in the format 1 for the next turn.
            let copy = tempdir().unwrap();
            std::fs::copy(dir.path().join("ledger.db"), copy.path().join("ledger.db")).unwrap();
            let (mut ledger, engine) = taken_up(copy.path(), migrations, generation);
            assert_eq!(codes(&engine), expected, "{generation}");
            assert!(suspends(&mut ledger));
        }
    }
}
