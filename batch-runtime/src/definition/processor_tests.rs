//! Tests of processor functions, which take one item at a time or a chunk at a time.

use serde::{Deserialize, Serialize};

use super::{BulkFn, Failure, Fallible, Many, Maybe, One, Process, ProcessorFn, Several, Sink, States, Then};

/// Keeps each item with the number of the item it stems from.
struct Chunk<T> {
    items: Vec<(u32, T)>,
    source: u32,
}

impl<T> Chunk<T> {
    fn new() -> Self {
        Self { items: Vec::new(), source: 0 }
    }
}

impl<T> Sink<T> for Chunk<T> {
    fn push(&mut self, item: T) -> Result<(), Failure> {
        self.items.push((self.source, item));
        Ok(())
    }

    fn source(&self) -> u32 {
        self.source
    }

    fn set_source(&mut self, source: u32) {
        self.source = source;
    }
}

fn feed<In, P: Process<In>>(
    processor: &mut P,
    items: impl IntoIterator<Item = In>,
) -> Result<Vec<(u32, P::Out)>, Failure> {
    let mut chunk = Chunk::new();
    for (source, item) in (0..).zip(items) {
        chunk.source = source;
        processor.process(item, &mut chunk)?;
    }
    processor.flush(&mut chunk)?;
    Ok(chunk.items)
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen(u32);

#[test]
fn an_item_may_become_one_none_or_many() {
    let mut one = ProcessorFn::<(), _, One>::new("one", |(), item: u32| Ok(item + 1));
    assert_eq!(feed(&mut one, [1, 2]).unwrap(), [(0, 2), (1, 3)]);

    let mut maybe =
        ProcessorFn::<(), _, Maybe>::new("even", |(), n: u32| Ok(n.is_multiple_of(2).then_some(n)));
    assert_eq!(feed(&mut maybe, [1, 2]).unwrap(), [(1, 2)]);

    let mut many = ProcessorFn::<(), _, Several>::new("times", |(), n: u32| Ok(Many(0..n)));
    assert_eq!(feed(&mut many, [0, 2]).unwrap(), [(1, 0), (1, 1)]);
}

#[test]
fn an_option_or_a_vec_may_be_the_item() {
    let mut one = ProcessorFn::<(), _, One>::new("one", |(), n: u8| Ok(Some(vec![n])));
    assert_eq!(feed(&mut one, [7]).unwrap(), [(0, Some(vec![7]))]);
}

#[test]
fn a_failure_names_the_processor() {
    let mut processor =
        ProcessorFn::<(), _, One>::new("late", |(), _: u32| Err::<u32, _>(Failure::new("no such carrier")));
    let failure = feed(&mut processor, [1]).unwrap_err();
    assert_eq!(failure.to_string(), "processing in `late`: no such carrier");
}

#[test]
fn a_failure_after_a_processor_keeps_its_own_name() {
    let first = ProcessorFn::<(), _, One>::new("first", |(), n: u32| Ok(n));
    let second =
        ProcessorFn::<(), _, One>::new("second", |(), _: u32| Err::<u32, _>(Failure::new("too late")));
    let failure = feed(&mut Then::new(first, second), [1]).unwrap_err();
    assert_eq!(failure.component(), Some("second"));
}

#[test]
fn state_goes_through_the_checkpoint() {
    let number = |seen: &mut Seen, _: char| {
        seen.0 += 1;
        Ok(seen.0)
    };
    let mut processor = ProcessorFn::<Seen, _, One>::new("number", number);
    feed(&mut processor, ['a', 'b']).unwrap();
    let mut states = States::new();
    processor.save(&mut states).unwrap();

    let mut states = serde_json::from_str::<States>(&serde_json::to_string(&states).unwrap()).unwrap();
    let mut restarted = ProcessorFn::<Seen, _, One>::new("number", number);
    restarted.restore(&mut states).unwrap();
    assert_eq!(feed(&mut restarted, ['c']).unwrap(), [(0, 3)]);
}

#[test]
fn a_processor_without_state_adds_nothing_to_the_checkpoint() {
    let mut states = States::new();
    ProcessorFn::<(), _, One>::new("plain", |(), n: u32| Ok(n)).save(&mut states).unwrap();
    BulkFn::<u32, (), _, One>::new("bulk", |(), n: &[u32]| Ok(n.to_vec())).save(&mut states).unwrap();
    assert!(states.is_empty());
}

#[test]
fn a_bulk_processor_sees_the_chunk_at_once_and_keeps_the_sources() {
    let filtered = ProcessorFn::<(), _, Maybe>::new("odd", |(), n: u32| Ok((n % 2 == 1).then_some(n)));
    let total = BulkFn::<u32, Seen, _, One>::new("share", |seen: &mut Seen, items: &[u32]| {
        seen.0 += 1;
        let total: u32 = items.iter().sum();
        Ok(items.iter().map(|item| (*item, total)).collect())
    });
    let mut pipe = Then::new(filtered, total);
    assert_eq!(feed(&mut pipe, [1, 2, 3]).unwrap(), [(0, (1, 4)), (2, (3, 4))]);
    assert_eq!(pipe_calls(&pipe), 1);
}

fn pipe_calls<In, P: Process<In>>(pipe: &P) -> u32 {
    let mut states = States::new();
    pipe.save(&mut states).unwrap();
    states.restore::<Seen>("share").unwrap().0
}

#[test]
fn a_bulk_processor_may_filter_and_fail_item_by_item() {
    let mut processor = BulkFn::<u32, (), _, Fallible<Maybe>>::new("check", |(), items: &[u32]| {
        Ok(items
            .iter()
            .map(|item| match item {
                0 => Err(Failure::new("zero")),
                1 => Ok(None),
                item => Ok(Some(*item)),
            })
            .collect())
    });
    assert_eq!(feed(&mut processor, [1, 2]).unwrap(), [(1, 2)]);

    let mut chunk = Chunk::new();
    for (source, item) in [(0, 5), (1, 0), (2, 6)] {
        chunk.source = source;
        processor.process(item, &mut chunk).unwrap();
    }
    let failure = processor.flush(&mut chunk).unwrap_err();
    assert_eq!(failure.to_string(), "processing in `check`: zero");
    assert_eq!(chunk.source(), 1, "the sink knows which item failed");
    assert_eq!(feed(&mut processor, [3]).unwrap(), [(0, 3)], "nothing of the failed chunk comes out");
}

#[test]
fn a_wrong_number_of_outcomes_is_a_failure_that_names_both() {
    let mut processor = BulkFn::<u32, (), _, One>::new("share", |(), items: &[u32]| Ok(items[1..].to_vec()));
    let failure = feed(&mut processor, [1, 2, 3]).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "processing in `share`: it received 3 items and returned 2 outcomes; return one for each item, in order"
    );
}

#[test]
fn a_bulk_processor_is_not_called_for_an_empty_chunk() {
    let mut processor = BulkFn::<u32, (), _, One>::new("never", |(), _: &[u32]| {
        Err::<Vec<u32>, _>(Failure::new("called with nothing"))
    });
    assert_eq!(feed(&mut processor, []).unwrap(), []);
}

#[test]
fn restoring_drops_the_items_of_a_rolled_back_chunk() {
    let mut processor = BulkFn::<u32, (), _, One>::new("same", |(), items: &[u32]| Ok(items.to_vec()));
    processor.process(1, &mut Chunk::new()).unwrap();
    processor.restore(&mut States::new()).unwrap();
    assert_eq!(feed(&mut processor, [2]).unwrap(), [(0, 2)]);
}
