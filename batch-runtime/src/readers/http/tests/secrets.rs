use super::super::{HttpError, link_header, next_link, numbered};
use super::*;

const TOKEN: &str = "t0ken/of+mine";
const KEY: &str = "k3y of mine";

fn secretive(server: &Server) -> super::super::HttpGet {
    server.http().bearer(TOKEN).header("X-Api", "x4pi-header").get("n").query("q", 1).query_secret("key", KEY)
}

#[track_caller]
fn shows_no_secret(text: &str) {
    for secret in [TOKEN, KEY, "x4pi-header", "k3y%20of%20mine", "t0ken%2Fof%2Bmine"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn the_server_gets_the_secrets_and_no_message_or_position_does() {
    let server = Server::numbers(4, 2);
    let get = secretive(&server).items("/list");
    shows_no_secret(&format!("{get:?}"));
    let mut reader = get.clone().pages::<u32, _>(numbered("page"));
    reader.read().unwrap();
    assert_eq!(server.requests(), ["/v1/n?q=1&page=0&key=k3y%20of%20mine"]);
    let headers = server.served().headers[0].clone();
    assert!(headers.contains(&("Authorization".into(), format!("Bearer {TOKEN}"))), "{headers:?}");
    assert!(headers.contains(&("X-Api".into(), "x4pi-header".into())), "{headers:?}");
    shows_no_secret(&format!("{reader:?} {:?} {:?}", reader.location(), reader.position()));
    assert_eq!(reader.location().as_deref(), Some("GET n?q=1&page=0, item 1"));
    for fault in [Fault::Status(404, None), Fault::Body("k3y of mine"), Fault::Body("{\"k3y of mine\": 1}")] {
        server.faults([fault]);
        let error = get.clone().pages::<u32, _>(numbered("page")).read().unwrap_err();
        shows_no_secret(&format!("{error} {error:?}"));
    }
    let http = Http::with_client("http://api.test", |request: &Request| {
        Err::<Response, _>(format!("{:?} cannot be sent: {}", request, request.url()))
    });
    let get = http.pause(Clock::new()).bearer(TOKEN).get("n").query_secret("key", KEY);
    let error = get.pages::<u32, _>(numbered("page")).read().unwrap_err();
    assert!(error.to_string().contains("cannot be sent: http://api.test/n?page=0&key=***"), "{error}");
    shows_no_secret(&format!("{error} {error:?}"));
}

#[test]
fn credentials_that_a_server_repeats_without_their_scheme_or_escaped_are_hidden() {
    let server = Server::default();
    let http = server.http().header("Authorization", "Basic bWU6cGFz/3M=");
    for body in ["{\"unknown\": \"bWU6cGFz/3M=\"}", "{\"unknown\": \"bWU6cGFz\\/3M=\"}"] {
        server.faults([Fault::Body(body)]);
        let error = http.get("n").items("/list").pages::<u32, _>(numbered("page")).read().unwrap_err();
        assert!(error.to_string().contains("`{\"unknown\": \"***\"}`"), "{error}");
    }
}

#[test]
fn a_link_that_repeats_a_secret_is_kept_without_it_and_followed_with_it() {
    let server = Server::default();
    server.faults([
        Fault::Body("{\"list\": [1, 2], \"link\": \"http://API.test/v1/n?key=k3y%20of%20mine&p=2\"}"),
        Fault::Body("{\"list\": [3], \"link\": null}"),
    ]);
    let mut reader = secretive(&server).items("/list").pages::<u32, _>(next_link("/link"));
    for _ in 0..2 {
        reader.read().unwrap();
    }
    let position = serde_json::to_string(&reader.position()).unwrap();
    assert!(position.contains("\"at\":\"/v1/n?p=2\""), "{position}");
    assert_eq!(reader.read().unwrap(), Some(3));
    assert_eq!(server.requests()[1], "/v1/n?p=2&key=k3y%20of%20mine");
}

/// Answers with a link or a redirect to another host, and answers as that host too.
fn leading_away(server: &Server, redirects: bool) -> Http {
    let server = server.clone();
    Http::with_client("http://api.test/v1", move |request: &Request| {
        let mut log = server.served();
        log.requests.push(request.url().to_owned());
        log.headers.push(request.headers().to_vec());
        let away = "http://files.test:8080/n?page=2";
        Ok::<_, io::Error>(match (request.url().starts_with("http://api.test"), redirects) {
            (true, true) => Response::new(302, "").header("Location", away),
            (true, false) => Response::new(200, "[1]").header("Link", format!("<{away}>; rel=next")),
            (false, _) => Response::new(200, "[2]"),
        })
    })
    .bearer(TOKEN)
}

#[test]
fn another_host_is_refused_unless_it_is_allowed_and_gets_no_secret() {
    for redirects in [false, true] {
        let server = Server::default();
        let http = leading_away(&server, redirects);
        let read =
            |http: &Http| all(&mut http.get("n").query_secret("key", KEY).pages::<u32, _>(link_header()));
        let (_, error) = read(&http);
        let error = error.unwrap().to_string();
        assert!(
            error.contains("the server links to another host, http://files.test:8080: if that is right, allow it with `allow_host(\"files.test:8080\")`"),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1);
        let (items, error) = read(&http.allow_host("files.test:8080"));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(items.last(), Some(&2));
        let log = server.served();
        assert_eq!(log.requests[2], "http://files.test:8080/n?page=2");
        assert_eq!(log.headers[2], [("Accept".to_owned(), "application/json".to_owned())]);
    }
}

#[test]
fn a_redirect_on_the_same_host_is_followed_with_the_headers_and_a_redirect_loop_is_refused() {
    let server = Server::default();
    let seen = server.clone();
    let http = Http::with_client("http://api.test/v1", move |request: &Request| {
        seen.served().headers.push(request.headers().to_vec());
        Ok::<_, io::Error>(match request.url() {
            "http://api.test/v1/n?page=0" => Response::new(308, "").header("location", "../v2/n?page=0"),
            "http://api.test/v2/n?page=0" => Response::new(200, "[1]"),
            _ => Response::new(302, "").header("location", request.url()),
        })
    });
    let mut reader = http.bearer(TOKEN).get("n").pages::<u32, _>(numbered("page"));
    assert_eq!(reader.read().unwrap(), Some(1));
    let headers = server.served().headers.clone();
    assert_eq!(headers[0], headers[1]);
    let error = reader.read().unwrap_err();
    assert!(matches!(error, HttpError::Refused { status: 310, .. }), "{error}");
}
