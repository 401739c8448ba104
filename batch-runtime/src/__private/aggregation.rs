//! Receives: the states that the processors of a step keep, and what its aggregator takes. Gives: which of them that is, found
//! while the program compiles, and the states as the aggregator's argument.

use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value;

use super::message::{Message, same_text};
use crate::definition::{Failure, Keeper, State};

/// A processor of a step with an aggregator.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Its name.
    pub name: &'static str,
    /// Is its state what the aggregator takes?
    pub fits: bool,
    /// Has it a state that is stored?
    pub stored: bool,
}

/// Asks whether the state `S` of a processor is the `P` that an aggregator takes.
#[derive(Debug)]
pub struct Keeps<S, P>(PhantomData<fn() -> (S, P)>);

impl<Same> Keeps<Same, Same> {
    /// It is.
    pub const IT: bool = true;
}

/// Found where there is no constant of the type's own.
pub trait KeepsAnother {
    /// It is not.
    const IT: bool = false;
}

impl<S, P> KeepsAnother for Keeps<S, P> {}

/// The processor whose state is a partition's result.
#[must_use]
pub const fn keeper(processors: &[Keeping]) -> Keeper {
    let at = next_that_fits(processors, 0);
    let Some(Keeping { name, stored, .. }) = at_index(processors, at) else {
        return Keeper { name: "", before: 0, stored: false };
    };
    let (mut before, mut i) = (0, 0);
    while i < at {
        if processors[i].stored && same_text(processors[i].name, name) {
            before += 1;
        }
        i += 1;
    }
    Keeper { name, before, stored }
}

/// What is wrong with the aggregator of a step whose processors are these, where not one of them keeps what it takes.
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
        let message = message.and("processor `").and(one.name).and("` stands twice in step `").and(step);
        message.and("` and keeps one each time; leave it out at one place, or put a processor with a state of its own there")
    } else {
        let message = message.and("processors `").and(one.name).and("` and `").and(other.name);
        let message = message.and("` of step `").and(step).and("` keep one each; make the state of `");
        message.and(other.name).and("` a type of its own: `struct Name(").and(part).and(");`")
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

/// What an aggregator takes, read back from where it is stored.
#[derive(Debug)]
pub struct Stored<P>(PhantomData<fn() -> P>);

impl<P> Stored<P> {
    /// The question.
    pub const OF: Self = Self(PhantomData);
}

/// What may be the state of a processor.
pub trait AsState<P> {
    /// # Errors
    /// When what was stored is of another type.
    fn part(&self, stored: Option<Value>) -> Result<P, Failure>;
}

impl<P: State> AsState<P> for Stored<P> {
    fn part(&self, stored: Option<Value>) -> Result<P, Failure> {
        let Some(stored) = stored else { return Ok(P::default()) };
        serde_json::from_value(stored).map_err(|error| {
            Failure::new(format!(
                "the state that a partition stored is not of today's type: {error}; start a new instance (`--next`), or bring the old type back"
            ))
        })
    }
}

/// All else: no step compiles with an aggregator that takes it, as no processor keeps it.
pub trait NoState<P> {
    /// # Errors
    /// Always.
    fn part(&self, stored: Option<Value>) -> Result<P, Failure>;
}

impl<P> NoState<P> for &Stored<P> {
    fn part(&self, _: Option<Value>) -> Result<P, Failure> {
        Err(Failure::new("no processor keeps it"))
    }
}

/// What an aggregator returned, as it is left to later steps.
///
/// # Errors
/// When it does not serialise.
pub fn left_json<V: Serialize>(value: &V) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(Failure::new)
}

#[cfg(test)]
mod tests {
    use super::{AsState as _, Keeper, Keeping, Keeps, KeepsAnother as _, NoState as _, Stored, keeper};
    use crate::definition::States;

    struct Plain;

    const fn keeping(name: &'static str, fits: bool, stored: bool) -> Keeping {
        Keeping { name, fits, stored }
    }

    #[test]
    fn a_state_is_told_by_its_type_under_whatever_name() {
        type Count = u32;
        let found = [Keeps::<Count, u32>::IT, Keeps::<Option<u32>, u32>::IT];
        assert_eq!(found, [true, false]);
    }

    #[test]
    fn of_processors_with_one_name_the_state_of_the_one_that_fits_is_found() {
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
        assert_eq!(found, Keeper { name: "count", before: 1, stored: true });
        assert_eq!(states.clone().of(found), Some(3.into()));
        assert_eq!(states.of(Keeper { name: "sum", before: 0, stored: true }), None);
    }

    #[test]
    fn in_place_of_a_state_that_is_not_stored_no_other_of_that_name_is_taken() {
        let mut states = States::new();
        states.save("count", &1).unwrap();
        let found = keeper(&[keeping("count", true, false), keeping("count", false, true)]);
        assert_eq!(found, Keeper { name: "count", before: 0, stored: false });
        assert_eq!(states.of(found), None);
    }

    #[test]
    fn a_partition_without_a_state_stands_for_its_default() {
        assert_eq!(Stored::<u32>::OF.part(None).unwrap(), 0);
        assert_eq!(Stored::<u32>::OF.part(Some(7.into())).unwrap(), 7);
        let refused = Stored::<u32>::OF.part(Some("seven".into())).unwrap_err().to_string();
        assert!(refused.contains("not of today's type"), "{refused}");
        assert!((&Stored::<Plain>::OF).part(None).is_err());
    }
}
