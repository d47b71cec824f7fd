//! The server as a process or another language uses it: over HTTP alone.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use local_exchange::{Server, Settings};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Status and body of a request on a connection of its own.
async fn request(server: &Server, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn json_of(server: &Server, path: &str) -> Value {
    let (status, body) = request(server, "GET", path, "").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

async fn server(seed: u64) -> Server {
    Server::start(Settings { seed, step_micros: Some(1_000), ..Settings::default() }).await.unwrap()
}

#[tokio::test]
async fn record_has_all_trades_and_follows_from_the_seed() {
    let mut records = Vec::new();
    for seed in [1, 1, 2] {
        let server = server(seed).await;
        assert_eq!(request(&server, "POST", "/control/make?symbol=BTC/USD&count=30", "").await.0, 200);
        let record = json_of(&server, "/control/trades?symbol=BTC/USD").await;
        let trades = record.as_array().unwrap().clone();
        assert!(trades.iter().zip(1_000..).all(|(trade, number)| trade["number"] == json!(number)));
        records.push(trades.iter().map(|trade| (trade["price"].clone(), trade["size"].clone())).collect::<Vec<_>>());
        let behind = json_of(&server, "/control/trades?symbol=BTC/USD&from=1020").await;
        assert_eq!(behind.as_array().unwrap().len(), 10);
    }
    assert_eq!(records[0].len(), 30);
    assert_eq!(records[0], records[1]);
    assert_ne!(records[0], records[2]);
}

#[tokio::test]
async fn faults_are_set_as_a_whole_and_unknown_ones_are_refused() {
    let server = server(1).await;
    let faults = r#"{"drop": 3, "rest": "html", "rest_count": 1, "rest_lacks": [1000, 1001]}"#;
    assert_eq!(request(&server, "POST", "/control/faults", faults).await.0, 200);
    assert_eq!(json_of(&server, "/control/faults").await["drop"], json!(3));
    let (status, body) = request(&server, "POST", "/control/faults", r#"{"dorp": 3}"#).await;
    assert!(status == 400 && body.contains("dorp"), "{status} {body}");
    let path = "/api/v3/aggTrades?symbol=BTCUSD&limit=5";
    request(&server, "POST", "/control/make?symbol=BTC/USD&count=4", "").await;
    assert!(request(&server, "GET", path, "").await.1.starts_with("<html>"));
    let numbers = json_of(&server, path).await;
    let numbers: Vec<_> = numbers.as_array().unwrap().iter().map(|trade| trade["a"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1_002, 1_003]);
    assert_eq!(json_of(&server, "/control/state").await["rest"], json!([path, path]));
}

#[tokio::test]
async fn rest_pages_have_the_order_of_their_exchange() {
    let server = server(1).await;
    request(&server, "POST", "/control/make?symbol=BTC/USD&count=20", "").await;
    let binance = json_of(&server, "/api/v3/aggTrades?symbol=BTCUSD&fromId=1005&limit=3").await;
    let numbers = |trades: &Value, member: &str| -> Vec<_> {
        trades.as_array().unwrap().iter().map(|trade| trade[member].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&binance, "a"), [1_005, 1_006, 1_007]);
    let coinbase = json_of(&server, "/products/BTC-USD/trades?after=1008&limit=3").await;
    assert_eq!(numbers(&coinbase, "trade_id"), [1_007, 1_006, 1_005]);
    let first = json_of(&server, "/control/trades?symbol=BTC/USD").await[4]["micros"].as_i64().unwrap();
    let kraken = json_of(&server, &format!("/0/public/Trades?pair=BTC%2FUSD&since={}&count=2", first * 1_000)).await;
    let rows = kraken["result"]["BTC/USD"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row[6].as_u64().unwrap()).collect::<Vec<_>>(), [1_005, 1_006]);
    let (status, _) = request(&server, "GET", "/api/v3/aggTrades?symbol=NONE", "").await;
    assert_eq!(status, 400);
    assert_eq!(request(&server, "GET", "/control/nothing", "").await.0, 404);
}
