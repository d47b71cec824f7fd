//! The task of one link: connection after connection.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge: it reads the monotonic clock, and draws the seed of the pauses"
)]

use std::{sync::Once, time::Duration};

use tokio::{sync::mpsc, time};

use super::{
    Address, Credentials, Event, LinkError, Options, Request,
    attempts::Attempts,
    connection::{self, Connection, End},
    credentials::{Presented, Versions},
    events::Lanes,
};

/// Interval of checks for a change of refused credentials in their files.
const CREDENTIALS_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Task {
    options: Options,
    /// Credentials of [`Credentials::Fixed`], read once.
    fixed: Option<Presented>,
    requests: mpsc::UnboundedReceiver<Request>,
    lanes: Lanes,
    attempts: Attempts,
    epoch: u64,
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
        let attempts = Attempts::seeded(options.client_id.clone(), rand::random());
        Ok(Self { options, fixed, requests, lanes, attempts, epoch: 0 })
    }

    /// Keeps a connection until `disconnect`, or until the other side is gone.
    pub(super) async fn run(mut self) {
        loop {
            let versions = self.options.credentials.versions();
            let Some((error, pause)) = self.connection().await else { return };
            let refused = error.is_refused_client().then_some(versions);
            if !self.lanes.tell(Event::Disconnected(error)) || !self.rest(pause, refused).await {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end. Gives the reason of the end and the pause after it; `None`: the task
    /// ends.
    async fn connection(&mut self) -> Option<(LinkError, Duration)> {
        let presented = match self.present().await {
            Ok(presented) => presented,
            Err(error) => {
                let pause = self.attempts.unasked(&error);
                return Some((error, pause));
            }
        };
        let is_named = presented.username.is_some();
        if is_named && presented.password.is_some() {
            warn_of_plain_login(&self.options.address);
        }
        let began = time::Instant::now();
        let connected = tokio::select! {
            connected = time::timeout(self.options.connect_timeout, connection::connect(&self.options, presented)) => connected,
            () = told_to_end(&mut self.requests, &self.lanes) => return None,
        };
        let opened = match connected.unwrap_or_else(|elapsed| Err(LinkError::Reach(Box::new(elapsed)))) {
            Ok(opened) => opened,
            Err(error) => {
                let error = self.explain(error, is_named);
                let pause = self.attempts.failed(&error);
                return Some((error, pause));
            }
        };
        self.epoch += 1;
        let mut connection = Connection::begin(opened, self.epoch, &self.lanes, &mut self.requests);
        match connection.run().await {
            End::Failed(error) => Some(self.attempts.ended(error, connection.has_refused(), began.elapsed())),
            End::Told => None,
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

    /// Names the folder if the broker refused a client without a user name: most often the Secret does not exist.
    fn explain(&self, error: LinkError, is_named: bool) -> LinkError {
        match (error, &self.options.credentials) {
            (LinkError::Refuse(code), Credentials::Folder(folder)) if !is_named => {
                LinkError::RefuseNameless { code, folder: folder.clone() }
            }
            (error, _) => error,
        }
    }

    /// Waits before the next attempt, or until refused credentials have changed. False: the link was ended.
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
        time::sleep(CREDENTIALS_CHECK_INTERVAL).await;
        if credentials.versions() != versions {
            return;
        }
    }
}

/// Logs once in a process, since connections are made again and again.
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

/// Returns when the task is to end. Drops other requests, since their connection has ended.
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
