//! Requests that must not get through, on every route.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::client::{Answer, ask, connect};
use crate::world::{Server, World};

/// Every address that is read.
const READ: [&str; 27] = [
    "/",
    "/jobs.json",
    "/executions",
    "/executions.json",
    "/executions/1",
    "/executions/1.json",
    "/executions/1/graph",
    "/executions/1/graph.json",
    "/executions/1/skipped",
    "/executions/1/skipped.json",
    "/executions/1/skipped.csv",
    "/executions/1/time",
    "/executions/1/time.json",
    "/executions/1/compare?with=1",
    "/executions/1/compare.json?with=1",
    "/executions/1/restart",
    "/jobs/load_orders/graph",
    "/jobs/load_orders/graph.json",
    "/jobs/load_orders/time",
    "/jobs/load_orders/time.json",
    "/jobs/load_orders/start",
    "/schedule",
    "/schedule.json",
    "/schedule/count_orders/backfill",
    "/page.css",
    "/graph.css",
    "/page.js",
];

/// Every address that changes something.
const CHANGE: [&str; 10] = [
    "/jobs/load_orders/start",
    "/executions/1/restart",
    "/executions/1/stop",
    "/executions/1/abandon",
    "/executions/1/recover",
    "/executions/1/replay",
    "/schedule/count_orders/trigger",
    "/schedule/count_orders/backfill",
    "/schedule/count_orders/pause",
    "/schedule/count_orders/resume",
];

/// A form that each of them would accept.
const FORM: &str = "first=2024-01-01&last=2024-01-31&do=start";

/// A world with one execution, which every route can show.
fn world() -> World {
    let world = World::new();
    assert!(world.run("run load_orders --to 20 --every 5").status.success());
    world
}

fn all() -> impl Iterator<Item = String> {
    let read = READ.iter().map(|path| format!("GET {path}"));
    read.chain(CHANGE.iter().map(|path| format!("POST {path}")))
}

/// Asserts that the repository is as [`world`] has left it.
#[track_caller]
fn nothing_has_changed(world: &World) {
    let executions = world.printed("executions");
    assert_eq!(executions.lines().count(), 2, "{executions}");
    assert!(executions.contains("completed"), "{executions}");
    assert!(world.printed("schedule list --json").contains("\"paused\": null"));
}

/// Asserts that an answer is this refusal, and says nothing of what the repository holds.
#[track_caller]
fn refuses(answer: &Answer, status: u16, of: &str) {
    assert_eq!(answer.status, status, "{of}: {answer:?}");
    for said in ["load_orders", "completed", "Sends the orders"] {
        assert!(
            !answer.body.replace(of.split(' ').nth(1).unwrap_or(of), "").contains(said),
            "{of}: {answer:?}"
        );
    }
}

fn with(server: &Server, first: &str, headers: &[&str]) -> Answer {
    let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    let form = if first.starts_with("POST") { FORM.as_bytes() } else { b"" };
    ask(server.port, first, &headers, form)
}

#[test]
fn every_route_is_read_with_the_token() {
    let world = world();
    let server = world.serve("");
    for path in READ {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    }
}

#[test]
fn no_route_answers_without_the_token() {
    let world = world();
    let server = world.serve("");
    for first in all() {
        refuses(&with(&server, &first, &[&server.host()]), 401, &first);
    }
    nothing_has_changed(&world);
}

#[test]
fn no_route_answers_to_a_wrong_token() {
    let world = world();
    let server = world.serve("");
    let other = "0".repeat(64);
    for first in all() {
        let tokens = [other.as_str(), "", &server.token[..63], "x"];
        for token in tokens {
            let bearer = format!("Authorization: Bearer {token}");
            let cookie = format!("Cookie: batch_{}={token}", server.port);
            refuses(&with(&server, &first, &[&server.host(), &bearer]), 401, &first);
            refuses(&with(&server, &first, &[&server.host(), &cookie]), 401, &first);
        }
        // A token is not a session.
        let cookie = format!("Cookie: batch_{}={}", server.port, server.token);
        refuses(&with(&server, &first, &[&server.host(), &cookie]), 401, &first);
    }
    refuses(&with(&server, &format!("GET /?token={other}"), &[&server.host()]), 401, "/");
    nothing_has_changed(&world);
}

#[test]
fn no_route_answers_to_a_foreign_host() {
    let world = world();
    let server = world.serve("");
    let port = server.port;
    for first in all() {
        for host in [
            format!("Host: evil.example:{port}"),
            "Host: 127.0.0.1".to_owned(),
            format!("Host: 127.0.0.1:{}", port ^ 1),
        ] {
            refuses(&with(&server, &first, &[&host, &server.bearer()]), 421, &first);
        }
    }
    // A link with the token does not begin a session there, either.
    let link = format!("GET /?token={}", server.token);
    refuses(&with(&server, &link, &[&format!("Host: evil.example:{port}")]), 421, "/");
    nothing_has_changed(&world);
}

#[test]
fn a_given_host_is_answered() {
    let world = world();
    let server = world.serve("--host batch.example");
    assert_eq!(with(&server, "GET /", &["Host: batch.example", &server.bearer()]).status, 200);
    assert_eq!(with(&server, "GET /", &["Host: other.example", &server.bearer()]).status, 421);
}

#[test]
fn no_route_changes_anything_for_another_site() {
    let world = world();
    let server = world.serve("");
    let cookie = cookie(&server);
    for path in CHANGE {
        let first = format!("POST {path}");
        for site in [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Origin: http://evil.example",
            "Origin: null",
        ] {
            refuses(&with(&server, &first, &[&server.host(), &cookie, site]), 403, &first);
        }
    }
    nothing_has_changed(&world);
}

#[test]
fn no_get_changes_anything() {
    let world = world();
    let server = world.serve("");
    for path in CHANGE {
        server.get(&format!("{path}?{FORM}"));
    }
    nothing_has_changed(&world);
}

#[test]
fn a_read_only_page_shows_everything_and_changes_nothing() {
    let world = world();
    let server = world.serve("--read-only");
    for path in READ {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for path in CHANGE {
        refuses(&server.post(path, FORM), 403, &format!("POST {path}"));
    }
    nothing_has_changed(&world);
}

#[test]
fn a_page_that_other_machines_reach_is_read_only_unless_it_is_allowed() {
    let world = world();
    for (arguments, status) in [("--listen 0.0.0.0:0", 403), ("--listen 0.0.0.0:0 --allow-actions", 404)] {
        let server = world.serve_at(arguments);
        let headers = [format!("Host: 0.0.0.0:{}", server.port), server.bearer()];
        let answer = ask(server.port, "POST /executions/99/stop", &headers, b"");
        assert_eq!(answer.status, status, "{arguments}: {answer:?}");
    }
}

#[test]
fn an_oversized_form_is_refused() {
    let world = world();
    let server = world.serve("");
    let form = format!("p.to={}", "7".repeat(70_000));
    for path in CHANGE {
        let answer = server.post(path, &form);
        // A connection that is closed during the write may lose the answer.
        assert!([413, 0].contains(&answer.status), "{path}: {answer:?}");
    }
    nothing_has_changed(&world);
}

#[test]
fn an_oversized_head_is_refused() {
    let world = world();
    let server = world.serve("");
    let header = format!("X-Long: {}", "x".repeat(100_000));
    let answer = with(&server, "GET /", &[&server.host(), &server.bearer(), &header]);
    assert!([431, 0].contains(&answer.status), "{answer:?}");
}

/// Slow clients hold nobody up, and are dropped in the end.
#[test]
fn a_slow_client_is_disconnected() {
    let world = world();
    let server = world.serve("");
    let head = format!("POST /executions/1/stop HTTP/1.1\r\n{}\r\n{}\r\n", server.host(), server.bearer());
    let half_a_head = "GET / HTTP/1.1\r\nHost: 127.".to_owned();
    let half_a_body = format!("{head}Content-Length: 100\r\n\r\nhalf");
    let nothing = String::new();
    let slow: Vec<_> = [half_a_head, half_a_body, nothing]
        .into_iter()
        .map(|sent| {
            let mut stream = connect(server.port);
            stream.write_all(sent.as_bytes()).unwrap();
            std::thread::spawn(move || {
                let mut answer = Vec::new();
                // An error means a closed connection, too.
                let read = stream.read_to_end(&mut answer);
                assert!(read.is_ok_and(|_| true), "nobody has closed the connection");
                String::from_utf8_lossy(&answer).into_owned()
            })
        })
        .collect();
    assert_eq!(server.get("/").status, 200, "others are answered meanwhile");
    let answers: Vec<String> = slow.into_iter().map(|slow| slow.join().unwrap()).collect();
    assert!(!answers.iter().any(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:?}");
    nothing_has_changed(&world);
}

#[test]
fn a_client_that_reads_nothing_is_disconnected() {
    let world = world();
    let server = world.serve("");
    let mut stream = connect(server.port);
    stream.set_write_timeout(Some(Duration::from_mins(2))).unwrap();
    let request = format!("GET /page.css HTTP/1.1\r\n{}\r\n{}\r\n\r\n", server.host(), server.bearer());
    // The client sends requests without end, and reads nothing.
    while stream.write_all(request.as_bytes()).is_ok() {}
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn more_connections_than_the_server_takes_do_not_end_it() {
    let world = world();
    let server = world.serve("");
    let idle: Vec<_> = (0..300).map(|_| connect(server.port)).collect();
    drop(idle);
    assert_eq!(server.get("/").status, 200);
}

/// The cookie of a session that the link has begun.
fn cookie(server: &Server) -> String {
    let answer = with(server, &format!("GET /executions?job=x&token={}", server.token), &[&server.host()]);
    assert_eq!(answer.location(), "/executions?job=x", "the token is not part of the address");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&server.token), "{cookie}");
    format!("Cookie: {}", cookie.split(';').next().unwrap())
}

#[test]
fn the_link_begins_a_session() {
    let world = world();
    let server = world.serve("");
    let cookie = cookie(&server);
    assert!(cookie.starts_with(&format!("Cookie: batch_{}=", server.port)), "{cookie}");
    assert_eq!(with(&server, "GET /", &[&server.host(), &cookie]).status, 200);
}

#[test]
fn the_token_can_be_typed_and_the_session_ended() {
    let world = world();
    let server = world.serve("");
    let host = [server.host()];
    let wrong = ask(server.port, "POST /session", &host, b"token=wrong&to=/executions");
    assert_eq!(wrong.status, 401);
    let form = format!("token={}&to=//evil.example/x", server.token);
    let right = ask(server.port, "POST /session", &host, form.as_bytes());
    assert_eq!(right.location(), "/evil.example/x");
    let cookie = cookie(&server);
    let out = ask(server.port, "POST /session", &[server.host(), cookie.clone()], b"");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(with(&server, "GET /", &[&server.host(), &cookie]).status, 401, "a copy of the cookie");
}

#[test]
fn logging_out_leaves_the_other_sessions_open() {
    let world = world();
    let server = world.serve("");
    let [one, other] = [cookie(&server), cookie(&server)];
    ask(server.port, "POST /session", &[server.host(), one], b"");
    assert_eq!(with(&server, "GET /", &[&server.host(), &other]).status, 200);
}

#[test]
fn a_token_file_is_used_and_not_printed() {
    let world = world();
    let token = "a1".repeat(32);
    std::fs::write(world.path("token"), &token).unwrap();
    let mut server = world.serve_printing("--listen 0 --token-file token");
    assert!(!server.1.contains(&token), "{}", server.1);
    server.0.token = token;
    assert_eq!(server.0.get("/").status, 200);
}

#[test]
fn a_file_can_be_listened_on() {
    use std::os::unix::net::UnixStream;

    let world = world();
    let socket = world.path("page.sock");
    let (server, printed) = world.serve_printing(&format!("--listen unix:{}", socket.display()));
    let token = printed.split("the token is ").nth(1).unwrap().trim().trim_end_matches(')');
    let mut stream = UnixStream::connect(&socket).unwrap();
    let request = format!(
        "GET /jobs.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("load_orders"), "{answer}");
    server.end();
    assert!(!socket.exists(), "the file is removed with the server");
}
