//! Logs the facts that the engine reports.

use intuition_api::v1::TradingState;

use crate::{
    backend::BackendNotice,
    engine::{Engine, EngineNotice},
};

/// Log target of facts about backends: users filter by it.
const BACKEND: &str = "algo_runtime::backend";

/// Logs the facts since the last call.
pub(super) fn log_notices(engine: &mut Engine) {
    for notice in engine.take_notices() {
        log(engine.names().0, notice);
    }
}

fn log(account: &str, notice: EngineNotice) {
    match notice {
        EngineNotice::SettingsRefused { generation, errors } => tracing::warn!(
            account,
            generation,
            "the settings of the start cannot be used, those of the generation that the ledger recorded go on: {errors}"
        ),
        EngineNotice::CashNotLowered { cash, deposits, target, reason } => tracing::warn!(
            account,
            %cash,
            %deposits,
            %target,
            reason,
            "the starting cash cannot be lowered that far: the withdrawal would make the cash negative"
        ),
        EngineNotice::TradingStateChanged { from, to, number, causes } if to > TradingState::Active => {
            tracing::warn!(account, %from, %to, number, ?causes, "the trading state is set");
        }
        EngineNotice::TradingStateChanged { from, to, number, .. } => {
            tracing::info!(account, %from, %to, number, "the account is Active");
        }
        EngineNotice::SoldByHand { sid, seq } => tracing::info!(account, ?sid, seq, "a holding is sold by hand"),
        EngineNotice::SaleDenied { sid, price, reason } => tracing::warn!(
            account,
            ?sid,
            %price,
            reason,
            "the sale by hand is denied, and the symbol waits no more: close it again at another price"
        ),
        EngineNotice::InputStale { topic, stale_after } => {
            tracing::warn!(
                account,
                topic,
                seconds = stale_after.as_secs(),
                "no quote has come for as long as staleAfter"
            );
        }
        EngineNotice::InputFresh { topic } => tracing::info!(account, topic, "quotes come again"),
        EngineNotice::ChannelsNotAllowed { channels, subscribed } => tracing::warn!(
            account,
            ?channels,
            subscribed,
            "the algorithm asks for channels that the namespace may not use"
        ),
        EngineNotice::TakesOver { from, to, generation } => {
            tracing::info!(account, %from, %to, generation, "another algorithm takes over");
        }
        EngineNotice::DecidesFirst { pause } => {
            let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            tracing::info!(account, micros, "the next algorithm decides");
        }
        EngineNotice::StateDeleted { algorithm, others } => tracing::warn!(
            account,
            algorithm,
            "the saved state is forgotten: {others} other algorithms saved one since this one did"
        ),
        EngineNotice::Miscounted { algorithm, asked, answered } => {
            tracing::error!(algorithm, asked, answered, "the built-in algorithm did not answer each event once");
        }
        EngineNotice::OutputsDropped { outputs } => {
            tracing::error!(account, outputs, "the account is no indicator's: messages of its algorithm are dropped");
        }
        EngineNotice::Backend(notice) => log_backend(notice),
    }
}

fn log_backend(notice: BackendNotice) {
    match notice {
        BackendNotice::Renamed { address, message } => {
            tracing::warn!(target: BACKEND, %address, "the algorithm has another name: {message}");
        }
        BackendNotice::NewVersion { address, was, is } => {
            tracing::info!(target: BACKEND, %address, "the algorithm has another version: was {was}, is {is}");
        }
        BackendNotice::Failed { reason, attempt, pause, message, is_repeated } => {
            let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            if is_repeated {
                tracing::debug!(target: BACKEND, reason, attempt, pause_ms, "the algorithm failed again: {message}");
            } else {
                tracing::warn!(
                    target: BACKEND,
                    reason,
                    attempt,
                    pause_ms,
                    "the algorithm failed, and is called again: {message}"
                );
            }
        }
    }
}
