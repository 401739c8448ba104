//! Connections with TLS.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use batch_runtime::postgres::{Postgres, Session, Transaction};
use batch_tests::certificates;
use batch_tests::postgres::{self, Options, Server};

const HBA: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// A server that accepts connections only with TLS and the password.
fn encrypted(folder: &Path, certificate: &str) -> Option<Server> {
    let read = |name: String| std::fs::read(folder.join(name)).unwrap();
    let options = Options {
        settings: vec![("ssl", "on".to_owned())],
        files: vec![
            ("server.crt", read(format!("{certificate}.crt"))),
            ("server.key", read(format!("{certificate}.key"))),
        ],
        ..Options::default()
    };
    let server = Server::start(&options)?;
    let admin = Session::connect(&Postgres::at(server.url()), "a test").unwrap();
    admin.batch_execute("CREATE ROLE me SUPERUSER LOGIN PASSWORD 'hunter2'").unwrap();
    std::fs::write(server.folder().join("data/pg_hba.conf"), HBA).unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").unwrap();
    // The server reads the new file some time after that.
    let plain = format!("{}?sslmode=disable", server.url());
    while Session::connect(&Postgres::at(&plain), "a test").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Some(server)
}

fn url(server: &Server, host: &str, options: &str) -> String {
    format!("postgres://me:hunter2@{host}:{}/postgres?{options}", server.port())
}

fn connect(url: &str) -> Result<Session, String> {
    Session::connect(&Postgres::at(url), "a test").map_err(|error| error.to_string())
}

#[test]
fn a_server_that_wants_tls_gets_it_with_the_password_bound_to_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = certificates(folder.path()) else { return };
    let Some(server) = encrypted(folder.path(), "server") else { return };
    for options in ["", "sslmode=prefer", "sslmode=require", "channel_binding=require&sslmode=require"] {
        let session = connect(&url(&server, "127.0.0.1", options)).unwrap();
        let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert!(session.query_one(ssl, &[]).unwrap().get::<_, bool>(0), "{options}");
    }
    let refused = connect(&url(&server, "127.0.0.1", "sslmode=disable")).unwrap_err();
    assert!(
        refused.contains("no encryption") && refused.ends_with("add `?sslmode=require` to the URL"),
        "{refused}"
    );
}

#[test]
fn everything_works_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = certificates(folder.path()) else { return };
    let Some(server) = encrypted(folder.path(), "server") else { return };
    let tx = Transaction::on(connect(&url(&server, "localhost", "sslmode=require")).unwrap());
    tx.session().batch_execute("CREATE TABLE t (id BIGINT, name TEXT)").unwrap();
    for _ in 0..3 {
        tx.begin("7", true).unwrap();
        let mut copy = tx.copy("t", ["id", "name"]).unwrap();
        let name = "x".repeat(1000);
        (0..5000_i64).for_each(|id| copy.add(&[&id, &name]).unwrap());
        copy.end_later().unwrap();
        tx.send("DELETE FROM t WHERE id < $1", &[&1000_i64]).unwrap();
        tx.session().commit_after("SELECT 1", &[]).unwrap();
    }
    let session = tx.into_session();
    assert_eq!(session.query_one("SELECT count(*) FROM t", &[]).unwrap().get::<_, i64>(0), 12_000);
    let stop = Arc::new(AtomicBool::new(true));
    session.set_watch(Some(Box::new(move || stop.load(Relaxed))));
    assert!(session.query("SELECT pg_sleep(60)", &[]).unwrap_err().is_stopped());
}

#[test]
fn the_certificate_is_checked_as_far_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = certificates(folder.path()) else { return };
    let root = |name: &str| format!("sslrootcert={}", folder.path().join(name).display());
    let (ca, own) = (root("ca.crt"), root("own.crt"));
    let checked = |server: &Server, host: &str, mode: &str, root: &str| {
        connect(&url(server, host, &format!("sslmode={mode}&{root}")))
    };
    let Some(server) = encrypted(folder.path(), "server") else { return };
    for (host, mode, root, fits) in [
        ("localhost", "verify-full", &ca, true),
        ("127.0.0.1", "verify-full", &ca, false),
        ("127.0.0.1", "verify-ca", &ca, true),
        ("127.0.0.1", "require", &ca, true),
        ("localhost", "verify-ca", &own, false),
        ("localhost", "require", &own, false),
        ("localhost", "verify-full", &"sslrootcert=system".to_owned(), false),
    ] {
        let connected = checked(&server, host, mode, root);
        assert_eq!(connected.is_ok(), fits, "{host} {mode} {root}");
        if let Err(refused) = connected {
            assert!(refused.contains("the TLS handshake failed: "), "{refused}");
            assert!(
                refused
                    .ends_with("check `sslmode` and `sslrootcert` in the URL, and the server's certificate")
            );
        }
    }
    let named = Postgres::at(url(&server, "localhost", "hostaddr=127.0.0.1&sslmode=verify-full&") + &ca);
    Session::connect(&named, "a test").unwrap();

    let Some(server) = encrypted(folder.path(), "own") else { return };
    for (host, mode, root, fits) in [
        ("localhost", "verify-full", &own, true),
        ("127.0.0.1", "verify-full", &own, false),
        ("127.0.0.1", "verify-ca", &own, true),
        ("localhost", "verify-ca", &ca, false),
    ] {
        let connected = checked(&server, host, mode, root);
        assert_eq!(connected.is_ok(), fits, "{host} {mode} {root}: {connected:?}");
    }
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let Some(database) = postgres::database() else { return };
    let refused = connect(&database.url_with("sslmode=require")).unwrap_err();
    assert!(
        refused.ends_with(
            "the server does not speak TLS; take `sslmode` out of the URL, or switch `ssl` on in the server"
        ),
        "{refused}"
    );
    connect(&database.url_with("sslmode=prefer")).unwrap();
}
