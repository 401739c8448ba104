//! A connection that is refused says in one line why, and what to do; and no message shows a password.

use std::time::{Duration, Instant};

use batch_runtime::postgres::{Postgres, Session};
use batch_tests::postgres::{self, Options, Server};

fn refusal(url: &str) -> String {
    let error = Session::connect(&Postgres::at(url), "a test").unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    assert!(!format!("{error:?}").contains("hunter2"));
    text
}

const HBA: &str = "\
host all me 127.0.0.1/32 scram-sha-256
host all nobody 127.0.0.1/32 reject
hostssl all secret 127.0.0.1/32 trust
host all all 127.0.0.1/32 trust
";

#[test]
fn each_refusal_says_why_and_what_to_do() {
    let options = Options { hba: Some(HBA), max_connections: 10, ..Options::default() };
    let Some(server) = Server::start(&options) else { return };
    let admin = Session::connect(&Postgres::at(server.url()), "a test").unwrap();
    let roles = "CREATE ROLE me LOGIN PASSWORD 'hunter2'; CREATE ROLE nobody LOGIN; CREATE ROLE secret LOGIN";
    admin.batch_execute(roles).unwrap();
    let at = |who: &str, database: &str| {
        let port = server.port();
        let (user, _) = who.split_once(':').unwrap_or((who, ""));
        (
            format!("postgres://{who}@127.0.0.1:{port}/{database}"),
            format!("database postgres://{user}@127.0.0.1:{port}/{database}: "),
        )
    };
    for (who, database, why) in [
        (
            "me:hunter2no",
            "postgres",
            "password authentication failed for user \"me\" (SQLSTATE 28P01); set PGPASSWORD, or put the password into ~/.pgpass or the URL",
        ),
        (
            "me",
            "postgres",
            "the server asks for a password, and none is given; set PGPASSWORD, or put the password into ~/.pgpass or the URL",
        ),
        (
            "batch:hunter2",
            "nowhere",
            "database \"nowhere\" does not exist (SQLSTATE 3D000); create it with `createdb`, or name another in the URL",
        ),
        (
            "stranger",
            "postgres",
            "role \"stranger\" does not exist (SQLSTATE 28000); allow the user in the server's `pg_hba.conf`, or name another user in the URL",
        ),
    ] {
        let (url, place) = at(who, database);
        assert_eq!(refusal(&url), format!("{place}{why}"));
    }
    let rejected = refusal(&at("nobody", "postgres").0);
    assert!(rejected.contains("pg_hba.conf rejects connection"), "{rejected}");

    Session::connect(&Postgres::at(at("me:hunter2", "postgres").0), "a test").unwrap();
    let (url, _) = at("batch", "postgres");
    let connect = || Session::connect(&Postgres::at(&url), "a test");
    let held: Vec<_> = (0..20).map_while(|_| connect().ok()).collect();
    assert!(held.len() >= 9);
    let full = refusal(&url);
    assert!(
        full.ends_with("(SQLSTATE 53300); end other connections, or raise the server's `max_connections`"),
        "{full}"
    );
}

#[test]
fn a_server_that_is_not_there_is_refused_in_time() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = refusal(&format!("postgres://me:hunter2@127.0.0.1:{free}/db"));
    assert_eq!(
        text,
        format!(
            "database postgres://me@127.0.0.1:{free}/db: the server cannot be reached: Connection refused (os error 111); \
             check that it is running, and the host and port in the URL"
        )
    );
    let text = refusal("postgres://me:hunter2@nowhere.invalid/db");
    assert!(text.ends_with("; check the host in the URL, and the network"), "{text}");

    // A server that accepts the connection and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let began = Instant::now();
    let text = refusal(&format!("postgres://me:hunter2@127.0.0.1:{port}/db"));
    let took = began.elapsed();
    assert!(
        text.ends_with(
            "the server did not answer in time; check the host and port in the URL, and the network"
        ),
        "{text}"
    );
    assert!(took > Duration::from_secs(9) && took < Duration::from_mins(1), "{took:?}");
}

#[test]
fn the_next_host_is_tried_and_a_standby_may_be_refused() {
    let Some(database) = postgres::database() else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let two = database.url().replace("127.0.0.1:", &format!("127.0.0.1:{free},127.0.0.1:"));
    let session = Session::connect(&Postgres::at(&two), "a test").unwrap();
    assert!(session.server_version() >= 13);
    Session::connect(&Postgres::at(format!("{two}?target_session_attrs=read-write")), "a test").unwrap();
    let text = refusal(&format!("{two}?target_session_attrs=read-only"));
    assert!(text.ends_with("the server is not a standby"), "{text}");
}
