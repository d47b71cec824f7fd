//! How fast the ledger takes batches. Run by hand, optimised:
//! `cargo test --release -p algo-runtime --test ledger -- --ignored --nocapture ticks_per_second`.

use std::time::{Duration, Instant};

use algo_runtime::{
    ledger::{Class, EntryKind, Ledger},
    sizes::Sizes,
};
use tempfile::tempdir;

use crate::fixture::{Draft, open};

const BATCH: u64 = 500;
const WINDOW: u64 = Sizes::DESIGN.window;

#[test]
#[ignore = "a measurement"]
fn ticks_per_second() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.transfer(EntryKind::Deposit, "1000000000");
    let (full, measured) = (WINDOW / BATCH + 1, 200);
    let mut spent = Duration::ZERO;
    for batch in 0..full + measured {
        draft.account.published_through = draft.account.position;
        for tick in 0..BATCH {
            draft.outcome(Class::Sequence);
            if tick % 2 == 0 {
                draft.buy(if tick % 4 == 0 { "GOOG" } else { "AAPL" }, "12.34", "345.67");
            }
        }
        draft.mark("quotes", "nyse", i64::try_from(batch).unwrap());
        draft.changes.counters.insert(("decided".to_owned(), String::new()), batch);
        draft.changes.state.insert(("random".to_owned(), String::new()), Some(vec![0; 64]));
        draft.changes.evict.push((Class::Sequence, ((batch + 1) * BATCH).saturating_sub(WINDOW)));
        let changes = draft.take();
        let started = Instant::now();
        ledger.commit(&changes).unwrap();
        if batch >= full {
            spent += started.elapsed();
        }
    }
    let ticks = Duration::from_secs(measured * BATCH).as_secs_f64();
    println!("{:.0} ticks per second in {}", ticks / spent.as_secs_f64(), dir.path().display());
    let started = Instant::now();
    drop(ledger);
    drop(open(dir.path()));
    println!("closed and opened in {:?}", started.elapsed());
}
