//! Any sequence of commits leaves the ledger in a file and the one in memory equal, over reopening.

use std::path::Path;

use algo_runtime::{
    ledger::{
        Class, EntryKind, Gap, IdQuery, Ledger, LedgerId, OutboxContent, PacketQuery, Snapshot, WindowRow,
        memory::MemoryLedger,
        sqlite::{Durability, Opening, SqliteLedger},
        verify::verify,
    },
    sizes::Sizes,
};
use intuition_api::v1;
use proptest::{collection::vec, prelude::*};
use tempfile::tempdir;

use crate::{
    fixture::{ACCOUNT, Contents, Draft, held, settings, trading},
    retention::{self, drop_all},
};

/// Small enough for a few commits to go beyond each bound of a ledger.
const TINY: Sizes = Sizes {
    window: 4,
    stretch_rows: 3,
    evicted_stretches: 2,
    gaps: 2,
    close_requests: 2,
    checkpoint_entries: 3,
    packed_marks: 2,
    mark_changes: 3,
    ..Sizes::DESIGN
};

#[derive(Debug, Clone)]
enum Step {
    Transfer(bool, u32),
    Buy(u8, u32, u32),
    Sell(u8, u32, u32),
    Publish(Vec<u8>),
    Confirm(u64),
    Done(u64, u64),
    GoBack,
    Outcome(u8, u8),
    Evict(u8, u64),
    Mark(u8, i64),
    Unmark(u8),
    Count(u8, u64),
    Save(u8, Option<Vec<u8>>),
    Hold(u8),
    Settle(i64),
    Stop(u8, bool),
    Await(u8, bool),
    Request,
    Gap(u8),
    Manual(u8, u32, u32),
    Session(u8, String),
    Retain(u64, u64),
    Commit,
    Close,
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<bool>(), 1..2_000_000_u32).prop_map(|(put, cents)| Step::Transfer(put, cents)),
        (0..3_u8, 1..100_000_u32, 1..u32::MAX).prop_map(|(sid, cents, price)| Step::Buy(sid, cents, price)),
        (0..3_u8, 1..u32::MAX, 1..u32::MAX).prop_map(|(sid, units, price)| Step::Sell(sid, units, price)),
        vec(any::<u8>(), 0..20).prop_map(Step::Publish),
        (0..9_u64).prop_map(Step::Confirm),
        (1..9_u64, 0..4_u64).prop_map(|(beyond, more)| Step::Done(beyond, more)),
        Just(Step::GoBack),
        (0..3_u8, 1..4_u8).prop_map(|(class, rows)| Step::Outcome(class, rows)),
        (0..3_u8, 0..9_u64).prop_map(|(class, rows)| Step::Evict(class, rows)),
        (0..6_u8, any::<i64>()).prop_map(|(source, seq)| Step::Mark(source, seq)),
        (0..6_u8, any::<i64>()).prop_map(|(source, seq)| Step::Mark(source, seq)),
        (0..6_u8).prop_map(Step::Unmark),
        (0..4_u8, any::<u64>()).prop_map(|(name, value)| Step::Count(name, value)),
        (0..4_u8, proptest::option::of(vec(any::<u8>(), 0..50))).prop_map(|(key, value)| Step::Save(key, value)),
        (0..4_u8).prop_map(Step::Hold),
        any::<i64>().prop_map(Step::Settle),
        (0..9_u8, any::<bool>()).prop_map(|(number, suspend)| Step::Stop(number, suspend)),
        (0..3_u8, any::<bool>()).prop_map(|(sid, waits)| Step::Await(sid, waits)),
        Just(Step::Request),
        (0..4_u8).prop_map(Step::Gap),
        (0..3_u8, 1..u32::MAX, 1..u32::MAX).prop_map(|(sid, units, price)| Step::Manual(sid, units, price)),
        (0..2_u8, ".{0,9}").prop_map(|(url, session)| Step::Session(url, session)),
        (0..12_u64, 1..5_u64).prop_map(|(decisions, most)| Step::Retain(decisions, most)),
        Just(Step::Commit),
        Just(Step::Commit),
        Just(Step::Close),
        Just(Step::Drop),
    ]
}

fn class(number: u8) -> Class {
    Class::ALL[usize::from(number)]
}

fn cents(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn fine(units: u32) -> String {
    format!("{}.{:08}", units / 100_000_000, units % 100_000_000)
}

/// `number`: of the step.
fn draw(draft: &mut Draft, step: Step, number: usize) {
    let changes = &mut draft.changes;
    match step {
        Step::Transfer(true, amount) => draft.transfer(EntryKind::Deposit, &cents(amount)),
        Step::Transfer(false, amount) => draft.transfer(EntryKind::Withdrawal, &cents(amount)),
        Step::Buy(sid, amount, price) => draft.buy(&format!("S{sid}"), &cents(amount), &fine(price)),
        Step::Sell(sid, units, price) => draft.sell(&format!("S{sid}"), &fine(units), &fine(price)),
        Step::Publish(payload) => {
            let message = v1::Publication { channel: "c".to_owned(), payload: payload.into() };
            draft.publish(OutboxContent::Publication(message));
        }
        Step::Confirm(more) => {
            let account = &mut draft.account;
            account.published_through = (account.published_through + more).min(account.position);
        }
        Step::Done(beyond, more) => {
            let first = draft.account.published_through + beyond;
            changes.done.add(first, (first + more).min(draft.account.position));
        }
        Step::GoBack => {
            draft.account.ledger_id = format!("{:04x}{:04x}", draft.account.updated_micros, draft.account.decisions);
            draft.ids.take(LedgerId {
                first_seq: draft.account.decisions + 1,
                first_position: draft.account.position + 1,
                id: draft.account.ledger_id.clone(),
            });
            changes.ledger_ids = Some(draft.ids.clone());
        }
        Step::Outcome(of, rows) => (0..rows).for_each(|_| draft.outcome(class(of))),
        Step::Evict(number, rows) => {
            let last = draft.ordinals.get(&class(number)).copied().unwrap_or(0);
            changes.evict.push((class(number), last.saturating_sub(rows)));
        }
        Step::Mark(source, seq) => draft.mark("quotes", &format!("source {source}"), seq),
        Step::Unmark(source) => changes.sources.removed.push(("quotes".to_owned(), format!("source {source}"))),
        Step::Count(name, value) => drop(changes.counters.insert((format!("count {name}"), String::new()), value)),
        Step::Save(key, value) => drop(changes.state.insert(("random".to_owned(), format!("{key}")), value)),
        Step::Hold(filters) => changes.held = Some(held(&["a", "b/#", "c"][..usize::from(filters)])),
        Step::Stop(number, suspend) => changes.trading = Some(trading(number.into(), &[("Halt", suspend)])),
        Step::Await(sid, waits) => drop(changes.closing.waiting.insert(format!("S{sid}"), waits)),
        Step::Request => changes.closing.requests.push(format!("r-{number}")),
        Step::Gap(source) => changes.gaps.push(Gap {
            channel: "quotes".to_owned(),
            source: format!("source {source}"),
            first: i64::from(source),
            last: 9,
            seen_micros: 7,
        }),
        Step::Manual(sid, units, price) => draft.sell_by_hand(&format!("S{sid}"), &fine(units), &fine(price)),
        Step::Settle(generation) => changes.settings = Some(settings(generation)),
        Step::Session(url, session) => {
            changes.client_sessions.insert(("client".to_owned(), format!("mqtt://{url}")), session.clone());
            changes.sessions.insert(format!("mqtt://{url}"), session);
        }
        Step::Retain(..) | Step::Commit | Step::Close | Step::Drop => {}
    }
}

fn opened(dir: &Path, sizes: Sizes) -> SqliteLedger {
    SqliteLedger::open_as(dir, ACCOUNT, Opening { sizes, seed: 1, durability: Durability::Process }).unwrap()
}

/// The answers of a ledger to look-ups of all rows of a snapshot, by id and by packet.
fn found(ledger: &mut dyn Ledger, snapshot: &Snapshot) -> Vec<WindowRow> {
    let mut found = Vec::new();
    for row in &snapshot.window {
        let WindowRow { channel, source, id, rank, era, ordinal, class, .. } = row;
        let name = IdQuery { channel, source, id, rank: *rank, era: *era, before: *ordinal };
        found.extend(ledger.named(&name).unwrap());
        let key = row.packet_key().unwrap();
        let of = Some((row.run, row.delivery));
        for (of, limit) in [(None, 2), (None, 100), (of, 100)] {
            let packet = PacketQuery { key, class: *class, after: 1, before: *ordinal, of, limit };
            found.extend(ledger.delivered(&packet).unwrap());
        }
    }
    found
}

/// Runs the steps on both kinds of ledger, and compares everything after each commit.
fn compare(sizes: Sizes, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let dir = tempdir().unwrap();
    let mut file = opened(dir.path(), sizes);
    let account = file.snapshot().unwrap().account;
    let mut memory = MemoryLedger::with_sizes(&account.name, &account.ledger_id, sizes);
    let mut draft = Draft::new(&file.snapshot().unwrap());
    for (number, step) in steps.into_iter().enumerate() {
        if let Step::Retain(decisions, most) = step {
            drop_all(&mut file, dir.path(), &retention::decisions(decisions), 0, most);
            continue;
        }
        let ends = matches!(step, Step::Commit | Step::Close | Step::Drop);
        let (close, reopen) = (matches!(step, Step::Close), matches!(step, Step::Close | Step::Drop));
        draw(&mut draft, step, number);
        if !ends {
            continue;
        }
        let changes = draft.take();
        file.commit(&changes).unwrap();
        let before = memory.clone();
        memory.commit(&changes).unwrap();
        if reopen {
            if close {
                Box::new(file).close().unwrap();
            } else {
                drop(file);
            }
            file = opened(dir.path(), sizes);
            // A copy from before, and the same commit again.
            memory = before;
            memory.commit(&changes).unwrap();
        }
        let contents = Contents::of(&mut file);
        let snapshot = contents.snapshot.clone();
        let mut wanted = Contents::of(&mut memory);
        wanted.decisions.retain(|entry| entry.number >= file.first_entry());
        prop_assert_eq!(contents, wanted);
        prop_assert_eq!(found(&mut file, &snapshot), found(&mut memory, &snapshot));
    }
    let first_entry = file.first_entry();
    Box::new(file).close().unwrap();
    prop_assert_eq!(verify(dir.path()).unwrap().first_entry, first_entry);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_in_a_file_and_the_one_in_memory_are_the_same(steps in vec(step(), 1..80)) {
        compare(Sizes::DESIGN, steps)?;
    }

    #[test]
    fn the_two_ledgers_are_the_same_beyond_every_bound(steps in vec(step(), 40..160)) {
        compare(TINY, steps)?;
    }
}
