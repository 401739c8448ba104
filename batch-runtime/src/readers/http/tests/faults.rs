use super::super::{HttpError, numbered, token};
use super::*;
use crate::definition::Failure;

fn reader(server: &Server, clock: &Clock) -> HttpPages<u32, super::super::Token> {
    pages(&server.http().pause(clock.clone()), token("cursor", "/next"))
}

#[test]
fn a_request_is_repeated_after_a_passing_fault_and_nothing_is_lost() {
    let server = Server::numbers(7, 3);
    server.faults([
        Fault::Status(503, None),
        Fault::NoConnection,
        Fault::BrokenOff(9),
        Fault::CutOff(9),
        Fault::CutOff(0),
    ]);
    let clock = Clock::new();
    let (items, error) = all(&mut reader(&server, &clock));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(
        clock.waits().iter().map(Duration::as_millis).collect::<Vec<_>>(),
        [100, 200, 400, 800, 1_600]
    );
}

#[test]
fn attempts_are_limited_for_each_page_and_the_error_says_how_many_there_were() {
    let server = Server::numbers(7, 3);
    let clock = Clock::new();
    let http = server.http().retry(2, "30s").pause(clock.clone());
    let mut reader = pages::<u32, _>(&http, numbered("page"));
    reader.read().unwrap();
    server.faults(vec![Fault::Status(503, None); 3]);
    let (items, error) = all(&mut reader);
    let error = error.unwrap();
    assert_eq!(items, [1, 2]);
    assert_eq!(
        error.to_string(),
        "GET n?page=1: 503, the server is too busy: `{\"error\": \"no\"}`; tried 3 times"
    );
    assert!(!reader.steps_over(&error) && !error.is_about_the_input());
    assert_eq!(all(&mut reader).0, [3, 4, 5, 6], "read again, it goes on where it was");
}

#[test]
fn the_server_says_how_long_to_wait() {
    let server = Server::numbers(2, 3);
    server.faults([Fault::Status(429, Some("7")), Fault::Status(503, Some("0"))]);
    let clock = Clock::new();
    assert_eq!(all(&mut reader(&server, &clock)).0, [0, 1]);
    assert_eq!(clock.waits(), [Duration::from_secs(7)]);
    server.faults([Fault::Status(429, Some("3600"))]);
    let error = all(&mut reader(&server, &clock)).1.unwrap().to_string();
    assert!(error.contains("asks for a pause of 3600s, which is longer than the 30s of `retry`"), "{error}");
}

#[test]
fn a_server_that_asks_for_fewer_requests_holds_back_all_readers() {
    let server = Server::numbers(2, 3);
    let clock = Clock::new();
    let http = server.http().pause(clock.clone());
    server.faults([Fault::Status(429, Some("7"))]);
    let held = http.clone();
    let mut other = pages::<u32, _>(&held, token("cursor", "/next"));
    let mut first = pages::<u32, _>(&http, token("cursor", "/next"));
    clock.stops.store(true, Ordering::Relaxed);
    assert!(matches!(first.read(), Err(HttpError::Stopped { .. })));
    clock.stops.store(false, Ordering::Relaxed);
    clock.waits.lock().unwrap().clear();
    assert_eq!(other.read().unwrap(), Some(0));
    assert_eq!(clock.waits(), [Duration::from_secs(7)]);
}

#[test]
fn all_readers_share_one_rate() {
    let server = Server::numbers(12, 1);
    let clock = Clock::new();
    let http = server.http().rate(4, "1s").pause(clock.clone());
    let mut readers: Vec<_> =
        (0..3).map(|_| pages::<u32, _>(&http.clone(), token("cursor", "/next"))).collect();
    for _ in 0..4 {
        for reader in &mut readers {
            reader.read().unwrap();
        }
    }
    assert_eq!(clock.waits(), [Duration::from_secs(1), Duration::from_secs(1)], "12 requests");
}

#[test]
fn a_wait_ends_when_the_job_is_asked_to_stop_and_that_is_no_failure() {
    let server = Server::numbers(2, 3);
    server.faults([Fault::Status(503, Some("29"))]);
    let clock = Clock::new();
    clock.stops.store(true, Ordering::Relaxed);
    let mut reader = reader(&server, &clock);
    let stop = StopSignal::new();
    reader.stops_with(&stop);
    let error = reader.read().unwrap_err();
    assert!(stop.is_raised() && !reader.steps_over(&error));
    assert_eq!(server.requests().len(), 1);
    assert!(Failure::new(error).is_interrupted(), "the step ends as STOPPED");
}

#[test]
fn a_request_that_the_server_refuses_is_not_repeated() {
    for (status, said) in [
        (401, "401, the server does not accept the credentials: check them"),
        (403, "403, the server does not allow this request"),
        (404, "404, there is nothing at this address: check the base address, the path and the parameters"),
        (422, "422, the server does not accept the parameters: `{\"error\": \"no\"}`"),
        (204, "204, the server sends no page"),
        (301, "301: the redirect names no address"),
    ] {
        let server = Server::numbers(2, 3);
        server.faults([Fault::Status(status, Some("1"))]);
        let clock = Clock::new();
        let error = reader(&server, &clock).read().unwrap_err();
        assert!(error.to_string().starts_with(&format!("GET n: {said}")), "{error}");
        assert!(error.is_about_the_input() && clock.waits().is_empty() && server.requests().len() == 1);
    }
}

#[test]
fn an_item_that_does_not_fit_is_passed_over_with_its_place() {
    let server = Server::of(["1", "\"two\"", "3", "{\"a\": [4]}", "5"], 2);
    let mut reader = reader(&server, &Clock::new());
    assert_eq!(reader.read().unwrap(), Some(1));
    let error = reader.read().unwrap_err();
    assert_eq!(error.to_string(), "GET n, item 2: invalid type: string \"two\", expected u32");
    assert!(reader.steps_over(&error));
    assert_eq!(reader.record(&error).as_deref(), Some("\"two\""));
    assert_eq!(reader.location().as_deref(), Some("GET n, item 2"));
    assert_eq!(reader.read().unwrap(), Some(3));
    let error = reader.read().unwrap_err();
    assert!(error.to_string().starts_with("GET n?cursor=2, item 2: invalid type: map"), "{error}");
    assert_eq!(reader.read().unwrap(), Some(5));
    assert_eq!(reader.read().unwrap(), None);
}

#[test]
fn a_field_that_does_not_fit_is_named() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its error matters")]
    struct Company {
        name: String,
        address: std::collections::BTreeMap<String, u16>,
    }
    let server = Server::of(["{\"name\": \"Ufa\", \"address\": {\"zip\": -1}}"], 2);
    let mut reader = pages::<Company, _>(&server.http(), token("cursor", "/next").size("limit", 2));
    let error = reader.read().unwrap_err().to_string();
    assert_eq!(
        error,
        "GET n?limit=2, item 1, field `address.zip`: invalid value: integer `-1`, expected u16"
    );
}
