//! Finds, at compile time, the processor whose state a step's aggregator takes, and converts the stored states to the
//! aggregator's argument.

use std::marker::PhantomData;

use serde::Serialize;

use super::Json;
use super::message::{Message, same_text};
use crate::definition::{AggregatedProcessor, Failure, State};
use crate::exact_json;

/// A processor of a step with an aggregator.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Its name.
    pub name: &'static str,
    /// True if its state is the one that the aggregator takes.
    pub fits: bool,
    /// True if it has a stored state.
    pub stored: bool,
}

/// Compares the state `S` of a processor with the `P` that an aggregator takes.
#[derive(Debug)]
pub struct Keeps<S, P>(PhantomData<fn() -> (S, P)>);

impl<Same> Keeps<Same, Same> {
    /// The types are the same.
    pub const IT: bool = true;
}

/// Used for types without an inherent constant.
pub trait KeepsAnother {
    /// The types differ.
    const IT: bool = false;
}

impl<S, P> KeepsAnother for Keeps<S, P> {}

/// The processor whose state is the result of a partition.
#[must_use]
pub const fn keeper(processors: &[Keeping]) -> AggregatedProcessor {
    let at = next_that_fits(processors, 0);
    let Some(Keeping { name, stored, .. }) = at_index(processors, at) else {
        return AggregatedProcessor { name: "", before: 0, stored: false };
    };
    let (mut before, mut i) = (0, 0);
    while i < at {
        if processors[i].stored && same_text(processors[i].name, name) {
            before += 1;
        }
        i += 1;
    }
    AggregatedProcessor { name, before, stored }
}

/// Reports a step with an aggregator unless exactly one of its processors keeps the state that the aggregator takes.
#[must_use]
pub const fn no_keeper(step: &str, aggregator: &str, part: &str, processors: &[Keeping]) -> Option<Message> {
    let first = next_that_fits(processors, 0);
    let Some(one) = at_index(processors, first) else {
        let message = Message::of("aggregator `").and(aggregator).and("` takes a `").and(part);
        let message = message.and("` of each partition, and no processor of step `").and(step);
        let message = message.and("` keeps one; write `#[state] state: &mut ").and(part);
        return Some(message.and("` as an argument of the processor that counts or collects it"));
    };
    let Some(other) = at_index(processors, next_that_fits(processors, first + 1)) else { return None };
    let message = Message::of("aggregator `").and(aggregator).and("` takes a `").and(part);
    let message = message.and("` of each partition, and ");
    Some(if same_text(one.name, other.name) {
        let message = message.and("processor `").and(one.name).and("` occurs twice in step `").and(step);
        message.and(
            "` and keeps one each time; remove it in one place, or use a processor with its own state there",
        )
    } else {
        let message = message.and("processors `").and(one.name).and("` and `").and(other.name);
        let message = message.and("` of step `").and(step).and("` keep one each; give the state of `");
        message.and(other.name).and("` its own type: `struct Name(").and(part).and(");`")
    })
}

const fn next_that_fits(processors: &[Keeping], from: usize) -> usize {
    let mut at = from;
    while at < processors.len() && !processors[at].fits {
        at += 1;
    }
    at
}

const fn at_index(processors: &[Keeping], index: usize) -> Option<Keeping> {
    if index < processors.len() { Some(processors[index]) } else { None }
}

/// Parses the stored argument of an aggregator.
#[derive(Debug)]
pub struct Stored<P>(PhantomData<fn() -> P>);

impl<P> Stored<P> {
    /// The only value.
    pub const OF: Self = Self(PhantomData);
}

/// Types that may be the state of a processor.
pub trait AsState<P> {
    /// # Errors
    /// If the stored state has another type.
    fn part(&self, stored: Option<Json>) -> Result<P, Failure>;
}

impl<P: State> AsState<P> for Stored<P> {
    fn part(&self, stored: Option<Json>) -> Result<P, Failure> {
        let Some(stored) = stored else { return Ok(P::default()) };
        serde_json::from_str(stored.get()).map_err(|error| {
            Failure::new(format!(
                "the state stored by a partition does not fit its current type: {error}; restore the old type, or start a new instance with `--next`"
            ))
        })
    }
}

/// All other types. No processor keeps them, so a step whose aggregator takes one does not compile.
pub trait NoState<P> {
    /// # Errors
    /// Always.
    fn part(&self, stored: Option<Json>) -> Result<P, Failure>;
}

impl<P> NoState<P> for &Stored<P> {
    fn part(&self, _: Option<Json>) -> Result<P, Failure> {
        Err(Failure::new("no processor keeps a state of this type"))
    }
}

/// The value of an aggregator as JSON, for later steps.
///
/// # Errors
/// If the value cannot be serialised, or would be read back as another one.
pub fn left_json<V: Serialize>(value: &V) -> Result<String, Failure> {
    exact_json::to_string(value)
        .map_err(|error| Failure::new(format!("its value cannot be kept for later steps: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{
        AggregatedProcessor, AsState as _, Json, Keeping, Keeps, KeepsAnother as _, NoState as _, Stored,
        keeper, left_json,
    };
    use crate::definition::States;

    struct Plain;

    const fn keeping(name: &'static str, fits: bool, stored: bool) -> Keeping {
        Keeping { name, fits, stored }
    }

    #[test]
    fn a_state_is_known_by_its_type_under_any_alias() {
        type Count = u32;
        let found = [Keeps::<Count, u32>::IT, Keeps::<Option<u32>, u32>::IT];
        assert_eq!(found, [true, false]);
    }

    #[test]
    fn of_processors_with_the_same_name_the_one_with_the_matching_state_is_found() {
        let mut states = States::new();
        for (name, state) in [("count", 1), ("check", 2), ("count", 3)] {
            states.save(name, &state).unwrap();
        }
        let found = keeper(&[
            keeping("count", false, true),
            keeping("check", false, true),
            keeping("count", false, false),
            keeping("count", true, true),
        ]);
        assert_eq!(found, AggregatedProcessor { name: "count", before: 1, stored: true });
        assert_eq!(states.clone().of(found).unwrap().get(), "3");
        assert!(states.of(AggregatedProcessor { name: "sum", before: 0, stored: true }).is_none());
    }

    #[test]
    fn an_unstored_state_is_not_replaced_by_another_of_that_name() {
        let mut states = States::new();
        states.save("count", &1).unwrap();
        let found = keeper(&[keeping("count", true, false), keeping("count", false, true)]);
        assert_eq!(found, AggregatedProcessor { name: "count", before: 0, stored: false });
        assert!(states.of(found).is_none());
    }

    fn json(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_partition_without_a_state_counts_as_the_default() {
        assert_eq!(Stored::<u32>::OF.part(None).unwrap(), 0);
        assert_eq!(Stored::<u32>::OF.part(Some(json("7"))).unwrap(), 7);
        let refused = Stored::<u32>::OF.part(Some(json("\"seven\""))).unwrap_err().to_string();
        assert!(refused.contains("does not fit its current type"), "{refused}");
        assert!((&Stored::<Plain>::OF).part(None).is_err());
    }

    #[test]
    fn a_value_that_later_steps_would_read_as_another_one_is_refused() {
        assert_eq!(left_json(&u128::MAX).unwrap(), u128::MAX.to_string());
        let refused = left_json(&f64::NAN).unwrap_err().to_string();
        assert!(
            refused.contains("its value cannot be kept for later steps: JSON has no number for NaN"),
            "{refused}"
        );
    }
}
