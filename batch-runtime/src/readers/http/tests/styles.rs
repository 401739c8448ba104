use super::super::{after, link_header, next_link, numbered, offset, token};
use super::*;
use crate::definition::{Progress, Splittable};
use crate::readers::ReaderExt as _;
use crate::readers::tests::{restarts_everywhere, splits_everywhere};

#[test]
fn every_style_reads_every_item_once_and_restarts_after_each() {
    for (count, size) in [(0, 3), (1, 3), (6, 3), (7, 3), (7, 1)] {
        let expected: Vec<usize> = (0..count).collect();
        let server = Server::numbers(count, size);
        let http = server.http();
        let limit = u32::try_from(size).unwrap();
        restarts_everywhere(|| pages(&http, numbered("page")), &expected);
        restarts_everywhere(
            || pages(&http, numbered("page").size("limit", limit).total("/total")),
            &expected,
        );
        restarts_everywhere(|| pages(&http, numbered("page").total_pages("/total")).limit(7), &expected);
        restarts_everywhere(|| pages(&http, offset("start", "limit").size(limit)), &expected);
        restarts_everywhere(
            || pages(&http, offset("start", "limit").size(limit).total("/total")).prefetch(4),
            &expected,
        );
        restarts_everywhere(|| pages(&http, token("cursor", "/next").size("limit", limit)), &expected);
        restarts_everywhere(|| pages(&http, next_link("/link")), &expected);
        restarts_everywhere(|| pages(&http, link_header()), &expected);
        restarts_everywhere(|| pages(&http, after("since", |number: &usize| *number)), &expected);
    }
}

#[test]
fn numbered_pages_and_offsets_with_a_total_are_split() {
    for (count, size) in [(0, 3), (6, 3), (7, 3), (23, 2)] {
        let http = Server::numbers(count, size).http();
        let limit = u32::try_from(size).unwrap();
        splits_everywhere(|| pages::<usize, _>(&http, numbered("page").size_is(limit).total("/total")));
        splits_everywhere(|| {
            pages::<usize, _>(&http, offset("start", "limit").size(limit).total("/total")).prefetch(2)
        });
    }
}

#[test]
fn no_page_is_requested_twice_and_none_after_the_last_if_that_is_known() {
    let requests = |count: usize, read: &dyn Fn(&Http)| {
        let server = Server::numbers(count, 3);
        read(&server.http());
        server.requests()
    };
    let counted = numbered("page").size("limit", 3).total("/total");
    assert_eq!(
        requests(6, &|http| drop(all(&mut pages::<u32, _>(http, counted.clone())))),
        ["/v1/n?page=0&limit=3", "/v1/n?page=1&limit=3"]
    );
    assert_eq!(
        requests(6, &|http| drop(all(&mut pages::<u32, _>(http, numbered("page"))))),
        ["/v1/n?page=0", "/v1/n?page=1", "/v1/n?page=2"]
    );
    assert_eq!(
        requests(4, &|http| drop(all(&mut pages::<u32, _>(http, token("cursor", "/next"))))),
        ["/v1/n", "/v1/n?cursor=3"]
    );
    assert_eq!(
        requests(4, &|http| drop(all(&mut pages::<u32, _>(http, link_header())))),
        ["/v1/n", "/v1/n?cursor=3"]
    );
    let by_key = |http: &Http| drop(all(&mut pages(http, after("since", |number: &u32| *number).from(0))));
    assert_eq!(requests(4, &by_key), ["/v1/n?since=0", "/v1/n?since=3"]);
}

#[test]
fn the_total_is_asked_for_once_and_kept_with_the_parts() {
    let server = Server::numbers(20, 2);
    let open = || pages::<u32, _>(&server.http(), numbered("page").size_is(2).total("/total"));
    let parts = open().split(5).unwrap();
    assert_eq!((server.requests().len(), parts.len()), (1, 5));
    server.served().items.push("20".into());
    let mut part = open();
    part.narrow(parts[4].clone()).unwrap();
    let (items, error) = all(&mut part);
    let error = error.unwrap().to_string();
    assert!(items.is_empty(), "{items:?}");
    assert!(
        error.starts_with("GET n?page=8: the total was 20 and is now 21: the pages have changed"),
        "{error}"
    );
    assert!(error.contains("start a new instance (`--next`), or allow it with `may_grow()`"), "{error}");
}

#[test]
fn a_total_that_may_grow_leaves_what_is_added_to_the_next_instance() {
    let server = Server::numbers(5, 2);
    let mut reader = pages::<u32, _>(&server.http(), numbered("page").size_is(2).total("/total").may_grow());
    assert_eq!(reader.read().unwrap(), Some(0));
    server.served().items.extend(["5".into(), "6".into()]);
    assert_eq!(all(&mut reader).0, [1, 2, 3, 4]);
    server.served().items.clear();
    let mut reader = pages::<u32, _>(&server.http(), numbered("page").size_is(2).total("/total").may_grow());
    server.served().items.push("1".into());
    reader.read().unwrap();
    server.served().items.clear();
}

#[test]
fn progress_is_in_pages_and_a_place_names_the_request_and_the_item() {
    let http = Server::numbers(5, 2).http();
    let mut reader = pages::<u32, _>(&http, numbered("page").from(0).size_is(2).total("/total"));
    assert_eq!(reader.location().as_deref(), Some("GET n"));
    assert_eq!(reader.progress(), None);
    for (place, done) in
        [("GET n?page=0, item 1", 0), ("GET n?page=0, item 2", 1), ("GET n?page=1, item 1", 1)]
    {
        reader.read().unwrap();
        assert_eq!(reader.location().as_deref(), Some(place));
        assert_eq!(reader.progress(), Some(Progress { done, total: 3 }));
    }
    assert_eq!(HttpPages::<u32>::kind(), "HttpPages<Numbered>");
}

#[test]
fn rows_that_come_and_go_between_requests_lose_nothing_with_a_key() {
    let server = Server::numbers(10, 3);
    let mut reader = pages(&server.http(), after("since", |number: &u32| *number));
    let mut items = Vec::new();
    for step in 0..5 {
        items.extend(reader.read().unwrap());
        // A row that was read disappears.
        server.served().items.retain(|item| *item != (step / 2).to_string() || step > 2);
    }
    let position = serde_json::to_string(&reader.position()).unwrap();
    let mut restarted = pages(&server.http(), after("since", |number: &u32| *number));
    restarted.resume(serde_json::from_str(&position).unwrap()).unwrap();
    items.extend(all(&mut restarted).0);
    assert_eq!(items, (0..10).collect::<Vec<u32>>());
}
