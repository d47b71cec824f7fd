//! Any mix of faults: the numbers are given once and in order, or reported as a gap, and none is invented.

use std::time::Duration;

use proptest::prelude::*;

use super::harness::{Given, Harness};
use crate::session::{Action, ConnectionId, Event, FetchError};

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The exchange makes so many trades, and sends them in this manner.
    Trade(u64, Manner),
    /// The connection ends.
    Cut,
    /// Time passes.
    Pass(u64),
    /// The request under way is answered in this manner.
    Answer(Answer),
    /// The taker takes outputs.
    Take,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    Whole,
    Dropped,
    Twice,
    Reversed,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Right,
    Failed,
    Html,
    Short,
    Holes,
}

fn step() -> impl Strategy<Value = Step> {
    let manner = prop_oneof![
        4 => Just(Manner::Whole),
        1 => Just(Manner::Dropped),
        1 => Just(Manner::Twice),
        1 => Just(Manner::Reversed),
    ];
    let answer = prop_oneof![
        4 => Just(Answer::Right),
        1 => Just(Answer::Failed),
        1 => Just(Answer::Html),
        1 => Just(Answer::Short),
        1 => Just(Answer::Holes),
    ];
    prop_oneof![
        6 => (1_u64..40, manner).prop_map(|(count, manner)| Step::Trade(count, manner)),
        1 => Just(Step::Cut),
        4 => (1_u64..5_000).prop_map(Step::Pass),
        4 => answer.prop_map(Step::Answer),
        2 => Just(Step::Take),
    ]
}

/// The exchange with its last number, and the session's open connection.
struct Model {
    harness: Harness,
    latest: u64,
    open: Option<ConnectionId>,
    given: Vec<Given>,
}

impl Model {
    fn new(position: Option<u64>) -> Self {
        let (harness, id) = Harness::subscribed(position);
        Self { harness, latest: 100, open: Some(id), given: Vec::new() }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Trade(count, manner) => self.trade(count, manner),
            Step::Cut => {
                if let Some(id) = self.open.take() {
                    self.harness.event(Event::Ended(id, "cut".to_owned()));
                }
            }
            Step::Pass(millis) => {
                self.harness.pass(Duration::from_millis(millis));
                if let Some(id) = self.open {
                    self.harness.event(Event::Frame(id));
                }
            }
            Step::Answer(answer) => self.answer(answer),
            Step::Take => self.given.extend(self.harness.given()),
        }
        self.connect();
    }

    fn connect(&mut self) {
        if self.harness.actions.iter().any(|action| matches!(action, Action::Open(_))) {
            let id = self.harness.opens();
            self.harness.subscribe(id);
            self.open = Some(id);
        }
        let open = self.open;
        if self.harness.actions.iter().any(|action| matches!(action, Action::Close(id) if Some(*id) == open)) {
            self.open = None;
        }
    }

    fn trade(&mut self, count: u64, manner: Manner) {
        let numbers = self.latest + 1..=self.latest + count;
        self.latest += count;
        let Some(id) = self.open else { return };
        match manner {
            Manner::Whole => self.harness.trades(id, numbers),
            Manner::Dropped => {}
            Manner::Twice => self.harness.trades(id, numbers.clone().chain(numbers)),
            Manner::Reversed => self.harness.trades(id, numbers.rev()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let Some((id, path)) = self.harness.fetches() else { return };
        let value = |key: &str| {
            let text = path.split(['?', '&']).find_map(|part| part.strip_prefix(key));
            text.map(|text| text.parse::<u64>().unwrap())
        };
        let limit = value("limit=").unwrap();
        let from = value("fromId=").unwrap_or((self.latest + 1).saturating_sub(limit));
        let page: Vec<_> = (from..=self.latest).take(usize::try_from(limit).unwrap()).collect();
        let answer = match answer {
            Answer::Right => Ok(super::harness::page(page)),
            Answer::Failed => Err(FetchError::Reach("gone".to_owned())),
            Answer::Html => Ok("<html>".to_owned()),
            Answer::Short => Ok(super::harness::page(page.into_iter().take(3))),
            Answer::Holes => Ok(super::harness::page(page.into_iter().filter(|number| number % 3 != 0))),
        };
        self.harness.event(Event::Fetched(id, answer));
    }

    /// Lets all recoveries come to their end.
    fn finish(&mut self) {
        for turn in 0..400 {
            if turn == 100 {
                // Only a later number shows that the last ones are missing.
                self.run(Step::Trade(1, Manner::Whole));
            }
            self.run(Step::Answer(Answer::Right));
            self.run(Step::Pass(1_000));
            self.run(Step::Take);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn numbers_are_given_once_in_order_or_reported(steps in prop::collection::vec(step(), 1..120), positioned: bool) {
        let mut model = Model::new(positioned.then_some(90));
        for step in steps {
            model.run(step);
        }
        model.finish();
        let mut next = positioned.then_some(91);
        for given in &model.given {
            let (first, last) = match given {
                Given::Live(number) | Given::Backfilled(number) => (*number, *number),
                Given::Gap(first, last, _) => (*first, *last),
            };
            prop_assert!(first <= last && next.is_none_or(|next| next == first), "{given:?} and not {next:?}");
            prop_assert!(last <= model.latest, "{given:?} is invented");
            next = Some(last + 1);
        }
        if positioned || next.is_some() {
            prop_assert_eq!(next, Some(model.latest + 1));
        }
        prop_assert_eq!(model.harness.session.status().recovering, 0);
    }
}
