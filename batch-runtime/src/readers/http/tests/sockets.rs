//! The built-in client, over real sockets.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::super::{HttpError, numbered};
use super::*;

/// Answers one request after another with these texts, as they are.
fn serve(answers: impl IntoIterator<Item = Answer>) -> (Http, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, mut answers) = (Arc::clone(&requests), answers.into_iter().collect::<VecDeque<_>>());
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that goes away ends only its own connection.
            drop(answer(&connection, &mut answers, &seen));
        }
    });
    (Http::new(format!("http://{address}/v1")).pause(Clock::new()).timeout("1s"), requests)
}

enum Answer {
    Text(String),
    /// The rest comes after this time.
    Slowly(String, Duration, String),
    /// The connection is closed after the text.
    Closed(String),
}

fn answer(
    mut connection: &TcpStream,
    answers: &mut VecDeque<Answer>,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    while let Some(mut request) = lines.next().transpose()? {
        while let Some(header) = lines.next().transpose()?.filter(|header| !header.is_empty()) {
            request = format!("{request}\n{header}");
        }
        seen.lock().unwrap().push(request);
        match answers.pop_front() {
            Some(Answer::Text(text)) => connection.write_all(text.as_bytes())?,
            Some(Answer::Slowly(begin, wait, rest)) => {
                connection.write_all(begin.as_bytes())?;
                thread::sleep(wait);
                return connection.write_all(rest.as_bytes());
            }
            Some(Answer::Closed(text)) => return connection.write_all(text.as_bytes()),
            None => return Ok(()),
        }
    }
    Ok(())
}

fn page(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn pages_come_over_one_connection_with_the_headers() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[3,\r\n3\r\n 4]\r\n0\r\n\r\n";
    let (http, requests) =
        serve([Answer::Text(page("[1, 2]")), Answer::Text(chunked.into()), Answer::Text(page("[]"))]);
    let mut reader = http.bearer("t0ken").get("n").pages::<u32, _>(numbered("page"));
    let (items, error) = all(&mut reader);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, [1, 2, 3, 4]);
    let requests = requests.lock().unwrap();
    assert!(requests[0].starts_with("GET /v1/n?page=0 HTTP/1.1\n"), "{requests:?}");
    let first = requests[0].to_ascii_lowercase();
    assert!(first.contains("\nauthorization: bearer t0ken"), "{first}");
    assert!(first.contains("\naccept: application/json"), "{first}");
    assert!(first.contains("\nuser-agent: batch-runtime/"), "{first}");
}

#[test]
fn a_body_that_is_cut_or_comes_too_slowly_is_requested_again() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n[1, 2";
    let cut_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n[1, 2\r\n";
    let (http, requests) = serve([
        Answer::Text(busy.into()),
        Answer::Closed(cut.into()),
        Answer::Closed(cut_chunk.into()),
        Answer::Closed(String::new()),
        Answer::Slowly(cut.into(), Duration::from_millis(1_500), "3".repeat(60)),
        Answer::Text(page("[1, 2]")),
        Answer::Text(page("[]")),
    ]);
    let (items, error) = all(&mut http.get("n").pages::<u32, _>(numbered("page")));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, [1, 2]);
    assert_eq!(requests.lock().unwrap().len(), 7);
}

#[test]
fn a_server_that_is_not_there_is_named_after_all_attempts() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let clock = Clock::new();
    let http = Http::new(format!("http://{address}")).pause(clock.clone()).retry(2, "1s");
    let error = http.get("n").pages::<u32, _>(numbered("page")).read().unwrap_err();
    assert!(matches!(error, HttpError::Unavailable { attempts: 3, status: None, .. }), "{error:?}");
    assert!(error.to_string().starts_with("GET n?page=0: "), "{error}");
    assert!(
        error.to_string().contains("refused") && error.to_string().ends_with("; tried 3 times"),
        "{error}"
    );
    assert_eq!(clock.waits().len(), 2);
}

#[test]
fn statuses_and_redirects_are_not_left_to_the_client() {
    let moved = "HTTP/1.1 301 Moved\r\nlocation: http://elsewhere.test/n\r\ncontent-length: 0\r\n\r\n";
    let denied = "HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\nno entry";
    let (http, _) = serve([Answer::Text(moved.into()), Answer::Text(denied.into())]);
    let read = || http.get("n").pages::<u32, _>(numbered("page")).read().unwrap_err().to_string();
    assert!(read().contains("the server links to another host, http://elsewhere.test"));
    assert!(read().contains("403, the server does not allow this request"));
}
