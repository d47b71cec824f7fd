//! The arguments of opening a ledger, and its cost.

use std::{path::Path, time::Instant};

use algo_runtime::{
    ledger::{
        Ledger,
        sqlite::{Durability, Opening, SqliteLedger},
    },
    sizes::Sizes,
};
use tempfile::tempdir;

use crate::fixture::{ACCOUNT, Draft, everything, open};

fn opened(dir: &Path, seed: u64, durability: Durability) -> SqliteLedger {
    SqliteLedger::open_as(dir, ACCOUNT, Opening { sizes: Sizes::DESIGN, seed, durability }).unwrap()
}

#[test]
fn the_seed_makes_the_id_of_a_new_ledger_alone() {
    let id = |dir: &Path, seed| opened(dir, seed, Durability::Process).snapshot().unwrap().account.ledger_id;
    let dirs = [tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap()];
    let [one, same, other] = [(0, 7), (1, 7), (2, 8)].map(|(dir, seed)| id(dirs[dir].path(), seed));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert_eq!(id(dirs[0].path(), 9), one);
}

#[test]
fn commits_without_syncs_outlast_the_process() {
    let dir = tempdir().unwrap();
    let mut ledger = opened(dir.path(), 1, Durability::Process);
    for changes in everything(&mut Draft::new(&ledger.snapshot().unwrap())) {
        ledger.commit(&changes).unwrap();
    }
    let before = ledger.snapshot().unwrap();
    // Neither closed nor dropped, as after kill -9.
    std::mem::forget(ledger);
    assert_eq!(open(dir.path()).snapshot().unwrap(), before);
}

/// Run by hand: `cargo test --release -p algo-runtime --test ledger -- --ignored --nocapture cost`. `TMPDIR` names the file system.
#[test]
#[ignore = "a measurement"]
fn cost_of_opening_commit_and_close() {
    for durability in [Durability::Machine, Durability::Process] {
        let (rounds, mut spent) = (100_u32, [0.0; 4]);
        for round in 0..rounds {
            let dir = tempdir().unwrap();
            let mut lap = Instant::now();
            let mut note = |place: usize| {
                spent[place] += lap.elapsed().as_secs_f64();
                lap = Instant::now();
            };
            let mut ledger = opened(dir.path(), round.into(), durability);
            note(0);
            let commits = everything(&mut Draft::new(&ledger.snapshot().unwrap()));
            note(3);
            for changes in &commits {
                ledger.commit(changes).unwrap();
            }
            note(1);
            Box::new(ledger).close().unwrap();
            note(2);
            drop(opened(dir.path(), 1, durability));
            note(3);
        }
        let [new, commits, close, again] = spent.map(|seconds| seconds * 1_000.0 / f64::from(rounds));
        println!(
            "{durability:?}: new {new:.2} ms, {{3 commits}} {commits:.2} ms, close {close:.2} ms, open again {again:.2} ms"
        );
    }
}
