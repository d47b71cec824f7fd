//! TCP to the first address of a host that answers (RFC 8305, "Happy Eyeballs Version 2").
//!
//! A host has addresses of both families, and one of them may lead nowhere. Attempts begin one after another, a little
//! apart, and the first that succeeds wins. So an address that drops packets costs a quarter of a second, not the whole
//! time that a connection may take.

use std::{io, net::SocketAddr, time::Duration};

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::{
    net::{self, TcpStream},
    time,
};

use super::Address;

/// Time from the start of one attempt to the start of the next (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Resolves the address and connects.
pub(super) async fn dial(address: &Address) -> io::Result<TcpStream> {
    // An IPv6 address has its brackets here, as `lookup_host` wants it.
    let resolved = net::lookup_host(format!("{}:{}", address.host, address.port)).await?;
    race(by_turns(resolved.collect()), ATTEMPT_DELAY, TcpStream::connect).await
}

/// The addresses with their families by turns, beginning with the family of the first one (RFC 8305, section 4).
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == is_v6);
    let mut second = second.into_iter();
    let mut ordered = Vec::new();
    for address in first {
        ordered.push(address);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered
}

/// The first success among attempts that begin `stagger` apart, or at once where all before have failed. The error is the
/// last one.
async fn race<T, A: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    stagger: Duration,
    mut attempt: impl FnMut(SocketAddr) -> A,
) -> io::Result<T> {
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        let more = addresses.next().map(&mut attempt);
        let is_last = more.is_none();
        attempts.extend(more);
        // Until the next attempt is due.
        let pause = time::sleep(stagger);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                ended = attempts.next() => match ended {
                    Some(Ok(connected)) => return Ok(connected),
                    Some(Err(error)) => last = error,
                    None if is_last => return Err(last),
                    None => break,
                },
                () = &mut pause, if !is_last => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"]);
        let expected = addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"]);
        assert_eq!(by_turns(given), expected);
        let given = addresses(&["1.0.0.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(by_turns(given), addresses(&["1.0.0.1:1", "[::1]:1", "[::2]:1"]));
    }

    #[tokio::test]
    async fn address_that_never_answers_costs_no_more_than_the_stagger() {
        let stagger = Duration::from_millis(1);
        let began = Instant::now();
        let won = race(addresses(&["[::1]:1", "1.0.0.1:1"]), stagger, |address| async move {
            if address.is_ipv6() { pending().await } else { Ok(address) }
        });
        assert_eq!(won.await.unwrap(), "1.0.0.1:1".parse().unwrap());
        assert!(began.elapsed() >= stagger);
    }

    #[tokio::test]
    async fn refusal_starts_the_next_attempt_and_the_last_one_is_the_error() {
        // A delay longer than the test.
        let stagger = Duration::from_hours(1);
        let lost = race(addresses(&["1.0.0.1:1", "1.0.0.2:1"]), stagger, |address| async move {
            Err::<(), _>(io::Error::other(address.to_string()))
        });
        assert_eq!(lost.await.unwrap_err().to_string(), "1.0.0.2:1");
        let none = race(Vec::new(), stagger, |_| async { Ok(()) }).await;
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
