//! The task of one link: connection after connection.

use std::{sync::Once, time::Duration};

use tokio::{sync::mpsc, time};

use super::{
    Address, Credentials, Event, LinkError, Options, Request,
    connection::{self, Connection, End},
    credentials::{Presented, Versions},
    events::Lanes,
    pauses::Pauses,
};

/// A connection shorter than this counts as a failed attempt: not every broker reports that another client took the session.
const STEADY: Duration = Duration::from_secs(5);
/// Short connections in a row, without a reason from the broker, after which another client is taken to use the client id.
const SHORT_CONNECTIONS: u32 = 3;
/// How often the files of credentials that the broker refused are looked at for a change.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Task {
    options: Options,
    /// Of [`Credentials::Fixed`].
    fixed: Option<Presented>,
    requests: mpsc::UnboundedReceiver<Request>,
    lanes: Lanes,
    epoch: u64,
    /// Connections in a row that the broker closed shortly after it accepted them.
    short_connections: u32,
}

impl Task {
    pub(super) fn new(
        options: Options,
        requests: mpsc::UnboundedReceiver<Request>,
        lanes: Lanes,
    ) -> Result<Self, LinkError> {
        let fixed = match &options.credentials {
            fixed @ Credentials::Fixed(_) => Some(fixed.present(options.address.tls)?),
            Credentials::Folder(_) => None,
        };
        Ok(Self { options, fixed, requests, lanes, epoch: 0, short_connections: 0 })
    }

    /// Keeps a connection until `disconnect`, or until the other side is gone.
    pub(super) async fn run(mut self) {
        let mut pauses = Pauses::seeded(rand::random());
        loop {
            let (began, epoch) = (time::Instant::now(), self.epoch);
            let versions = self.options.credentials.versions();
            let End::Failed(error) = self.connection().await else { return };
            let is_steady = began.elapsed() >= STEADY;
            if self.epoch > epoch && is_steady {
                pauses.reset();
                self.short_connections = 0;
            }
            let pause = pauses.after(&error);
            let refused = error.is_refused_client().then_some(versions);
            if !self.lanes.tell(Event::Disconnected(error)) || !self.rest(pause, refused).await {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end.
    async fn connection(&mut self) -> End {
        let presented = match self.present().await {
            Ok(presented) => presented,
            Err(error) => return End::Failed(error),
        };
        let is_named = presented.username.is_some();
        if is_named && presented.password.is_some() {
            warn_of_plain_login(&self.options.address);
        }
        let began = time::Instant::now();
        let connected = tokio::select! {
            connected = time::timeout(self.options.connect_timeout, connection::connect(&self.options, presented)) => connected,
            () = told_to_end(&mut self.requests, &self.lanes) => return End::Told,
        };
        let accepted = match connected.unwrap_or_else(|elapsed| Err(LinkError::Reach(Box::new(elapsed)))) {
            Ok(accepted) => accepted,
            Err(error) => {
                self.short_connections = 0;
                return End::Failed(self.explain(error, is_named));
            }
        };
        self.epoch += 1;
        let mut connection = Connection::begin(accepted, self.epoch, &self.lanes, &mut self.requests);
        let end = connection.run().await;
        let is_unexplained = !connection.has_refused() && began.elapsed() < STEADY;
        match end {
            End::Failed(error @ LinkError::Reach(_)) if is_unexplained => End::Failed(self.closed_early(error)),
            End::Failed(error) => {
                self.short_connections = 0;
                End::Failed(error)
            }
            End::Told => End::Told,
        }
    }

    /// mosquitto 2.0.11 closes the older of two connections of one client id without a reason.
    fn closed_early(&mut self, error: LinkError) -> LinkError {
        self.short_connections = self.short_connections.saturating_add(1);
        if self.short_connections < SHORT_CONNECTIONS {
            return error;
        }
        LinkError::ClientIdInUse {
            client_id: self.options.client_id.clone(),
            connections: self.short_connections,
            source: Box::new(error),
        }
    }

    /// The credentials to connect with now.
    async fn present(&self) -> Result<Presented, LinkError> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let (credentials, tls) = (self.options.credentials.clone(), self.options.address.tls);
        let presented = tokio::task::spawn_blocking(move || credentials.present(tls)).await;
        // It is cancelled only when the whole process ends.
        presented.map_err(|error| LinkError::Reach(Box::new(error)))?
    }

    /// A refusal of a client without a user name is mostly about a Secret that does not exist.
    fn explain(&self, error: LinkError, is_named: bool) -> LinkError {
        match (error, &self.options.credentials) {
            (LinkError::Refuse(code), Credentials::Folder(folder)) if !is_named => {
                LinkError::RefuseNameless { code, folder: folder.clone() }
            }
            (error, _) => error,
        }
    }

    /// Waits before the next attempt, or until the credentials that were refused have changed. False: told to end.
    async fn rest(&mut self, pause: Duration, refused: Option<Versions>) -> bool {
        let credentials = &self.options.credentials;
        let changed = async {
            match refused {
                Some(versions) => changed(credentials, versions).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time::sleep(pause) => true,
            () = changed => true,
            () = told_to_end(&mut self.requests, &self.lanes) => false,
        }
    }
}

/// Returns when the files of the credentials are others than those of `versions`.
async fn changed(credentials: &Credentials, versions: Versions) {
    loop {
        time::sleep(LOOK_INTERVAL).await;
        if credentials.versions() != versions {
            return;
        }
    }
}

/// Once in a process: a connection is made again and again.
fn warn_of_plain_login(address: &Address) {
    static WARNED: Once = Once::new();
    if address.tls || address.is_loopback() {
        return;
    }
    WARNED.call_once(|| {
        tracing::warn!(
            broker = %address,
            "user name and password go over the network without encryption: use a broker URL that begins with mqtts://"
        );
    });
}

/// Returns when the task is to end. Other requests are of a connection that has ended.
async fn told_to_end(requests: &mut mpsc::UnboundedReceiver<Request>, lanes: &Lanes) {
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                None | Some(Request::Disconnect) => return,
                Some(_) => {}
            },
            () = lanes.closed() => return,
        }
    }
}
