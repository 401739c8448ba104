use super::super::{HttpError, after, link_header, next_link, numbered, offset, token};
use super::*;
use crate::definition::Splittable as _;
use crate::readers::ReaderExt as _;
use crate::readers::tests::stored;

/// The message of the error that ends the reading.
#[track_caller]
fn refused<T, S: PageStyle<T>>(mut reader: HttpPages<T, S>) -> String
where
    HttpPages<T, S>: Reader<Error = HttpError>,
{
    let (_, error) = all(&mut reader);
    error.expect("it is refused").to_string()
}

#[test]
fn a_page_that_changed_before_the_position_is_refused() {
    for change in
        [|items: &mut Vec<String>| drop(items.remove(2)), |items: &mut Vec<String>| items[3] = "9".into()]
    {
        let server = Server::numbers(6, 3);
        let open = || pages::<u32, _>(&server.http(), numbered("page"));
        let mut reader = open();
        for _ in 0..5 {
            reader.read().unwrap();
        }
        let position = reader.position();
        let mut same = open();
        same.resume(position.clone()).unwrap();
        assert_eq!(same.read().unwrap(), Some(5));
        change(&mut server.served().items);
        let mut restarted = open();
        restarted.resume(position.clone()).unwrap();
        let error = restarted.read().unwrap_err();
        assert!(error.is_about_the_input(), "{error}");
        let error = error.to_string();
        assert!(error.starts_with("GET n?page=1: the"), "{error}");
        assert!(
            error.contains("an earlier execution read") && error.contains("(`--next`), or use `after`"),
            "{error}"
        );
        assert_eq!(restarted.position(), position, "it stays where it was");
    }
}

#[test]
fn a_page_with_another_number_of_items_than_the_total_says_is_refused() {
    let server = Server::numbers(10, 2);
    let error = refused(pages::<u32, _>(&server.http(), numbered("page").size("limit", 5).total("/total")));
    assert!(error.starts_with("GET n?page=0&limit=5: the page has 2 items, but the total says 5"), "{error}");
    let error = refused(pages::<u32, _>(&server.http(), numbered("page").size("most", 1).total("/total")));
    assert!(error.contains("has 2 items, but 1 were expected: does the server take the size"), "{error}");
    let error = refused(pages::<u32, _>(&server.http(), offset("start", "limit").size(3)));
    assert!(error.contains("the server sends smaller pages; ask for that size with `.size(..)`"), "{error}");
}

#[test]
fn pages_that_would_never_end_are_refused() {
    let server = Server::default();
    server.faults(vec![Fault::Body("{\"list\": [1], \"next\": \"a\", \"link\": \"?p=1\"}"); 9]);
    let error = refused(pages::<u32, _>(&server.http(), token("cursor", "/next")));
    assert!(
        error.starts_with("GET n?cursor=a: the server sends the address of a page that was read"),
        "{error}"
    );
    let error = refused(pages::<u32, _>(&server.http(), next_link("/link")));
    assert!(error.starts_with("GET /v1/n?p=1: the server sends the address"), "{error}");
    let server = Server::of(["{\"id\": 1}"; 3], 3);
    let error = refused(pages::<serde_json::Value, _>(&server.http(), numbered("pgae")));
    assert!(error.contains("the same items as the previous page: the server may not know"), "{error}");
    let server = Server::of([1, 2, 2, 3], 3);
    let error = refused(pages(&server.http(), after("since", |number: &u32| *number)));
    assert!(error.contains("the key `2` occurs twice") && error.contains("`since` has to mean"), "{error}");
}

#[test]
fn items_without_a_key_are_passed_over_once_and_a_page_of_them_is_refused_unless_it_is_the_last() {
    let by_key = || after("since", |number: &u32| *number).size("limit", 3);
    let server = Server::of(["1", "\"a\"", "2", "\"b\"", "\"c\"", "3", "\"d\""], 3);
    let open = || pages(&server.http(), by_key());
    let outcomes = |reader: &mut HttpPages<u32, _>, most: usize| {
        let mut outcomes = Vec::new();
        while outcomes.len() < most {
            match reader.read() {
                Ok(Some(item)) => outcomes.push(item.to_string()),
                Ok(None) => break,
                Err(error) => {
                    assert!(reader.steps_over(&error), "{error}");
                    outcomes.push(reader.record(&error).unwrap());
                }
            }
        }
        outcomes
    };
    let whole = outcomes(&mut open(), 100);
    assert_eq!(whole, ["1", "\"a\"", "2", "\"b\"", "\"c\"", "3", "\"d\""]);
    for at in 0..=whole.len() {
        let mut reader = open();
        let mut read = outcomes(&mut reader, at);
        let mut restarted = open();
        restarted.resume(reader.position()).unwrap();
        read.extend(outcomes(&mut restarted, 100));
        assert_eq!(read, whole, "after {at}");
    }
    let server = Server::of(["1", "\"a\"", "\"b\"", "\"c\"", "2"], 3);
    let error = refused(pages(&server.http(), by_key()));
    assert!(error.contains("none of the 3 items of the page fits the type"), "{error}");
}

#[test]
fn removing_an_item_without_a_key_loses_no_other_item() {
    let server = Server::of(["1", "\"a\"", "\"b\"", "2", "3"], 3);
    let mut reader = pages(&server.http(), after("since", |number: &u32| *number));
    assert_eq!(reader.read().unwrap(), Some(1));
    for _ in 0..2 {
        reader.read().unwrap_err();
    }
    server.served().items.remove(1);
    let mut restarted = pages(&server.http(), after("since", |number: &u32| *number));
    restarted.resume(stored(&reader)).unwrap();
    for mut reader in [reader, restarted] {
        let error = reader.read().unwrap_err();
        assert_eq!(
            reader.record(&error).as_deref(),
            Some("\"b\""),
            "reported twice, because it cannot be told apart from the removed item"
        );
        assert_eq!(all(&mut reader).0, [2, 3]);
    }
}

#[test]
fn keys_that_are_not_in_order_are_refused_when_one_comes_again() {
    let server = Server::of([5, 4, 3, 2, 1], 3);
    let key = |number: &u32| u32::MAX - number;
    let mut reader = pages(&server.http(), after("since", key));
    assert_eq!(reader.read().unwrap(), Some(5));
    // The server does not know these keys, so it begins again.
    let error = refused(reader);
    assert!(error.contains("occurs twice") && error.contains("the items have to be in its order"), "{error}");
    let server = Server::of(["\"a\"", "\"b\"", "\"c\""], 2);
    let error = refused(pages(&server.http(), after("pgae", |name: &String| name.clone())));
    assert!(error.starts_with("GET n?pgae=b: the key `a` occurs twice"), "{error}");
}

#[test]
fn pages_of_another_size_than_before_are_refused() {
    let server = Server::numbers(12, 6);
    let numbers =
        |size: u32| pages::<u32, _>(&server.http(), numbered("page").size("limit", size).total("/total"));
    let offsets =
        |size: u32| pages::<u32, _>(&server.http(), offset("start", "limit").size(size).total("/total"));
    let said = "an earlier execution read pages of 3 items, but a page now has 4: set the size back";
    let mut reader = numbers(3);
    let parts = reader.split(2).unwrap();
    for _ in 0..3 {
        reader.read().unwrap();
    }
    let error = numbers(4).resume(stored(&reader)).unwrap_err();
    assert!(error.to_string().contains(said) && error.is_about_the_input(), "{error}");
    let error = numbers(4).narrow(parts[1].clone()).unwrap_err();
    assert!(error.to_string().contains(said), "{error}");
    let mut reader = offsets(3);
    reader.read().unwrap();
    assert!(offsets(4).resume(stored(&reader)).unwrap_err().to_string().contains(said));
    offsets(3).resume(stored(&reader)).unwrap();
}

#[test]
fn equal_pages_of_numbers_are_allowed_but_not_forever() {
    let server = Server::of([0; 16], 2);
    assert_eq!(all(&mut pages::<u32, _>(&server.http(), numbered("page"))).0, [0; 16]);
    let error = refused(pages::<u32, _>(&server.http(), numbered("pgae")));
    assert!(error.contains("GET n?pgae=10: the page has the same items as the previous page"), "{error}");
    let mut reader = pages::<u32, _>(&server.http(), numbered("pgae")).may_repeat().limit(99);
    assert_eq!(all(&mut reader).0.len(), 99);
}

#[test]
fn an_answer_that_is_not_a_page_ends_the_reading() {
    for (body, said) in [
        ("<html>", "the response is not JSON"),
        ("{\"fault\": 7}", "the response has nothing at `/list`"),
        ("{\"list\": {}}", "the response has no array at /list"),
        ("{\"list\": []}", "the response has nothing at `/next`, where the next page was expected"),
        ("{\"list\": [], \"next\": []}", "the response has `[]` at `/next`"),
    ] {
        let server = Server::default();
        server.faults([Fault::Body(body)]);
        let error = pages::<u32, _>(&server.http(), token("cursor", "/next")).read().unwrap_err();
        assert!(error.to_string().starts_with(&format!("GET n: {said}")), "{error}");
        assert!(matches!(error, HttpError::Page { .. }) && server.requests().len() == 1);
    }
    let server = Server::default();
    server.faults([Fault::Body("{\"list\": [1]}")]);
    assert_eq!(all(&mut pages::<u32, _>(&server.http(), token("cursor", "/next").may_be_absent())).0, [1]);
    let server = Server::numbers(100, 100);
    let error = refused(pages::<u32, _>(&server.http().longest_body(99), numbered("page")));
    assert!(
        error.contains("longer than 99 bytes: ask for smaller pages, or allow more with `longest_body`"),
        "{error}"
    );
}

#[test]
fn a_mistake_in_an_option_is_reported_before_anything_is_requested() {
    let server = Server::numbers(1, 1);
    let http = server.http();
    let told = [
        refused(pages::<u32, _>(&http.clone().retry(3, "soon"), numbered("page"))),
        refused(pages::<u32, _>(&http.clone().rate(0, "1s"), numbered("page"))),
        refused(pages::<u32, _>(&http.clone().header("x", "a\r\nb: c"), numbered("page"))),
        refused(pages::<u32, _>(&http, numbered("page").total("/total"))),
        refused(pages::<u32, _>(&http, numbered("page").size_is(1).total("total"))),
        refused(pages::<u32, _>(&http, numbered("page").size("limit", 0))),
        refused(http.get("n").items("list").pages::<u32, _>(link_header())),
        refused(pages::<u32, _>(&Http::new("api.test"), numbered("page"))),
        refused(pages::<u32, _>(&Http::new("http://me:pass@api.test"), numbered("page"))),
    ];
    assert!(told.iter().all(|told| told.starts_with("GET n: ")), "{told:#?}");
    assert!(told.iter().all(|told| !told.contains("pass@")), "{told:#?}");
    assert!(server.requests().is_empty());
    if !cfg!(feature = "http-tls") {
        let error = refused(pages::<u32, _>(&Http::new("https://api.test"), numbered("page")));
        assert!(error.contains("needs the feature `http-tls`"), "{error}");
    }
}

#[test]
fn an_item_of_which_a_part_would_be_lost_is_refused_and_the_next_is_read() {
    #[derive(Debug, serde::Deserialize)]
    struct Stay {
        arrives: jiff::civil::DateTime,
    }
    let stays = ["2024-01-31T10:00", "2024-01-31T10:00+02:00", "2024-02-01T10:00"];
    let server = Server::of(stays.map(|stay| format!(r#"{{"arrives": "{stay}"}}"#)), 2);
    let mut reader = pages::<Stay, _>(&server.http(), numbered("page"));
    assert_eq!(reader.read().unwrap().unwrap().arrives.day(), 31);
    let error = reader.read().unwrap_err();
    assert!(error.is_about_an_item());
    let message = error.to_string();
    assert!(
        message.contains("expected a date and time without an offset") && message.contains("arrives"),
        "{message}"
    );
    assert_eq!(reader.read().unwrap().unwrap().arrives.day(), 1);

    let server = Server::of([r#"{"a": 1, "a": 2}"#], 2);
    let message =
        pages::<serde_json::Value, _>(&server.http(), numbered("page")).read().unwrap_err().to_string();
    assert!(message.contains("duplicate field `a`, of which the item would keep only one"), "{message}");
}
