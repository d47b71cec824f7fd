//! Sells holdings by hand: at a runtime, or through the API server of a cluster.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge: it waits by the monotonic clock, and draws the id of a request"
)]

use std::{collections::BTreeSet, time::Duration};

use algo_runtime::backend::Address;
use intuition_api::{
    refusal::NOT_HALTED,
    v1::{AccountResponse, CloseRequest, CloseResponse, Symbols, Trading, close_request::What},
};
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

use super::{
    TradingError,
    report::one_line,
    resources::Target,
    runtime::{self, Account, CALL_TIMEOUT, RuntimeError},
    tell, write,
};
use crate::{
    args::CloseArgs,
    cluster::{Call, Cluster},
    output::AnswerFormat,
};

/// Attempts at one request, which its id makes the same request.
const MAX_ATTEMPTS: u32 = 3;
/// Pause before the next attempt, and between two reads of the account.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Way to the account. A connection that breaks is made again.
enum Place {
    Runtime(Address),
    Cluster { cluster: Box<Cluster>, target: Target, uid: String },
}

/// Requests the sales, writes the answer, and waits for the sales with `--wait`.
pub(super) async fn close(args: &CloseArgs) -> Result<(), TradingError> {
    let place = place(args).await?;
    let request = format!("{:032x}", rand::random::<u128>());
    let (account, answer) = ask(args, &place, &request).await?;
    write(&text(&account.name, args, &answer))?;
    if args.wait && !answer.closing.is_empty() {
        // Symbols of an earlier request may wait as well.
        let is_asked = |sid: &&String| args.all_holdings || args.symbol.contains(sid);
        let asked = answer.closing.iter().filter(is_asked).cloned().collect();
        return wait(args, &place, account, asked).await;
    }
    Ok(())
}

async fn place(args: &CloseArgs) -> Result<Place, TradingError> {
    if let Some(address) = &args.at.runtime {
        return Ok(Place::Runtime(address.clone()));
    }
    let cluster = Box::new(Cluster::of(&args.cluster).await.map_err(TradingError::Cluster)?);
    let target = Target::named(args.name.as_deref().unwrap_or_default(), &cluster.namespace);
    let call = Call::on_algo("get", &target.namespace, &target.name);
    let api = cluster.algos(&target.namespace);
    let found = cluster.call(call, api.get_metadata(&target.name)).await.map_err(TradingError::Cluster)?;
    Ok(Place::Cluster { cluster, target, uid: found.metadata.uid.unwrap_or_default() })
}

async fn connect(args: &CloseArgs, place: &Place) -> Result<Account, TradingError> {
    match place {
        Place::Cluster { cluster, target, uid } => {
            let Target { namespace, name } = target;
            let channel = cluster.runtime(namespace, name, uid).await.map_err(TradingError::Cluster)?;
            Ok(Account::new(channel, target.account(), uid.clone()))
        }
        Place::Runtime(address) => {
            let channel = runtime::connect(address).await.map_err(TradingError::Runtime)?;
            Ok(Account::new(channel, args.at.account.clone().unwrap_or_default(), args.at.uid.clone()))
        }
    }
}

/// Sends the request until it is answered.
async fn ask(args: &CloseArgs, place: &Place, request: &str) -> Result<(Account, CloseResponse), TradingError> {
    let mut attempt = 1;
    loop {
        let account = match connect(args, place).await {
            Ok(account) => account,
            Err(TradingError::Cluster(error)) if error.is_transient() && attempt < MAX_ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let message = CloseRequest {
            account: account.name.clone(),
            resource_uid: account.uid.clone(),
            request: request.to_owned(),
            what: Some(what(args)),
        };
        let mut client = account.client();
        let error = match tokio::time::timeout(CALL_TIMEOUT, client.close(message)).await {
            Ok(Ok(answer)) => return judge(answer.into_inner(), args, &account.name).map(|answer| (account, answer)),
            Ok(Err(status)) if status.code() == Code::Unavailable => RuntimeError::of_status(status),
            Ok(Err(status)) => return Err(TradingError::Runtime(RuntimeError::of_status(status))),
            Err(_) => RuntimeError::TimeOut,
        };
        if attempt == MAX_ATTEMPTS {
            return Err(TradingError::Runtime(error));
        }
        attempt += 1;
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

fn what(args: &CloseArgs) -> What {
    if args.cancel {
        What::Cancel(true)
    } else if args.all_holdings {
        What::All(true)
    } else {
        What::Symbols(Symbols { sids: args.symbol.clone() })
    }
}

fn judge(answer: CloseResponse, args: &CloseArgs, account: &str) -> Result<CloseResponse, TradingError> {
    let error = match answer.refusal {
        None => return Ok(answer),
        Some(refusal) if refusal.reason == NOT_HALTED => RuntimeError::NotHalted(halt_command(args, account)),
        Some(refusal) => RuntimeError::of_refusal(refusal),
    };
    Err(TradingError::Runtime(error))
}

/// The command that halts the same account.
fn halt_command(args: &CloseArgs, account: &str) -> String {
    match &args.at.runtime {
        Some(address) => {
            let uid = if args.at.uid.is_empty() { String::new() } else { format!(" --uid {}", args.at.uid) };
            format!("intuition halt --runtime {address} --account {account}{uid}")
        }
        None => format!("intuition halt {account}"),
    }
}

/// The answer for standard output.
fn text(account: &str, args: &CloseArgs, answer: &CloseResponse) -> String {
    let CloseResponse { closing, not_held, no_channel, .. } = answer;
    match args.output {
        AnswerFormat::Json => {
            let object = json!({
                "account": account, "closing": closing, "notHeld": not_held, "noChannel": no_channel,
            });
            format!("{object}\n")
        }
        AnswerFormat::Text => {
            let line = |symbols: &[String], words: &str| {
                let named = one_line(&format!("{account}: {words}: {}", symbols.join(", ")));
                if symbols.is_empty() { String::new() } else { format!("{named}\n") }
            };
            let waits =
                if closing.is_empty() { format!("{account}: no symbol waits for a sale\n") } else { String::new() };
            [
                waits,
                line(closing, "sold at the next quote"),
                line(not_held, "not held"),
                line(no_channel, "no channel has brought a quote since the runtime started"),
            ]
            .concat()
        }
    }
}

/// Reads the account until none of the symbols waits.
async fn wait(
    args: &CloseArgs,
    place: &Place,
    mut account: Account,
    asked: BTreeSet<String>,
) -> Result<(), TradingError> {
    let deadline = Instant::now() + args.timeout;
    let mut waiting: Vec<_> = asked.iter().cloned().collect();
    loop {
        match account.read().await {
            Ok((response, trading)) => {
                let seen = Progress::of(&asked, &response, &trading);
                if seen.waiting.is_empty() {
                    return if seen.dropped.is_empty() {
                        sold(args, &account.name)
                    } else {
                        Err(TradingError::Drop(seen.dropped))
                    };
                }
                waiting = seen.waiting;
            }
            Err(RuntimeError::Call(status)) if status.code() == Code::NotFound => {
                return Err(TradingError::Runtime(RuntimeError::Call(status)));
            }
            // The runtime restarts, or the way to it broke: the request is in its ledger.
            Err(error) => {
                tell(&format!("{}: {}; trying again", account.name, intuition_common::exit::with_causes(&error)));
                if let Ok(again) = connect(args, place).await {
                    account = again;
                }
            }
        }
        if Instant::now() + RETRY_PAUSE > deadline {
            return Err(TradingError::Wait { seconds: args.timeout.as_secs(), symbols: waiting });
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

fn sold(args: &CloseArgs, account: &str) -> Result<(), TradingError> {
    match args.output {
        AnswerFormat::Text => write(&format!("{account}: all sold\n")),
        AnswerFormat::Json => Ok(()),
    }
}

/// Progress of the symbols of a request.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    /// Symbols that wait for their next quote.
    waiting: Vec<String>,
    /// Symbols that are held and wait no more: the request was cancelled, or the account is Active again.
    dropped: Vec<String>,
}

impl Progress {
    fn of(asked: &BTreeSet<String>, account: &AccountResponse, trading: &Trading) -> Self {
        let is_held = |sid: &String| account.positions.iter().any(|position| position.sid == *sid);
        let (waiting, others): (Vec<_>, Vec<_>) =
            asked.iter().cloned().partition(|sid| trading.closing.iter().any(|closing| closing == sid));
        Self { waiting, dropped: others.into_iter().filter(is_held).collect() }
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::Position;

    use super::*;

    #[test]
    fn a_symbol_waits_is_dropped_or_is_sold() {
        let asked: BTreeSet<_> = ["A", "B", "C"].map(str::to_owned).into();
        let held = |sid: &str| Position { sid: sid.to_owned(), ..Position::default() };
        let account =
            AccountResponse { positions: vec![held("A"), held("B"), held("D")], ..AccountResponse::default() };
        let trading = Trading { closing: vec!["A".to_owned(), "D".to_owned()], ..Trading::default() };
        let expected = Progress { waiting: vec!["A".to_owned()], dropped: vec!["B".to_owned()] };
        assert_eq!(Progress::of(&asked, &account, &trading), expected);
    }
}
