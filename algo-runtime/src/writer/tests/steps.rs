//! The writer step by step, in virtual time and without a thread.

use intuition_api::v1::tick_outcome::SeenBy;

use crate::{
    backend::{BackendError, ConditionReason, LinkCommand, LinkEvent},
    engine::LinkId,
    ledger::sqlite::SqliteLedger,
};

use super::*;

/// A writer that takes steps, the near end of its stream, and the time.
struct Steps {
    /// `None`: it has ended.
    writer: Option<Writer>,
    commits: Arc<AtomicU64>,
    refuses: Arc<AtomicBool>,
    now: Now,
    sizes: Sizes,
    streams: u64,
    responses: Option<Reader>,
    ended: CancellationToken,
    has_room: Arc<AtomicBool>,
}

impl Steps {
    fn start(change: impl FnOnce(&mut WriterDeps, Arc<AtomicU64>)) -> Self {
        Self::start_on(fresh(), change)
    }

    fn start_on(ledger: impl Ledger + 'static, change: impl FnOnce(&mut WriterDeps, Arc<AtomicU64>)) -> Self {
        let (commits, refuses) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (commits_of, refuses_of) = (Arc::clone(&commits), Arc::clone(&refuses));
        let ledger = Counting { ledger: Box::new(ledger), commits: commits_of, refuses: refuses_of };
        let mut deps = deps(&mut Registry::default());
        deps.settings.live.parameters.insert("seed".to_owned(), 1.into());
        change(&mut deps, Arc::clone(&commits));
        let (sizes, now) = (deps.sizes, Now { instant: Instant::now(), micros: 1_767_323_045_000_000 });
        let writer = Writer::start(Box::new(ledger), deps, now).unwrap();
        Self {
            writer: Some(writer),
            commits,
            refuses,
            now,
            sizes,
            streams: 0,
            responses: None,
            ended: CancellationToken::new(),
            has_room: Arc::default(),
        }
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    fn pass(&mut self, time: Duration) {
        self.now = after(self.now, time);
    }

    fn handle(&mut self, command: Command) {
        self.writer.as_mut().unwrap().handle(command, self.now);
    }

    fn settle(&mut self) {
        self.writer = Some(self.writer.take().unwrap().settle(self.now).unwrap());
    }

    fn open(&mut self, open: Open) {
        self.open_as(9, open);
    }

    fn open_as(&mut self, run: u64, open: Open) {
        let has_room = Arc::clone(&self.has_room);
        let (responses, reader) = responses(self.sizes.responses, move || has_room.store(true, Ordering::SeqCst));
        self.streams += 1;
        self.ended = CancellationToken::new();
        self.responses = Some(reader);
        let open = Open { account: ACCOUNT.to_owned(), run, ..open };
        self.handle(Command::Open { stream: self.streams, open, responses, ended: self.ended.clone() });
    }

    /// The answer to a stream that is opened.
    fn opened(&mut self, open: Open) -> Opened {
        self.open(open);
        self.settle();
        match self.read().into_iter().next() {
            Some(Ok(Message::Opened(opened))) => opened,
            other => panic!("Opened comes first, not {other:?}"),
        }
    }

    fn request(&mut self, message: Request) {
        self.handle(Command::Request { stream: self.streams, message, room: None });
    }

    fn quotes(&mut self, numbers: std::ops::RangeInclusive<u64>) {
        self.request(Request::Batch(Batch { deliveries: numbers.map(delivery).collect() }));
    }

    /// Everything that waits on the stream.
    fn read(&mut self) -> Vec<Result<Message, Code>> {
        let reader = self.responses.as_mut().unwrap();
        let next = || reader.try_next(self.now.instant);
        std::iter::from_fn(next)
            .map(|response| response.map(|response| response.message.unwrap()).map_err(|status| status.code()))
            .collect()
    }

    fn has_ended(&self) -> bool {
        self.responses.as_ref().unwrap().has_ended()
    }

    fn deadline(&self) -> Option<Instant> {
        self.writer.as_ref().unwrap().deadline()
    }

    fn actions(&mut self) -> Vec<(u64, LinkAction)> {
        self.writer.as_mut().unwrap().take_link_actions()
    }
}

/// Another bridge takes up the session, which holds a filter, and delivers.
fn visit_of_another_bridge(steps: &mut Steps) {
    steps.open_as(7, Open { session_present: true, ..Open::default() });
    let filter = intuition_api::v1::Filter { filter: "quotes".to_owned(), subscription_id: 1 };
    steps.request(Request::Holding(Holding { filters: vec![filter] }));
    steps.quotes(1..=1);
    steps.settle();
}

/// The first bridge found no session, and reaches the runtime after a second one for which the broker has made one.
#[test]
fn a_loss_of_the_session_before_another_bridge_delivered_is_outdated() {
    for (session_lost_ms, held) in [(None, 0), (Some(1_000), 1)] {
        let mut steps = Steps::start(|_, _| {});
        visit_of_another_bridge(&mut steps);
        steps.pass(Duration::from_secs(1));
        let opened = steps.opened(Open { session_lost_ms, ..Open::default() });
        assert_eq!((opened.held.len(), opened.confirm_loss), (held, None), "{session_lost_ms:?}");
    }
}

/// The report may have been under way for longer than its age shows.
#[test]
fn a_loss_of_the_session_beside_another_bridge_is_confirmed_first() {
    let mut steps = Steps::start(|_, _| {});
    visit_of_another_bridge(&mut steps);
    steps.pass(Duration::from_secs(1));
    let lost = Open { session_lost_ms: Some(999), ..Open::default() };
    let first = steps.opened(lost.clone());
    assert!(first.confirm_loss.is_some() && first.held.len() == 1 && !first.session_lost, "{first:?}");
    // The other bridge delivers once more, so that the answer is out of date.
    visit_of_another_bridge(&mut steps);
    steps.pass(Duration::from_secs(1));
    let second = steps.opened(Open { confirmed_loss: first.confirm_loss, ..lost.clone() });
    assert!(second.confirm_loss.is_some() && second.confirm_loss != first.confirm_loss, "{second:?}");
    let third = steps.opened(Open { confirmed_loss: second.confirm_loss, ..lost });
    assert!(third.confirm_loss.is_none() && third.held.is_empty() && third.session_lost, "{third:?}");
}

/// The runtime started again between the other bridge's delivery and the report, so that nothing shows the order of the two.
#[test]
fn a_redelivery_is_recognised_after_a_loss_that_is_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let open_ledger = || SqliteLedger::open(folder.path(), ACCOUNT).unwrap();
    let first = Delivery { packet_id: 7, connection: 1, ..delivery(1) };
    let mut steps = Steps::start_on(open_ledger(), |_, _| {});
    steps.open_as(7, Open { session_present: true, ..Open::default() });
    steps.request(Request::Batch(Batch { deliveries: vec![first.clone()] }));
    steps.settle();
    steps.writer.take().unwrap().stop().unwrap();

    let mut steps = Steps::start_on(open_ledger(), |_, _| {});
    let opened = steps.opened(Open { session_lost_ms: Some(60_000), ..Open::default() });
    assert_eq!((opened.held.len(), opened.confirm_loss), (0, None));
    // The bridge does not receive the answer, and reports the loss once more. A commit has the new name of the session, and one fails.
    for (subscription_id, refuses) in [(1, false), (2, true)] {
        steps.refuses.store(refuses, Ordering::SeqCst);
        let filter = intuition_api::v1::Filter { filter: "quotes".to_owned(), subscription_id };
        steps.request(Request::Holding(Holding { filters: vec![filter] }));
        steps.settle();
        assert_eq!(steps.ended.is_cancelled(), refuses);
    }
    steps.refuses.store(false, Ordering::SeqCst);
    steps.opened(Open { session_lost_ms: Some(60_000), ..Open::default() });
    let again = Delivery { duplicate: true, ..first };
    steps.request(Request::Batch(Batch { deliveries: vec![again] }));
    steps.settle();
    let outcomes =
        |message| if let Ok(Message::Committed(committed)) = message { committed.outcomes } else { Vec::new() };
    let outcomes: Vec<_> = steps.read().into_iter().flat_map(outcomes).collect();
    assert_eq!(outcomes[0].ticks[0].seen_by(), SeenBy::Packet);
    steps.writer.take().unwrap().stop().unwrap();
}

#[test]
fn a_group_is_answered_when_it_is_settled_and_has_one_commit() {
    let mut steps = Steps::start(|_, _| {});
    let before = steps.commits();
    steps.open(Open::default());
    steps.quotes(1..=2);
    steps.quotes(3..=3);
    assert!(steps.read().is_empty() && steps.commits() == before, "not before the group ends");
    steps.settle();
    assert_eq!(steps.commits(), before + 1);
    let messages = steps.read();
    let [opened, channels, Ok(Message::Committed(outbox)), Ok(Message::Committed(committed))] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(matches!((opened, channels), (Ok(Message::Opened(_)), Ok(Message::Channels(_)))), "{messages:?}");
    assert_eq!((outbox.entries.len(), outbox.outcomes.len()), (3, 0), "a new stream gets the outbox first");
    assert_eq!((committed.entries.len(), committed.outcomes.len()), (0, 3));
    assert!(!steps.has_ended() && !steps.ended.is_cancelled());
    let writer = steps.writer.take().unwrap();
    writer.stop().unwrap();
    assert!(!steps.has_ended(), "the status waits");
    assert_eq!(steps.read(), [Err(Code::Unavailable)]);
    assert!(steps.has_ended() && steps.ended.is_cancelled());
}

/// Opens, trades, fails a commit, and opens with the id of another ledger, which gives the ledger a new id.
fn course(seed: u64) -> Vec<Result<Message, Code>> {
    let mut steps = Steps::start(|deps, _| deps.seed = seed);
    let mut came = Vec::new();
    for group in 0..6_u64 {
        steps.pass(Duration::from_millis(10));
        steps.refuses.store(group == 2, Ordering::SeqCst);
        if group % 3 == 0 {
            let ledger_id = if group == 0 { String::new() } else { "00000000".to_owned() };
            steps.open(Open { ledger_id, ..Open::default() });
        }
        steps.quotes(group * 5 + 1..=group * 5 + 5);
        steps.settle();
        came.extend(steps.read());
    }
    came
}

#[test]
fn a_seed_and_commands_give_the_same_responses() {
    assert_eq!(course(1), course(1));
    assert!(course(1).contains(&Err(Code::Internal)), "a commit failed");
    assert_ne!(course(1), course(2), "the new ledger id differs");
}

#[test]
fn reports_have_a_commit_of_their_own_at_the_deadline() {
    let mut steps = Steps::start(|deps, _| deps.sizes.report_pause = Duration::from_secs(3));
    steps.open(Open::default());
    steps.quotes(1..=1);
    steps.settle();
    let before = steps.commits();
    assert_eq!(steps.deadline(), None);
    steps.request(Request::Published(Published { through: 1, ..Published::default() }));
    steps.settle();
    let deadline = steps.deadline().unwrap();
    assert_eq!(deadline, steps.now.instant + Duration::from_secs(3));
    steps.pass(Duration::from_secs(2));
    steps.settle();
    assert_eq!((steps.commits(), steps.deadline()), (before, Some(deadline)));
    steps.pass(Duration::from_secs(1));
    steps.settle();
    assert_eq!((steps.commits(), steps.deadline()), (before + 1, None));
}

/// A bridge that heard of a report holds on to it. The runtime may die before it has saved it, and must not lose its count.
#[test]
fn reports_are_saved_before_an_opened_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut steps = Steps::start_on(SqliteLedger::open(dir.path(), ACCOUNT).unwrap(), |deps, _| {
        deps.sizes.report_pause = Duration::from_hours(1);
    });
    steps.open(Open::default());
    steps.quotes(1..=1);
    steps.settle();
    steps.request(Request::Published(Published { through: 1, ..Published::default() }));
    steps.settle();
    let before = steps.commits();
    let opened = steps.opened(Open { session_present: true, ..Open::default() });
    assert_eq!(opened.published_through, 1);
    assert_eq!((steps.commits(), steps.deadline()), (before + 1, None));
    // As after kill -9.
    drop(steps);
    let mut ledger = SqliteLedger::open(dir.path(), ACCOUNT).unwrap();
    assert_eq!(ledger.snapshot().unwrap().account.published_through, 1);
}

#[test]
fn entries_wait_for_room_in_a_queue_of_any_size() {
    let mut ledger = fresh();
    let mut account = ledger.snapshot().unwrap().account;
    account.position = 3;
    let outbox = (1..=3).map(|position| OutboxRow { position, content: publication(10) }).collect();
    ledger.commit(&Changes { account: Some(account), outbox, ..Changes::default() }).unwrap();
    let mut steps = Steps::start_on(ledger, |deps, _| {
        let responses = responses::Sizes { full_bytes: 1, ..responses::Sizes::default() };
        deps.sizes = Sizes { page: 1, responses, ..Sizes::default() };
    });
    steps.open(Open::default());
    steps.settle();
    let messages = steps.read();
    assert!(matches!(&messages[..], [Ok(Message::Opened(_)), Ok(Message::Channels(_))]), "{messages:?}");
    assert!(steps.has_room.swap(false, Ordering::SeqCst));
    steps.handle(Command::Room);
    steps.settle();
    let messages = steps.read();
    let [Ok(Message::Committed(committed))] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(committed.entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_disk_that_hangs_does_not_count_as_a_bridge_that_does_not_read() {
    let commit = Duration::from_secs(30);
    let mut steps = Steps::start(|deps, commits| {
        deps.sizes.responses.full_bytes = 1;
        deps.stopwatch = Box::new(move || commit * u32::try_from(commits.load(Ordering::SeqCst)).unwrap());
    });
    let before = steps.commits();
    steps.open(Open::default());
    steps.settle();
    assert_eq!(steps.commits(), before + 1);
    steps.pass(commit);
    steps.settle();
    assert!(!steps.ended.is_cancelled(), "the queue was filled at the end of the commit");
    steps.pass(Duration::from_secs(20));
    steps.settle();
    assert!(steps.ended.is_cancelled());
    assert_eq!(steps.read(), [Err(Code::ResourceExhausted)]);
}

/// The other runtime deletes entries that it knows to be published. There is nothing to commit here that would show it.
#[test]
fn a_writer_whose_ledger_was_taken_over_ends_when_it_reads_the_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let open_ledger = || SqliteLedger::open(folder.path(), ACCOUNT).unwrap();
    let mut steps = Steps::start_on(open_ledger(), |_, _| {});
    let capabilities = vec![capability::OUTBOX_QUEUES.to_owned()];
    steps.open(Open { pages: true, capabilities, ..Open::default() });
    steps.quotes(1..=1);
    steps.settle();
    let mut newer = open_ledger();
    let mut account = newer.snapshot().unwrap().account;
    assert_eq!((account.position, account.published_through), (1, 0));
    account.published_through = 1;
    newer.commit(&Changes { account: Some(account), ..Changes::default() }).unwrap();
    steps.request(Request::Credit(Credit { bytes: 1 << 20 }));
    let error = steps.writer.take().unwrap().settle(steps.now).err();
    assert!(matches!(error, Some(WriterError::UseLedger(LedgerError::TakenOver { .. }))), "{error:?}");
    assert!(steps.ended.is_cancelled());
}

#[test]
fn links_of_a_dropped_engine_are_ended_and_their_events_ignored() {
    let address = "http://127.0.0.1:1";
    let mut steps = Steps::start(|deps, _| {
        deps.settings.live.algorithm = AlgorithmRef::Backend(address.parse().unwrap());
        deps.settings.live.parameters.clear();
    });
    let is_start = |actions: &[(u64, LinkAction)], life: u64| {
        matches!(actions, [(at, LinkAction::Start(LinkId(1), to)), (then, LinkAction::Command(LinkId(1), LinkCommand::Call { .. }))]
            if (*at, *then, to.as_str()) == (life, life, address))
    };
    let actions = steps.actions();
    assert!(is_start(&actions, 0), "{actions:?}");
    steps.refuses.store(true, Ordering::SeqCst);
    steps.open(Open::default());
    steps.refuses.store(false, Ordering::SeqCst);
    steps.settle();
    assert!(steps.actions().is_empty() && !steps.ended.is_cancelled());

    steps.request(Request::Holding(Holding {
        filters: vec![intuition_api::v1::Filter { filter: "quotes".to_owned(), subscription_id: 1 }],
    }));
    steps.refuses.store(true, Ordering::SeqCst);
    steps.settle();
    assert!(steps.ended.is_cancelled());
    let actions = steps.actions();
    assert!(matches!(actions[0], (0, LinkAction::End(LinkId(1)))) && is_start(&actions[1..], 1), "{actions:?}");

    steps.refuses.store(false, Ordering::SeqCst);
    for (life, orders) in [(0, 0), (1, 1)] {
        let failure = BackendError::new(ConditionReason::Unreachable, "it went away".to_owned());
        steps.handle(Command::LinkEvent {
            life,
            link: LinkId(1),
            event: LinkEvent { attempt: 1, reply: Err(failure) },
        });
        steps.settle();
        assert_eq!(steps.actions().len(), orders, "of life {life}");
    }
}
