//! Remote algorithms: servers of the contract, as a link of the runtime sees them.
//!
//! An algorithm decides by a hash of symbol and price, so that its answer about a quote never changes, and counts the
//! quotes in its state. It is slow, away, hung, or answers rubbish, as the faults ask for.

use std::{collections::BTreeMap, time::Duration};

use algo_runtime::{
    backend::{
        BackendError, BackendReply, ConditionReason, LinkCommand, LinkEvent,
        describe::Described,
        link::{SEARCH_PARTS, STEADY_AFTER},
    },
    engine::{LinkAction, LinkId},
};
use intuition_api::{
    describe::CONTRACT,
    v1::{
        DescribeResponse, EventBatch, EventBatchResult, EventResult, InitializeResponse, InputEvent, Publication,
        Quote, ReconfigureResponse, Side, Signal, input_event::Kind,
    },
};
use rand::{RngExt as _, rngs::ChaCha8Rng};
use sha2::{Digest as _, Sha256};

use crate::{
    facts::{RunId, Time},
    plan::Scale,
};

/// How long a link waits for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// The addresses of the servers of a world.
pub const ADDRESSES: [&str; 2] = ["http://follow-a:50052", "http://follow-b:50052"];
/// Their names.
const NAMES: [&str; 2] = ["follow-a", "follow-b"];

/// Bytes of filling in a publication: a few publications fill a message to the bridge.
const FILLING_BYTES: usize = 900;

/// Names a link: the runtime's run, the life of its engine, and the engine's own number.
pub type Key = (RunId, u64, LinkId);

/// All servers, and the links to them.
pub struct Algorithms {
    rng: ChaCha8Rng,
    servers: Vec<Server>,
    links: BTreeMap<Key, Link>,
    /// Filters that each asks for.
    channels: [Vec<String>; 2],
    /// They fail at no quote any more.
    are_corrected: bool,
    /// How many quotes there are.
    scale: Scale,
}

#[derive(Default)]
struct Server {
    /// Nobody answers before.
    away_until: Time,
    /// It takes requests and answers none before.
    hung_until: Time,
    /// The next answer does not fit the contract.
    is_rubbish: bool,
}

struct Link {
    server: usize,
    attempt: u64,
    /// The state of the initialized stream: quotes seen.
    stream: Option<u64>,
    steady_at: Option<Time>,
    due: Option<(Time, Due)>,
}

enum Due {
    Call,
    Initialize(Vec<u8>),
    Batch(EventBatch),
    Reconfigure,
    Late,
    Broken,
}

impl Algorithms {
    /// Servers that ask for these channels, each for its own.
    pub fn new(rng: ChaCha8Rng, channels: [Vec<String>; 2], scale: Scale) -> Self {
        let servers = ADDRESSES.iter().map(|_| Server::default()).collect();
        Self { rng, servers, links: BTreeMap::new(), channels, are_corrected: false, scale }
    }

    /// Carries an errand out.
    pub fn errand(&mut self, run: RunId, life: u64, errand: LinkAction, now: Time) {
        match errand {
            LinkAction::Start(link, address) => {
                let server = ADDRESSES.iter().position(|known| *known == address.as_str()).unwrap_or(0);
                let link = self.links.entry((run, life, link)).or_insert(Link {
                    server,
                    attempt: 0,
                    stream: None,
                    steady_at: None,
                    due: None,
                });
                link.server = server;
            }
            LinkAction::Command(link, order) => self.order((run, life, link), order, now),
            LinkAction::End(link) => drop(self.links.remove(&(run, life, link))),
        }
    }

    /// A run of the runtime has ended, with its links; or an engine of it, with those of earlier lives than `life`.
    pub fn end(&mut self, run: RunId, life: u64) {
        self.links.retain(|(other, of, _), _| *other != run || *of >= life);
    }

    /// A server's process dies and is back at `until`. Its streams are gone.
    pub fn crash(&mut self, server: usize, until: Time, now: Time) {
        if let Some(server) = self.servers.get_mut(server) {
            server.away_until = until;
            server.is_rubbish = false;
        }
        for link in self.links.values_mut().filter(|link| link.server == server && link.stream.is_some()) {
            (link.stream, link.steady_at) = (None, None);
            link.due = Some((now, Due::Broken));
        }
    }

    /// A server answers nothing before `until`.
    pub fn hang(&mut self, server: usize, until: Time) {
        if let Some(server) = self.servers.get_mut(server) {
            server.hung_until = until;
        }
    }

    /// A server's next answer to a batch does not fit the contract.
    pub fn answer_rubbish(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.is_rubbish = true;
        }
    }

    /// All servers are well again, and corrected: two quotes in a row at which an algorithm fails stop an account until
    /// somebody corrects the algorithm (docs/contract.md, ADR 0016).
    pub fn recover(&mut self) {
        self.are_corrected = true;
        self.servers = ADDRESSES.iter().map(|_| Server::default()).collect();
    }

    /// When the next report is due.
    pub fn wake(&self) -> Option<Time> {
        let due = |link: &Link| link.due.as_ref().map(|(at, _)| *at).or(link.steady_at);
        self.links.values().filter_map(due).min()
    }

    /// The reports that are due.
    pub fn advance(&mut self, now: Time) -> Vec<(Key, LinkEvent)> {
        let keys: Vec<Key> = self.links.keys().copied().collect();
        keys.into_iter().filter_map(|key| Some((key, self.report(key, now)?))).collect()
    }

    fn order(&mut self, key: Key, order: LinkCommand, now: Time) {
        let Some(link) = self.links.get_mut(&key) else { return };
        let hung_until = self.servers.get(link.server).map_or(Time::ZERO, |server| server.hung_until);
        let think = Duration::from_micros(self.rng.random_range(200..20_000));
        let mut patience = DEADLINE;
        let (wait, due) = match order {
            LinkCommand::Call { attempt, pause } => {
                (link.attempt, link.stream, link.steady_at) = (attempt, None, None);
                (pause, Due::Call)
            }
            LinkCommand::Initialize(request) => (Duration::ZERO, Due::Initialize(request.state.to_vec())),
            LinkCommand::Batch { batch, is_search } => {
                if is_search {
                    patience /= SEARCH_PARTS;
                }
                (Duration::ZERO, Due::Batch(batch))
            }
            LinkCommand::Reconfigure(_) => (Duration::ZERO, Due::Reconfigure),
        };
        // An order for a stream that broke crossed the report of that.
        if link.stream.is_none() && matches!(due, Due::Batch(_) | Due::Reconfigure) {
            return;
        }
        let at = now + wait + think;
        link.due = Some(if at < hung_until && hung_until > now + wait + patience {
            (now + wait + patience, Due::Late)
        } else {
            (at.max(hung_until), due)
        });
    }

    fn report(&mut self, key: Key, now: Time) -> Option<LinkEvent> {
        let link = self.links.get_mut(&key)?;
        let said = if let Some((_, due)) = link.due.take_if(|(at, _)| *at <= now) {
            self.said(key, due, now)?
        } else {
            link.steady_at.take_if(|at| *at <= now && link.due.is_none())?;
            Ok(BackendReply::Steady)
        };
        let link = self.links.get_mut(&key)?;
        if said.is_err() {
            (link.stream, link.steady_at) = (None, None);
        }
        Some(LinkEvent { attempt: link.attempt, reply: said })
    }

    fn said(&mut self, key: Key, due: Due, now: Time) -> Option<Result<BackendReply, BackendError>> {
        let link = self.links.get_mut(&key)?;
        let server = self.servers.get_mut(link.server)?;
        if server.away_until > now {
            return Some(Err(BackendError::new(ConditionReason::Unreachable, "no server answers".to_owned())));
        }
        Some(match due {
            Due::Late => Err(BackendError::new(ConditionReason::Timeout, "it did not answer in time".to_owned())),
            Due::Broken => Err(BackendError::new(ConditionReason::Unreachable, "the connection broke".to_owned())),
            Due::Call => Described::read(&DescribeResponse {
                name: (*NAMES.get(link.server)?).to_owned(),
                version: "1".to_owned(),
                contract: CONTRACT.to_owned(),
                parameters_schema_json: String::new(),
            })
            .map(BackendReply::Described),
            Due::Initialize(state) => {
                link.stream = Some(seen(&state));
                link.steady_at = Some(now + STEADY_AFTER);
                let channels = self.channels.get(link.server).cloned().unwrap_or_default();
                Ok(BackendReply::Initialized(InitializeResponse { channels, refusal: String::new() }))
            }
            Due::Reconfigure => {
                Ok(BackendReply::Reconfigured(ReconfigureResponse { channels: Vec::new(), refusal: String::new() }))
            }
            Due::Batch(batch) => {
                if std::mem::take(&mut server.is_rubbish) {
                    return Some(Ok(BackendReply::Result(EventBatchResult {
                        number: batch.number + 1,
                        ..Default::default()
                    })));
                }
                let count = link.stream.as_mut()?;
                answer(batch, (link.server, self.scale), count, self.are_corrected).map(BackendReply::Result)
            }
        })
    }
}

/// The number of quotes in a saved state.
pub fn seen(state: &[u8]) -> u64 {
    state.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn answer(
    batch: EventBatch,
    (server, scale): (usize, Scale),
    count: &mut u64,
    is_corrected: bool,
) -> Result<EventBatchResult, BackendError> {
    let (mut results, mut publications) = (Vec::new(), Vec::new());
    for InputEvent { event, kind } in batch.events {
        let Some(Kind::Quote(quote)) = kind else { continue };
        let opinion = opinion(&quote, server, scale);
        if opinion == Opinion::Fail && !is_corrected {
            return Err(BackendError::new(ConditionReason::Error, format!("cannot think about {}", quote.price)));
        }
        *count += 1;
        let signal = |side: Side| vec![Signal { event, side: side.into(), quantity: String::new() }];
        let (signals, reject) = match opinion {
            Opinion::Buy => (signal(Side::Buy), ""),
            Opinion::Sell => (signal(Side::Sell), ""),
            Opinion::Reject => (Vec::new(), "cannot use it"),
            Opinion::Nothing | Opinion::Fail => (Vec::new(), ""),
            Opinion::Publish => {
                let filling = "x".repeat(FILLING_BYTES);
                let payload = format!("{} {} {filling}", quote.sid, quote.price).into_bytes().into();
                publications.push(Publication { channel: "trace".to_owned(), payload });
                (Vec::new(), "")
            }
        };
        results.push(EventResult { event, signals, reject: reject.to_owned() });
    }
    let state = Some(count.to_be_bytes().to_vec().into());
    Ok(EventBatchResult { number: batch.number, results, state, publications })
}

/// What an algorithm does about a quote, always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opinion {
    Buy,
    Sell,
    Nothing,
    Publish,
    Reject,
    /// It ends the stream by an error.
    Fail,
}

fn opinion(quote: &Quote, server: usize, scale: Scale) -> Opinion {
    let digest = Sha256::digest(format!("{server} {} {}", quote.sid, quote.price));
    let (first, second) = (digest.first().copied().unwrap_or(0), digest.get(1).copied().unwrap_or(0));
    match first {
        // Each costs the runtime seconds of waiting, and a large backlog would have a thousand.
        253..=255 if scale == Scale::Real && second != 0 => Opinion::Reject,
        0..=127 => Opinion::Buy,
        128..=191 => Opinion::Sell,
        192..=219 => Opinion::Nothing,
        220..=243 => Opinion::Publish,
        244..=252 => Opinion::Reject,
        253..=255 => Opinion::Fail,
    }
}
