//! The contract's calls about sources: to list, to reset and to forget them.

use intuition_api::{
    refusal::{OTHER_ERA, OTHER_LAST, UNKNOWN_SOURCE},
    v1::{ForgetSourcesRequest, ForgetSourcesResponse, Refusal, ResetSourceRequest, ResetSourceResponse, Source},
};

use super::{Engine, refusal::refuse, request_error::RequestError};
use crate::sources::{Forget, IDENTITY_BYTES, ResetRefusal};

impl Engine {
    /// Sources behind `after`, in order, at most `limit`.
    pub fn sources(&self, after: Option<(&str, &str)>, limit: usize) -> Vec<Source> {
        self.recogniser.sources().page(after, limit)
    }

    /// Lets a source begin again, by the contract's `ResetSource`.
    pub fn reset_source(
        &mut self,
        request: &ResetSourceRequest,
        now_micros: i64,
    ) -> Result<ResetSourceResponse, RequestError> {
        let ResetSourceRequest { resource_uid, channel, source, era, last, .. } = request;
        if channel.is_empty() || channel.len() > usize::from(u16::MAX) {
            return Err(RequestError::contract("ResetSource: channel has to be a topic of 1 to 65,535 bytes"));
        }
        if source.is_empty() || source.len() > IDENTITY_BYTES {
            return Err(RequestError::contract("ResetSource: source has to be a name of 1 to 256 bytes"));
        }
        let shown = |engine: &Self| engine.recogniser.sources().shown(channel, source);
        if let Some(refusal) = self.settings.other_uid(resource_uid) {
            return Ok(ResetSourceResponse { applied: false, source: shown(self), refusal: Some(refusal) });
        }
        let outcome = self.recogniser.sources_mut().reset(channel, source, (*era, *last), now_micros);
        let source = shown(self);
        let refusal = outcome.err().map(|refused| reset_refusal(refused, request, source.as_ref()));
        Ok(ResetSourceResponse { applied: outcome == Ok(true), source, refusal })
    }

    /// Forgets sources for good, by the contract's `ForgetSources`.
    pub fn forget_sources(
        &mut self,
        request: &ForgetSourcesRequest,
        now_micros: i64,
    ) -> Result<ForgetSourcesResponse, RequestError> {
        let ForgetSourcesRequest { resource_uid, source, idle_seconds, .. } = request;
        let which = match (source.as_str(), *idle_seconds) {
            ("", 0) => return Err(RequestError::contract("ForgetSources: source or idle_seconds has to be given")),
            ("", seconds) => Forget::IdleFor(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)),
            (name, 0) => Forget::Named(name),
            _ => {
                return Err(RequestError::contract(
                    "ForgetSources: either source or idle_seconds can be given, not both",
                ));
            }
        };
        if let Some(refusal) = self.settings.other_uid(resource_uid) {
            return Ok(ForgetSourcesResponse { forgotten: 0, refusal: Some(refusal) });
        }
        let forgotten = self.recogniser.sources_mut().forget(which, now_micros);
        let is_unknown = forgotten == 0 && matches!(which, Forget::Named(_));
        let refusal =
            is_unknown.then(|| refuse(UNKNOWN_SOURCE, "source", format!("no channel has a source {source:?}")));
        Ok(ForgetSourcesResponse { forgotten, refusal })
    }
}

fn reset_refusal(refused: ResetRefusal, request: &ResetSourceRequest, source: Option<&Source>) -> Refusal {
    let ResetSourceRequest { channel, source: name, era, last, .. } = request;
    let era_now = source.map_or(0, |source| source.era);
    let last_now = source.and_then(|source| source.last).map_or("no number".to_owned(), |last| last.to_string());
    match refused {
        ResetRefusal::UnknownSource => {
            refuse(UNKNOWN_SOURCE, "source", format!("channel {channel} has no source {name:?}"))
        }
        ResetRefusal::OtherEra => {
            let message = format!("source {name:?} on {channel} is in era {era_now}; the request names era {era}");
            refuse(OTHER_ERA, "era", message)
        }
        ResetRefusal::OtherLast => {
            let message = format!(
                "source {name:?} on {channel} stands at {last_now} in era {era_now}; the request names {last}: stop \
                 the publisher, then reset the source at the number at which it stands"
            );
            refuse(OTHER_LAST, "last", message)
        }
    }
}
