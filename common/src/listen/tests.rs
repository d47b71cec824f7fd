use std::{net::Shutdown, os::fd::OwnedFd};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use super::*;

async fn listener(connections: usize) -> (Listener, std::net::SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let bounds = Bounds { connections, first_request: Duration::from_secs(10) };
    (Listener::new(socket, "test", bounds), addr)
}

#[tokio::test]
async fn a_new_connection_takes_the_place_of_a_silent_one() {
    let (listener, addr) = listener(1).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    let mut held = listener.accept().await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { held.read_u8().await.unwrap_err().kind() });
    let mut speaking = TcpStream::connect(addr).await.unwrap();
    speaking.write_u8(7).await.unwrap();
    let mut accepted = listener.accept().await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), 7);
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), io::ErrorKind::ConnectionAborted);
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0, "the silent connection is closed");
}

#[tokio::test]
async fn a_listener_whose_connections_all_have_calls_refuses_the_next() {
    let (listener, addr) = listener(1).await;
    let _first = TcpStream::connect(addr).await.unwrap();
    let held = listener.accept().await.unwrap();
    let call = held.peer().call();
    let mut refused = TcpStream::connect(addr).await.unwrap();
    let mut byte = [0];
    tokio::select! {
        accepted = listener.accept() => panic!("{accepted:?}"),
        read = refused.read(&mut byte) => assert_eq!(read.unwrap_or(0), 0),
    }
    drop((call, held));
    let _next = TcpStream::connect(addr).await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_ends_after_ten_seconds() {
    let (listener, addr) = listener(2).await;
    let (_silent, mut asking) = (TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap());
    let mut silent = listener.accept().await.unwrap();
    let mut asked = listener.accept().await.unwrap();
    asked.peer().request();
    assert_eq!(silent.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    asking.write_u8(1).await.unwrap();
    assert_eq!(asked.read_u8().await.unwrap(), 1);
}

#[tokio::test]
async fn a_socket_that_listens_no_more_is_an_error() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let same = std::net::TcpStream::from(OwnedFd::from(socket.try_clone().unwrap()));
    let bounds = Bounds { connections: 1, first_request: Duration::from_secs(10) };
    let listener = Listener::new(TcpListener::from_std(socket).unwrap(), "test", bounds);
    same.shutdown(Shutdown::Both).unwrap();
    assert_eq!(listener.accept().await.unwrap_err().raw_os_error(), Some(22));
}
