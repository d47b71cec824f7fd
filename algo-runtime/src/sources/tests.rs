use proptest::prelude::*;

use super::*;

fn restarted(sources: &mut Sources, marks: &mut Vec<Mark>, records: &mut SourceRecords) {
    save(sources, marks, records);
    *sources = Sources::load(marks.clone(), records.clone(), Sizes::DESIGN);
}

/// Changes rows as a ledger does.
fn save(sources: &mut Sources, marks: &mut Vec<Mark>, records: &mut SourceRecords) {
    let (numbers, changes) = sources.take_changes();
    marks.retain(|mark| !changes.removed.contains(&(mark.channel.clone(), mark.source.clone())));
    for mark in numbers {
        marks.retain(|known| (&known.channel, &known.source) != (&mark.channel, &mark.source));
        marks.push(mark);
    }
    records.resets.extend(changes.resets);
    records.forgotten.extend(changes.forgotten);
    for (key, conflict) in changes.conflicts {
        match conflict {
            Some(conflict) => records.conflicts.insert(key, conflict),
            None => records.conflicts.remove(&key),
        };
    }
}

fn accept(sources: &mut Sources, source: &str, seq: i64, now: i64) -> Option<Missing> {
    let missing = sources.take("quotes", source, (seq, 0));
    sources.settle("quotes", source, (seq, 0), now);
    sources.accept("quotes", source);
    missing
}

fn refuse(sources: &mut Sources, source: &str, times: u32) {
    for _ in 0..times {
        sources.refuse("quotes", source, "SequenceWentBack", "it stands at 9");
    }
}

#[test]
fn skipped_numbers_are_missing_and_a_first_number_misses_none() {
    let mut sources = Sources::default();
    assert_eq!(accept(&mut sources, "nyse", 5, 1), None);
    assert_eq!(accept(&mut sources, "nyse", 6, 2), None);
    assert_eq!(accept(&mut sources, "nyse", 9, 3), Some((7, 8)));
    assert_eq!((sources.last("quotes", "nyse"), sources.settled("quotes", "nyse")), (Some((9, 0)), Some(9)));
    assert_eq!((sources.last("other", "nyse"), sources.last("quotes", "lse")), (None, None));
}

#[test]
fn a_reset_applies_once_in_its_era_at_its_last_number() {
    let mut sources = Sources::default();
    accept(&mut sources, "nyse", 9, 1);
    assert_eq!(sources.reset("quotes", "lse", (0, 9), 2), Err(ResetRefusal::UnknownSource));
    assert_eq!(sources.reset("quotes", "nyse", (1, 9), 2), Err(ResetRefusal::OtherEra));
    assert_eq!(sources.reset("quotes", "nyse", (0, 8), 2), Err(ResetRefusal::OtherLast));
    sources.take("quotes", "nyse", (10, 0));
    for last in [9, 10] {
        let in_flight = sources.reset("quotes", "nyse", (0, last), 2);
        assert_eq!(in_flight, Err(ResetRefusal::OtherLast), "number 10 has no outcome yet");
    }
    sources.settle("quotes", "nyse", (10, 0), 3);
    assert_eq!(sources.reset("quotes", "nyse", (0, 10), 4), Ok(true));
    let shown = sources.shown("quotes", "nyse").unwrap();
    assert_eq!((shown.era, shown.last, shown.last_micros), (1, None, 0));
    // The new run reaches the same number, and the same reset comes again.
    assert_eq!(accept(&mut sources, "nyse", 10, 5), None);
    assert_eq!(sources.reset("quotes", "nyse", (0, 10), 6), Ok(false));
    assert_eq!(sources.last("quotes", "nyse"), Some((10, 0)));
    assert_eq!(sources.reset("quotes", "nyse", (1, 10), 7), Ok(true));
    assert_eq!(sources.reset("quotes", "nyse", (0, 10), 8), Ok(false), "the first of two");
    assert_eq!((sources.era("quotes", "nyse"), sources.era("other", "nyse")), (2, 0));
}

#[test]
fn resets_and_conflicts_outlast_a_restart() {
    let (mut sources, mut marks, mut records) = (Sources::default(), Vec::new(), SourceRecords::default());
    accept(&mut sources, "nyse", 9, 1);
    accept(&mut sources, "lse", 3, 1);
    assert_eq!(sources.reset("quotes", "nyse", (0, 9), 2), Ok(true));
    refuse(&mut sources, "lse", CONFLICT_DEAD_LETTERS);
    restarted(&mut sources, &mut marks, &mut records);
    assert_eq!((sources.era("quotes", "nyse"), sources.last("quotes", "nyse"), sources.len()), (1, None, 2));
    let notable: Vec<_> = sources.notable(100).into_iter().map(|source| (source.name, source.conflicts)).collect();
    assert_eq!(notable, [("lse".to_owned(), CONFLICT_DEAD_LETTERS), ("nyse".to_owned(), 0)]);
    accept(&mut sources, "lse", 4, 2);
    accept(&mut sources, "nyse", 1, 2);
    restarted(&mut sources, &mut marks, &mut records);
    assert_eq!((records.conflicts.len(), sources.last("quotes", "nyse")), (0, Some((1, 0))));
}

#[test]
fn ten_dead_letters_in_a_row_are_a_conflict_and_an_accepted_tick_ends_it() {
    let mut sources = Sources::default();
    refuse(&mut sources, "nyse", CONFLICT_DEAD_LETTERS - 1);
    assert!(sources.notable(100).is_empty());
    accept(&mut sources, "nyse", 1, 1);
    refuse(&mut sources, "nyse", CONFLICT_DEAD_LETTERS - 1);
    assert!(sources.notable(100).is_empty(), "not in a row");
    refuse(&mut sources, "nyse", 1);
    let [source] = sources.notable(100).try_into().unwrap();
    assert_eq!((source.name.as_str(), source.conflicts), ("nyse", CONFLICT_DEAD_LETTERS));
    assert_eq!(
        (source.conflict_reason.as_str(), source.conflict_message.as_str()),
        ("SequenceWentBack", "it stands at 9")
    );
    accept(&mut sources, "nyse", 2, 2);
    assert!(sources.notable(100).is_empty());
}

#[test]
fn runs_of_ever_new_names_are_bounded() {
    let (mut sources, mut marks, mut records) = (Sources::default(), Vec::new(), SourceRecords::default());
    refuse(&mut sources, "first", CONFLICT_DEAD_LETTERS);
    for name in 0..2_000 {
        refuse(&mut sources, &name.to_string(), 1);
        save(&mut sources, &mut marks, &mut records);
    }
    assert_eq!(records.conflicts.len(), 1_000);
    assert!(!records.conflicts.contains_key(&("quotes".to_owned(), "first".to_owned())));
}

#[test]
fn sources_that_are_forgotten_stay_so_and_make_room() {
    let (mut sources, mut marks, mut records) = (Sources::default(), Vec::new(), SourceRecords::default());
    sources.limit = 2;
    accept(&mut sources, "old", 9, 1_000);
    accept(&mut sources, "new", 9, 2_000);
    assert_eq!(sources.unwelcome("quotes", "third"), Some(Unwelcome::TooMany));
    assert_eq!(sources.unwelcome("quotes", "old"), None);
    assert_eq!(sources.forget(Forget::IdleFor(1_000), 2_500), 1);
    assert_eq!(sources.unwelcome("quotes", "old"), Some(Unwelcome::Forgotten));
    assert_eq!(sources.unwelcome("quotes", "third"), None);
    assert_eq!(sources.unwelcome("other", "old"), None, "another channel's source of that name");
    sources.settle("quotes", "old", (10, 0), 2_600);
    restarted(&mut sources, &mut marks, &mut records);
    assert_eq!((sources.len(), records.forgotten.len(), marks.len()), (1, 1, 1));
    assert_eq!(sources.unwelcome("quotes", "old"), Some(Unwelcome::Forgotten));
    assert_eq!(sources.forget(Forget::Named("old"), 3_000), 0);
    assert_eq!(sources.forget(Forget::Named("new"), 3_000), 1);

    // v0.1.0 traded on the file and took a number of the forgotten source.
    save(&mut sources, &mut marks, &mut records);
    marks.push(Mark { channel: "quotes".to_owned(), source: "old".to_owned(), seq: 11, ..Mark::default() });
    sources = Sources::load(marks.clone(), records.clone(), Sizes::DESIGN);
    assert_eq!((sources.len(), sources.unwelcome("quotes", "old")), (0, Some(Unwelcome::Forgotten)));
    save(&mut sources, &mut marks, &mut records);
    assert_eq!(marks, []);
}

#[test]
fn ledger_above_the_source_limit_keeps_its_sources_and_adds_none() {
    let mark = |name: usize| Mark { channel: "quotes".to_owned(), source: name.to_string(), seq: 1, ..Mark::default() };
    let mut sources =
        Sources::load((0..Sizes::DESIGN.sources + 5).map(mark).collect(), SourceRecords::default(), Sizes::DESIGN);
    assert_eq!(sources.len(), Sizes::DESIGN.sources + 5);
    assert_eq!(accept(&mut sources, "7", 3, 1), Some((2, 2)));
    assert_eq!(sources.unwelcome("quotes", "7"), None);
    assert_eq!(sources.unwelcome("quotes", "new"), Some(Unwelcome::TooMany));
}

#[test]
fn number_of_the_previous_release_has_the_age_of_its_opening() {
    let mark = |source: &str, taken_micros, found_micros| Mark {
        source: source.to_owned(),
        seq: 1,
        taken_micros,
        found_micros,
        ..Mark::default()
    };
    let mut sources =
        Sources::load(vec![mark("a", 0, 500), mark("b", 900, 0)], SourceRecords::default(), Sizes::DESIGN);
    let times: Vec<_> = sources.page(None, 10).into_iter().map(|source| source.last_micros).collect();
    assert_eq!(times, [0, 900]);
    assert_eq!(sources.forget(Forget::IdleFor(501), 1_000), 0);
    assert_eq!(sources.forget(Forget::IdleFor(500), 1_000), 1);
}

#[test]
fn pages_follow_each_other_in_order() {
    let mut sources = Sources::default();
    for name in ["c", "a", "b"] {
        accept(&mut sources, name, 1, 1);
        sources.take("alpha", name, (1, 0));
    }
    let names = |page: Vec<intuition_api::v1::Source>| -> Vec<String> {
        page.into_iter().map(|source| format!("{}/{}", source.channel, source.name)).collect()
    };
    assert_eq!(names(sources.page(None, 4)), ["alpha/a", "alpha/b", "alpha/c", "quotes/a"]);
    assert_eq!(names(sources.page(Some(("quotes", "a")), 4)), ["quotes/b", "quotes/c"]);
    assert_eq!(names(sources.page(Some(("quotes", "c")), 4)), [""; 0]);
}

#[derive(Debug, Clone)]
enum Step {
    Accept(u8, i64),
    Refuse(u8),
    Reset(u8),
    Forget(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, 1..50_i64).prop_map(|(source, ahead)| Step::Accept(source, ahead)),
        2 => (0..4_u8).prop_map(Step::Refuse),
        2 => (0..4_u8).prop_map(Step::Reset),
        1 => (0..4_u8).prop_map(Step::Forget),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Whatever happens, a restart changes nothing, eras only grow, and a forgotten source never comes back.
    #[test]
    fn a_restart_at_any_moment_shows_the_same_sources(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut sources, mut marks, mut records) = (Sources::default(), Vec::new(), SourceRecords::default());
        let mut forgotten = HashSet::new();
        let mut eras = [0; 4];
        for (now, step) in (1..).zip(steps) {
            match step {
                Step::Accept(source, ahead) => {
                    let name = source.to_string();
                    if sources.unwelcome("quotes", &name).is_none() {
                        prop_assert!(!forgotten.contains(&source));
                        let last = sources.last("quotes", &name).map_or(0, |(seq, _)| seq);
                        accept(&mut sources, &name, last + ahead, now);
                    }
                }
                Step::Refuse(source) => refuse(&mut sources, &source.to_string(), 4),
                Step::Reset(source) => {
                    let name = source.to_string();
                    let Some(last) = sources.settled("quotes", &name) else { continue };
                    let era = sources.era("quotes", &name);
                    prop_assert!(era >= eras[usize::from(source)]);
                    prop_assert_eq!(sources.reset("quotes", &name, (era, last), now), Ok(true));
                    prop_assert_eq!(sources.reset("quotes", &name, (era, last), now), Ok(false));
                    eras[usize::from(source)] = era + 1;
                }
                Step::Forget(source) => {
                    if sources.forget(Forget::Named(&source.to_string()), now) > 0 {
                        forgotten.insert(source);
                    }
                }
                Step::Restart => restarted(&mut sources, &mut marks, &mut records),
            }
        }
        let before = (sources.page(None, 100), sources.notable(100));
        restarted(&mut sources, &mut marks, &mut records);
        prop_assert_eq!(before, (sources.page(None, 100), sources.notable(100)));
    }
}
