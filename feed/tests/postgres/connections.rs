//! Faults of the connection: logins, TLS, servers that stop.

use std::fs;

use local_postgres::Stop;

use crate::{
    certificates,
    harness::{Database, table},
};

/// A server that offers TLS, with a user that has a password.
fn with_tls() -> Database {
    let database = Database::with_table();
    let folder = database.folder.path().join("authority");
    certificates::make(&folder);
    for name in ["server.crt", "server.key"] {
        database.server.write(name, &fs::read_to_string(folder.join(name)).unwrap()).unwrap();
    }
    database.sql("ALTER SYSTEM SET ssl = on");
    database.sql("CREATE ROLE reader LOGIN PASSWORD 'p@ss w/rd'; GRANT SELECT ON trades TO reader");
    database.sql("INSERT INTO trades DEFAULT VALUES; SELECT pg_reload_conf()");
    database
}

fn url(database: &Database, rest: &str) -> String {
    format!("postgresql://reader:p%40ss%20w%2Frd@127.0.0.1:{}/postgres{rest}", database.server.port())
}

/// Whether the connection of the feed is encrypted, as the server has it.
fn is_encrypted(database: &Database) -> String {
    database.sql("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'reader'")
}

#[tokio::test]
async fn encryption_is_that_of_the_url_and_the_authorities() {
    let database = with_tls();
    let authority = database.folder.path().join("authority/ca.crt");
    for (rest, authorities, encrypted) in [
        ("", None, "t"),
        ("?sslmode=disable", None, "f"),
        ("", Some(&authority), "t"),
        ("?sslmode=verify-full&channel_binding=require", Some(&authority), "t"),
    ] {
        database.set_url(&url(&database, rest));
        let mut reading = database.read_with(&table(), None, authorities.cloned());
        assert_eq!(reading.count(1).await, [1], "{rest}");
        assert_eq!(is_encrypted(&database), encrypted, "{rest}");
        reading.end().await;
    }
}

#[tokio::test]
async fn connections_that_are_refused_show_the_reason_and_no_password() {
    let database = with_tls();
    let other = database.folder.path().join("other");
    certificates::make(&other);
    let wrong = url(&database, "").replace("p%40ss%20w%2Frd", "secret");
    let nowhere = url(&database, "").replace("127.0.0.1", "nowhere.invalid");
    let no_database = url(&database, "").replace("/postgres", "/market");
    for (url, authorities, reason, part) in [
        (wrong, None, "LoginRefused", "password authentication failed for user \"reader\""),
        (no_database, None, "LoginRefused", "database \"market\" does not exist"),
        (nowhere, None, "DatabaseUnreachable", "nowhere.invalid:"),
        (url(&database, ""), Some(other.join("ca.crt")), "TlsRefused", "UnknownIssuer"),
        (url(&database, "?sslmode=require"), None, "TlsRefused", "belongs in postgres-ca.crt (--postgres-ca)"),
        (url(&database, ""), Some(other.join("none.crt")), "ConnectionUnusable", "none.crt"),
        (
            "postgresql://reader:se@cret@localhost/".to_owned(),
            None,
            "ConnectionUnusable",
            "write those of the password as %40",
        ),
    ] {
        database.set_url(&url);
        let message = database.read_with(&table(), None, authorities).missing(reason).await;
        assert!(message.contains(part), "{message}");
        assert!(!["secret", "p@ss", "p%40ss", "cret"].iter().any(|secret| message.contains(secret)), "{message}");
    }
    fs::remove_file(database.url_file()).unwrap();
    let mut reading = database.read(&table(), None);
    reading.missing("ConnectionUnusable").await;
    // A login that is corrected needs no other start.
    database.set_url(&url(&database, ""));
    assert_eq!(reading.count(1).await, [1]);
    database.sql("REVOKE SELECT ON trades FROM reader");
    let message = reading.missing("QueryRefused").await;
    assert!(message.contains("permission denied"), "{message}");
    database.sql("GRANT SELECT ON trades TO reader; INSERT INTO trades DEFAULT VALUES");
    assert_eq!(reading.count(2).await, [1, 2]);
}

#[tokio::test]
async fn server_without_tls_is_refused_where_tls_is_required() {
    let database = Database::with_table();
    database.sql("CREATE ROLE reader LOGIN PASSWORD 'p@ss w/rd'; GRANT SELECT ON trades TO reader");
    database.set_url(&url(&database, "?sslmode=require"));
    let mut reading = database.read(&table(), None);
    let message = reading.missing("TlsRefused").await;
    assert!(message.contains("server does not support TLS"), "{message}");
    database.set_url(&url(&database, ""));
    reading.working().await;
    assert_eq!(is_encrypted(&database), "f");
}

#[tokio::test]
async fn server_that_stops_is_read_further_when_it_is_back() {
    let mut database = Database::with_table();
    database.sql("INSERT INTO trades DEFAULT VALUES");
    let mut reading = database.read(&table(), None);
    assert_eq!(reading.count(1).await, [1]);
    for (stop, expected) in [(Stop::Fast, 2), (Stop::Immediate, 3)] {
        database.server.stop(stop).unwrap();
        let message = reading.missing("DatabaseUnreachable").await;
        assert!(message.contains("127.0.0.1:"), "{message}");
        database.server.start_again().unwrap();
        database.sql("INSERT INTO trades DEFAULT VALUES");
        reading.working().await;
        reading.until("the row", |reading| reading.quotes.len() >= expected).await;
    }
    let killed =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'intuition feed'";
    assert_eq!(database.sql(killed), "1");
    let last = database.sql("INSERT INTO trades DEFAULT VALUES RETURNING id").parse().unwrap();
    reading.until("the last row", |reading| reading.numbers().last() == Some(&last)).await;
    assert_eq!((reading.quotes.len(), reading.late.len()), (4, 0), "{:?}", reading.numbers());
}
