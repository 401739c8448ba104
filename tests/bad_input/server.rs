//! A server that cannot be the repository: one line says what is wrong and what to do, the exit code is 2, nothing is
//! written, and no output contains a password.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use batch_runtime::postgres::{Postgres, Session};
use batch_tests::postgres::{Database, Options, Server};

use crate::world::{ENTRIES, Ended, NUMBERS, World};

const FLIGHTS: &str = env!("CARGO_BIN_EXE_flight_delays_anywhere");
const PASSWORD: &str = "hunter2";

const HBA: &str = "\
host all me 127.0.0.1/32 scram-sha-256
hostnossl all secret 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
";

/// A server with a user `me`, who has a password and may create nothing, and a user `secret`, who must use TLS.
fn server() -> Option<Server> {
    let options = Options { hba: Some(HBA), max_connections: 10, ..Options::default() };
    let server = Server::start(&options)?;
    admin(&server)
        .batch_execute(
            "CREATE ROLE me LOGIN PASSWORD 'hunter2'; CREATE ROLE secret LOGIN;
             REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
        .unwrap();
    Some(server)
}

fn admin(server: &Server) -> Session {
    Session::connect(&Postgres::at(server.url()), "a test").unwrap()
}

fn ask(url: &str, line: &str) -> Ended {
    let world = World::empty();
    let mut command = world.command(NUMBERS, line.split_whitespace());
    command.args(["--repository", url]);
    for name in ["PGPASSWORD", "PGPASSFILE", "HOME"] {
        command.env_remove(name);
    }
    let ended = Ended::of(&mut command);
    assert!(world.names().is_empty(), "{line} left {:?}", world.names());
    assert!(!format!("{}{}", ended.out, ended.err).contains(PASSWORD), "{line}: {ended:?}");
    ended
}

/// The URL of a server as messages show it: without the password.
fn shown(url: &str) -> String {
    url.replace(&format!(":{PASSWORD}no@"), "@").replace(&format!(":{PASSWORD}@"), "@")
}

/// Each command is refused with that line, on the console and as JSON.
#[track_caller]
fn refused(url: &str, why: &str) {
    for line in ["run --to 3", "executions"] {
        ask(url, line).is_refused(2, &format!("repository {}: {why}", shown(url)));
        let json = ask(url, &format!("--json {line}"));
        assert_eq!((json.code, json.err.lines().count()), (Some(2), 1), "{json:?}");
        assert!(json.out.contains("\"kind\": \"repository\""), "{json:?}");
    }
}

fn url(server: &Server, user: &str, database: &str) -> String {
    format!("postgres://{user}@127.0.0.1:{}/{database}", server.port())
}

fn tables(database: &Database) -> i64 {
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    database.connect().query_one(count, &[]).unwrap().get(0)
}

#[test]
fn a_wrong_password_is_refused() {
    let Some(server) = server() else { return };
    refused(
        &url(&server, "me:hunter2no", "postgres"),
        "password authentication failed for user \"me\" (SQLSTATE 28P01); set PGPASSWORD, or put the password into ~/.pgpass or the URL",
    );
    refused(
        &url(&server, "me", "postgres"),
        "the server asks for a password, and none is given; set PGPASSWORD, or put the password into ~/.pgpass or the URL",
    );
}

#[test]
fn a_database_that_does_not_exist_is_refused_with_how_to_create_it() {
    let Some(server) = server() else { return };
    refused(
        &url(&server, "batch:hunter2", "nowhere"),
        "database \"nowhere\" does not exist (SQLSTATE 3D000); create it with `createdb`, or name another in the URL",
    );
}

#[test]
fn a_user_who_may_not_create_tables_is_refused_with_what_to_grant() {
    let Some(server) = server() else { return };
    let database = server.database();
    let url = database.url().replace("batch@", "me:hunter2@");
    ask(&url, "run --to 3").is_refused(
        2,
        &format!(
            "repository {}: permission denied for schema public (SQLSTATE 42501): let the owner of the database grant this user the right, or name another `?schema=`",
            shown(&url)
        ),
    );
    let url = format!("{url}?schema=batch");
    ask(&url, "run --to 3").is_refused(
        2,
        &format!(
            "repository {}: permission denied for database {} (SQLSTATE 42501), in `CREATE SCHEMA batch`: let the owner of the database grant this user the right, or name another `?schema=`",
            shown(&url),
            database.url().rsplit_once('/').unwrap().1
        ),
    );
    assert_eq!(tables(&database), 0);
}

#[test]
fn a_schema_of_a_newer_program_is_refused() {
    let Some(server) = server() else { return };
    let database = server.database();
    let run = |line: &str| ask(database.url(), line);
    // Refused because its step wants SQLite, but only after the repository was created.
    assert_eq!(run("run --to 3").code, Some(2));
    let admin = database.connect();
    admin.batch_execute("UPDATE BATCH_SCHEMA SET VERSION = 99").unwrap();
    let version = "this program supports at most version 4: use a newer program, or another `?schema=`";
    refused(database.url(), &format!("has schema version 99, but {version}"));
    let executions: i64 = admin.query_one("SELECT count(*) FROM BATCH_JOB_EXECUTION", &[]).unwrap().get(0);
    assert_eq!(executions, 0);
}

#[test]
fn a_server_that_wants_tls_says_which_option_to_add() {
    let Some(server) = server() else { return };
    let url = format!("{}?sslmode=disable", url(&server, "secret:hunter2", "postgres"));
    let ended = ask(&url, "run --to 3");
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{ended:?}");
    assert!(
        ended.err.ends_with("; if the server wants TLS, add `?sslmode=require` to the URL\n"),
        "{ended:?}"
    );
}

#[test]
fn a_host_that_is_not_there_or_does_not_answer_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused(
        &format!("postgres://me:hunter2@127.0.0.1:{free}/db"),
        "the server cannot be reached: Connection refused (os error 111); check that it is running, and the host and port in the URL",
    );
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let url = format!("postgres://me:hunter2@127.0.0.1:{}/db", silent.local_addr().unwrap().port());
    ask(&url, "run --to 3").is_refused(
        2,
        &format!(
            "repository {}: the server did not answer in time; check the host and port in the URL, and the network",
            shown(&url)
        ),
    );
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[test]
fn a_server_without_free_connections_is_refused() {
    let Some(server) = server() else { return };
    let connect = || Session::connect(&Postgres::at(server.url()), "a test");
    let held: Vec<_> = (0..20).map_while(|_| connect().ok()).collect();
    let ended = ask(&url(&server, "batch:hunter2", "postgres"), "run --to 3");
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{ended:?}");
    assert!(
        ended
            .err
            .ends_with("(SQLSTATE 53300); end other connections, or raise the server's `max_connections`\n"),
        "{ended:?}"
    );
    drop(held);
}

#[test]
fn a_read_only_database_is_refused() {
    let Some(server) = server() else { return };
    let database = server.database();
    let url = format!(
        "{}?options=-c%20default_transaction_read_only%3Don",
        database.url().replace("batch@", "batch:hunter2@")
    );
    let ended = ask(&url, "run --to 3");
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{ended:?}");
    assert!(
        ended.err.ends_with(": the server is a standby or read-only: name the primary server\n"),
        "{ended:?}"
    );
    assert_eq!(tables(&database), 0);
}

#[test]
fn a_job_that_fails_in_the_database_shows_and_stores_no_password() {
    let Some(server) = server() else { return };
    let database = server.database();
    let admin = database.connect();
    admin
        .batch_execute(
            "CREATE SCHEMA repository AUTHORIZATION me; GRANT CREATE ON SCHEMA public TO me; CREATE TABLE late_flight (n INT)",
        )
        .unwrap();
    let url = format!("{}?schema=repository", database.url().replace("batch@", "me:hunter2@"));
    let world = World::empty();
    world.write("in.csv", ENTRIES);
    for line in [
        "run --input in.csv",
        "--json run --input in.csv",
        "show 1",
        "executions",
        "--json show 1",
        "show 1 --journal",
    ] {
        let mut command = world.command(FLIGHTS, line.split_whitespace());
        let ended = Ended::of(command.args(["--repository", &url]));
        assert!(!format!("{}{}", ended.out, ended.err).contains(PASSWORD), "{line}: {ended:?}");
        if line.contains("run") {
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(
                format!("{}{}", ended.out, ended.err).contains("must be owner of table late_flight"),
                "{ended:?}"
            );
        }
    }
    let tables =
        admin.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'repository'", &[]).unwrap();
    assert!(tables.len() > 10);
    for table in tables {
        let table: String = table.get(0);
        for row in admin.query(&format!("SELECT t::text FROM repository.{table} t"), &[]).unwrap() {
            let row: String = row.get(0);
            assert!(!row.contains(PASSWORD), "{table}: {row}");
        }
    }
    assert!(world.names().iter().all(|name| name == "in.csv"), "{:?}", world.names());
}
