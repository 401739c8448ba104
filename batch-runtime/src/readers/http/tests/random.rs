//! Random faults that end within the limit of attempts, and random restarts, change nothing.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{HttpError, after, link_header, next_link, numbered, offset, token};
use super::*;

/// The number of attempts after the first.
const LIMIT: u32 = 2;

fn faults() -> impl Strategy<Value = Vec<Option<Fault>>> {
    let fault = prop_oneof![
        (prop::sample::select(vec![408, 429, 500, 502, 503, 504]), prop::option::of(Just("2")))
            .prop_map(|(status, after)| Fault::Status(status, after)),
        (0..40_usize).prop_map(Fault::BrokenOff),
        (0..40_usize).prop_map(Fault::CutOff),
        Just(Fault::NoConnection),
    ];
    // Never more faults in a row than there are retries.
    let some = vec(fault, 0..=LIMIT as usize);
    vec(some, 0..20)
        .prop_map(|rows| rows.into_iter().flat_map(|row| row.into_iter().map(Some).chain([None])).collect())
}

/// Reads everything, with a restart after this many outcomes each; an error about an item is an outcome.
fn outcomes<S: PageStyle<u32>>(open: impl Fn() -> HttpPages<u32, S>, restarts: &[usize]) -> Vec<String> {
    let (mut outcomes, mut reader) = (Vec::new(), open());
    let mut restarts = restarts.iter();
    let mut left = restarts.next().copied();
    loop {
        if left == Some(0) {
            let position = serde_json::to_string(&reader.position()).unwrap();
            reader = open();
            reader.resume(serde_json::from_str(&position).unwrap()).unwrap();
            left = restarts.next().copied();
        }
        match reader.read() {
            Ok(Some(item)) => outcomes.push(item.to_string()),
            Ok(None) => return outcomes,
            Err(error @ HttpError::Item { .. }) => outcomes.push(reader.record(&error).unwrap()),
            Err(error) => panic!("{error}"),
        }
        left = left.map(|left| left.saturating_sub(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_items_come_once_and_in_order(
        is_bad in vec(prop::bool::weighted(0.1), 0..30),
        size in 1..7_usize,
        faults in faults(),
        restarts in vec(1..9_usize, 0..9),
    ) {
        let item = |(number, is_bad): (usize, &bool)| if *is_bad { format!("\"{number}\"") } else { number.to_string() };
        let items: Vec<String> = is_bad.iter().enumerate().map(item).collect();
        let limit = u32::try_from(size).unwrap();
        let served = || {
            let server = Server::of(&items, size);
            server.served().faults.extend(faults.clone());
            server.http().retry(LIMIT, "30s")
        };
        let http = served();
        prop_assert_eq!(&outcomes(|| pages(&http, numbered("page")), &restarts), &items);
        let http = served();
        let counted = || numbered("page").size("limit", limit).total("/total");
        prop_assert_eq!(&outcomes(|| pages(&http, counted()), &restarts), &items);
        let http = served();
        prop_assert_eq!(&outcomes(|| pages(&http, offset("start", "limit").size(limit)), &restarts), &items);
        let http = served();
        prop_assert_eq!(&outcomes(|| pages(&http, token("cursor", "/next")), &restarts), &items);
        let http = served();
        prop_assert_eq!(&outcomes(|| pages(&http, next_link("/link")), &restarts), &items);
        let http = served();
        prop_assert_eq!(&outcomes(|| pages(&http, link_header()), &restarts), &items);
        // `after` cannot get past a page on which no item has a key.
        if !is_bad.windows(size).any(|page| page.iter().all(|is_bad| *is_bad)) {
            let http = served();
            let by_key = || after("since", |number: &u32| *number).size("limit", limit);
            prop_assert_eq!(&outcomes(|| pages(&http, by_key()), &restarts), &items);
        }
    }
}
