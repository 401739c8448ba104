//! A session that loses its server, or is no longer wanted.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use batch_runtime::postgres::{Postgres, Session};
use batch_tests::postgres::{self, Options, Server};

#[test]
fn a_statement_is_cancelled_ten_seconds_after_the_stop() {
    let Some(database) = postgres::database() else { return };
    let session = database.connect();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    session.set_watch(Some(Box::new(move || asked.load(Relaxed))));
    stop.store(true, Relaxed);
    let began = Instant::now();
    let error = session.query("SELECT pg_sleep(60)", &[]).unwrap_err();
    let took = began.elapsed();
    assert!(error.is_stopped(), "{error}");
    assert!(took > Duration::from_secs(10) && took < Duration::from_mins(1), "{took:?}");
    // A quick statement is not disturbed, and the session goes on.
    assert_eq!(session.query_one("SELECT 1", &[]).unwrap().get::<_, i32>(0), 1);
}

#[test]
fn a_terminated_backend_and_a_server_that_is_gone_are_errors_of_the_connection() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let terminate = |session: &Session| {
        let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let other = database.connect();
        assert!(other.query_one("SELECT pg_terminate_backend($1)", &[&pid]).unwrap().get::<_, bool>(0));
    };
    let session = database.connect();
    terminate(&session);
    std::thread::sleep(Duration::from_millis(200));
    let error = session.query("SELECT 1", &[]).unwrap_err();
    assert!(error.is_connection(), "{error}");
    assert!(error.to_string().contains("terminating connection due to administrator command"), "{error}");
    assert!(session.is_closed());

    // Before `COMMIT` is sent, the transaction is certainly rolled back. Afterwards nobody knows.
    let session = database.connect();
    session.begin("").unwrap();
    session.execute("CREATE TABLE t (id INT)", &[]).unwrap();
    terminate(&session);
    let error = session.commit_after("SELECT 'not prepared yet'", &[]).unwrap_err();
    assert!(!error.is_unknown() && error.error().is_connection(), "{error}");

    let session = database.connect();
    session.query("SELECT 1", &[]).unwrap();
    session.begin("").unwrap();
    session.execute("CREATE TABLE t (id INT)", &[]).unwrap();
    terminate(&session);
    let error = session.commit_after("SELECT 1", &[]).unwrap_err();
    assert!(error.is_unknown() && error.error().is_connection(), "{error}");

    let session = database.connect();
    for end in [Server::stop_immediate, Server::kill_9, Server::stop] {
        end(&server);
        let error = session.query("SELECT 1", &[]).unwrap_err();
        assert!(error.is_connection(), "{error}");
        let refused = Session::connect(&Postgres::at(database.url()), "a test").unwrap_err();
        assert!(refused.is_connection(), "{refused}");
        server.restart();
        assert_eq!(database.connect().query_one("SELECT 1", &[]).unwrap().get::<_, i32>(0), 1);
    }
}

#[test]
fn a_server_dies_with_its_owner_and_leaves_nothing() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let folder = server.folder().to_owned();
    let url = server.url();
    assert!(folder.is_dir());
    drop(server);
    assert!(!folder.exists());
    let error = Session::connect(&Postgres::at(url), "a test").unwrap_err();
    assert!(error.is_connection(), "{error}");
}

#[test]
fn a_server_dies_with_a_process_that_is_killed() {
    const NAME: &str = "losing::a_server_dies_with_a_process_that_is_killed";
    if std::env::var_os("BATCH_TEST_CHILD").is_some() {
        let server = Server::start(&Options::default()).unwrap();
        println!("\nfolder {}", server.folder().display());
        std::thread::sleep(Duration::from_mins(10));
        return;
    }
    if Server::start(&Options::default()).is_none() {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env("BATCH_TEST_CHILD", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder =
        lines.map_while(Result::ok).find_map(|line| line.strip_prefix("folder ").map(PathBuf::from)).unwrap();
    assert!(folder.is_dir());
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while folder.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!folder.exists());
}
