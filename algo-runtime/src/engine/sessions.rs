//! Broker sessions: the one that deliveries belong to, and those in which repeated deliveries are looked up.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use intuition_api::v1::Open;

use crate::ledger::Changes;

/// Doubtful sessions that are remembered, at most.
const MAX_DOUBTFUL: usize = 8;

/// The sessions with a doubtful loss, each with its client id.
pub type Doubtful = VecDeque<(String, Arc<str>)>;

/// Names of sessions, made when a session begins.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// The last one of each broker URL: all that v0.1.0 keeps, and all that is known of a bridge without a client id.
    by_url: BTreeMap<String, String>,
    /// By client id and broker URL.
    by_client: BTreeMap<(String, String), String>,
    current: Arc<str>,
    others: Arc<[Arc<str>]>,
    /// Sessions that the broker may have still, under later names. Not in the ledger.
    doubtful: Doubtful,
    /// Names that are in no commit yet, as in `by_url` and `by_client`.
    changed_by_url: BTreeMap<String, String>,
    changed_by_client: BTreeMap<(String, String), String>,
}

impl Sessions {
    pub(super) fn new(by_url: BTreeMap<String, String>, by_client: BTreeMap<(String, String), String>) -> Self {
        Self { by_url, by_client, ..Self::default() }
    }

    /// The session of the open stream, and those of the same client id that it may be another name of: at other URLs, or lost in doubt.
    pub(super) fn names(&self) -> (Arc<str>, Arc<[Arc<str>]>) {
        (Arc::clone(&self.current), Arc::clone(&self.others))
    }

    /// The loss of the session that the bridge reports is in doubt: it is looked up further on.
    pub(super) fn doubt_loss(&mut self, open: &Open) {
        let known = self.known(&open.client_id, &open.broker_url).map(Arc::from);
        self.doubtful.extend(known.map(|session| (open.client_id.clone(), session)));
        if self.doubtful.len() > MAX_DOUBTFUL {
            self.doubtful.pop_front();
        }
    }

    /// The sessions with a doubtful loss, to hand them on.
    pub(super) const fn doubtful_mut(&mut self) -> &mut Doubtful {
        &mut self.doubtful
    }

    /// Takes up the session of a bridge's connection. `new`: the name of a session that begins.
    pub(super) fn open(&mut self, open: &Open, new: String) -> Arc<str> {
        let Open { client_id, broker_url, .. } = open;
        let known = self.known(client_id, broker_url).filter(|_| open.session_present).map(str::to_owned);
        let session = known.unwrap_or(new);
        if self.by_url.get(broker_url) != Some(&session) {
            self.by_url.insert(broker_url.clone(), session.clone());
            self.changed_by_url.insert(broker_url.clone(), session.clone());
        }
        let key = (client_id.clone(), broker_url.clone());
        if !client_id.is_empty() && self.by_client.get(&key) != Some(&session) {
            self.by_client.insert(key.clone(), session.clone());
            self.changed_by_client.insert(key, session.clone());
        }
        self.current = session.as_str().into();
        self.others = self.others(client_id);
        Arc::clone(&self.current)
    }

    /// Whether the broker had a session for this client id at this URL, as far as the ledger knows.
    pub(super) fn had_one(&self, open: &Open) -> bool {
        self.known(&open.client_id, &open.broker_url).is_some()
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        changes.sessions = std::mem::take(&mut self.changed_by_url);
        changes.client_sessions = std::mem::take(&mut self.changed_by_client);
    }

    fn known(&self, client_id: &str, broker_url: &str) -> Option<&str> {
        let of_url = self.by_url.get(broker_url);
        if client_id.is_empty() {
            return of_url.map(String::as_str);
        }
        // v0.1.0 knew the URL alone. Where it opened the last session of the URL, that is the one.
        let unnamed = of_url.filter(|session| self.is_unnamed(session));
        unnamed.or_else(|| self.by_client.get(&(client_id.to_owned(), broker_url.to_owned()))).map(String::as_str)
    }

    /// Whether no client id is known of the session.
    fn is_unnamed(&self, session: &str) -> bool {
        self.by_client.values().all(|named| named != session)
    }

    fn others(&self, client_id: &str) -> Arc<[Arc<str>]> {
        let unnamed = self.by_url.values().filter(|session| client_id.is_empty() || self.is_unnamed(session));
        let named = self.by_client.iter().filter(|((client, _), _)| client == client_id).map(|(_, session)| session);
        let doubtful = self.doubtful.iter().filter(|(client, _)| client == client_id).map(|(_, session)| &**session);
        let mut others: Vec<Arc<str>> = Vec::new();
        for session in unnamed.chain(named).map(String::as_str).chain(doubtful) {
            if *session != *self.current && others.iter().all(|known| **known != *session) {
                others.push(session.into());
            }
        }
        others.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &mut Sessions, client: &str, url: &str, present: bool, new: &str) -> (String, Vec<String>) {
        let open = Open {
            client_id: client.to_owned(),
            broker_url: url.to_owned(),
            session_present: present,
            ..Open::default()
        };
        let session = sessions.open(&open, new.to_owned());
        (session.to_string(), sessions.names().1.iter().map(ToString::to_string).collect())
    }

    fn said(session: &str, others: &[&str]) -> (String, Vec<String>) {
        (session.to_owned(), others.iter().map(|&other| other.to_owned()).collect())
    }

    #[test]
    fn each_client_id_and_url_has_a_session_and_other_urls_are_looked_up() {
        let mut sessions = Sessions::default();
        assert_eq!(open(&mut sessions, "c", "one", false, "s1"), said("s1", &[]));
        assert_eq!(open(&mut sessions, "c", "two", true, "s2"), said("s2", &["s1"]));
        assert_eq!(open(&mut sessions, "d", "one", true, "s3"), said("s3", &[]));
        assert_eq!(open(&mut sessions, "c", "one", true, "s4"), said("s1", &["s2"]));
    }

    #[test]
    fn a_connection_without_a_session_ends_that_of_its_url_alone() {
        let mut sessions = Sessions::default();
        open(&mut sessions, "c", "one", false, "s1");
        open(&mut sessions, "c", "two", false, "s2");
        assert_eq!(open(&mut sessions, "c", "two", false, "s3"), said("s3", &["s1"]));
        assert_eq!(open(&mut sessions, "c", "one", true, "s4"), said("s1", &["s3"]));
    }

    #[test]
    fn a_session_whose_loss_is_in_doubt_is_looked_up_further_on() {
        let mut sessions = Sessions::default();
        open(&mut sessions, "c", "one", false, "s1");
        let report = Open { client_id: "c".to_owned(), broker_url: "one".to_owned(), ..Open::default() };
        sessions.doubt_loss(&report);
        assert_eq!(open(&mut sessions, "c", "one", false, "s2"), said("s2", &["s1"]));
        assert_eq!(open(&mut sessions, "d", "one", true, "s3"), said("s3", &[]));
        assert_eq!(open(&mut sessions, "c", "one", true, "s4"), said("s2", &["s1"]));
    }

    #[test]
    fn session_of_v010_is_taken_up_by_the_client_id_and_handed_back() {
        let by_url = [("one".to_owned(), "old".to_owned()), ("two".to_owned(), "older".to_owned())].into();
        let mut sessions = Sessions::new(by_url, BTreeMap::new());
        assert_eq!(open(&mut sessions, "c", "one", true, "s1"), said("old", &["older"]));
        assert_eq!(open(&mut sessions, "", "one", true, "s2"), said("old", &["older"]));
        assert_eq!(open(&mut sessions, "", "one", false, "s3"), said("s3", &["older"]));
        assert_eq!(open(&mut sessions, "c", "one", true, "s4"), said("s3", &["older"]));
    }
}
