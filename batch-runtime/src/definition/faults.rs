//! Receives: what `skip(..)`, `no_skip(..)` and `retry(..)` of a step name. Gives: the rules as constants, and the one that an
//! error falls under.

use std::any::TypeId;
use std::error::Error;
use std::time::Duration;

use super::Failure;

/// The rules of a step, in the order in which they are written.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// `skip(..)` and `no_skip(..)`.
    pub skip: &'static [SkipRule],
    /// `retry(..)` and `no_retry(..)`.
    pub retry: &'static [RetryRule],
}

impl Faults {
    /// No rule: every error fails the step.
    pub const NONE: &'static Self = &Self { skip: &[], retry: &[] };
}

/// How narrowly a rule names its errors: the narrower rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A function that is asked.
    Policy,
    /// All errors of a type.
    Type,
    /// One variant of an enum.
    Variant,
}

/// Does the rule cover this one error (its sources apart), and what does it say? The number is how many items the step has
/// skipped, or how often the call was repeated, so far. `None` where the rule is about other errors.
pub type Covers = fn(error: &(dyn Error + 'static), so_far: u64) -> Option<bool>;

/// `skip(ParseError, limit = 10)`, `no_skip(LoadError::Fatal)`, `skip(policy = lenient)`
#[derive(Debug, Clone, Copy)]
pub struct SkipRule {
    /// What it names, as the user wrote it.
    pub what: &'static str,
    /// The error's type; `None` for a policy.
    pub of: Option<fn() -> TypeId>,
    /// How narrowly.
    pub rank: Rank,
    /// Which errors it is about.
    pub covers: Covers,
    /// False for `no_skip`.
    pub skips: bool,
    /// How many items the step may have skipped, this one included; `None` for any number.
    pub limit: Option<u64>,
}

/// `retry(Busy, limit = 3, backoff = fixed("1s"))`
#[derive(Debug, Clone, Copy)]
pub struct RetryRule {
    /// What it names, as the user wrote it.
    pub what: &'static str,
    /// The error's type; `None` for a policy.
    pub of: Option<fn() -> TypeId>,
    /// How narrowly.
    pub rank: Rank,
    /// Which errors it is about.
    pub covers: Covers,
    /// False for `no_retry`.
    pub repeats: bool,
    /// How many attempts follow the first.
    pub limit: u32,
    /// How long to wait before each.
    pub backoff: Backoff,
}

/// How long to wait before an attempt is repeated.
///
/// ```
/// use std::time::Duration;
/// use batch_runtime::Backoff;
///
/// let backoff = Backoff::Exponential {
///     first: Duration::from_millis(100),
///     max: Some(Duration::from_secs(1)),
///     jitter: false,
/// };
/// let waits: Vec<u128> = (0..5).map(|repeat| backoff.delay(repeat, 1.0).as_millis()).collect();
/// assert_eq!(waits, [100, 200, 400, 800, 1000]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    None,
    /// Always as long.
    Fixed(Duration),
    /// Twice as long each time.
    Exponential {
        /// Before the first repetition.
        first: Duration,
        /// Never longer than this.
        max: Option<Duration>,
        /// A random part of it only, so that clients that failed together do not come back together: "full jitter" of
        /// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        jitter: bool,
    },
}

impl Backoff {
    /// The wait before repetition number `repeat`, from 0; `random` is in 0..1 and counts with jitter only.
    #[must_use]
    pub fn delay(self, repeat: u32, random: f64) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(delay) => delay,
            Self::Exponential { first, max, jitter } => {
                let factor = 1_u32.checked_shl(repeat).unwrap_or(u32::MAX);
                let delay = first.saturating_mul(factor).min(max.unwrap_or(Duration::MAX));
                if jitter { delay.mul_f64(random.clamp(0.0, 1.0)) } else { delay }
            }
        }
    }
}

/// What stands in a rule: a rule of either kind.
trait Rule {
    fn rank(&self) -> Rank;
    fn covers(&self) -> Covers;
    /// Does it forbid?
    fn forbids(&self) -> bool;

    /// What decides between rules about one error.
    fn narrowness(&self) -> (Rank, bool) {
        (self.rank(), self.forbids())
    }
}

impl Rule for SkipRule {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn covers(&self) -> Covers {
        self.covers
    }

    fn forbids(&self) -> bool {
        !self.skips
    }
}

impl Rule for RetryRule {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn covers(&self) -> Covers {
        self.covers
    }

    fn forbids(&self) -> bool {
        !self.repeats
    }
}

/// The rule that decides about an error and its sources, and what it says: the narrowest; of two as narrow that which
/// covers the outermost error; of these one that forbids; of these the first. A rule about the [`Failure`] itself, which
/// carries every error, decides where no other does.
fn deciding<'r, R: Rule>(rules: &'r [R], failure: &Failure, so_far: u64) -> Option<(&'r R, bool)> {
    let decides = |error: &(dyn Error + 'static)| {
        rules
            .iter()
            .filter_map(|rule| Some((rule, (rule.covers())(error, so_far)?)))
            .reduce(|best, next| if next.0.narrowness() > best.0.narrowness() { next } else { best })
    };
    let of_cause = failure.look(|error| {
        let mut found: Option<(&R, bool)> = None;
        let mut next = Some(error);
        while let Some(error) = next {
            next = error.source();
            if let Some((rule, says)) = decides(error)
                && found.is_none_or(|(other, _)| rule.rank() > other.rank())
            {
                found = Some((rule, says));
            }
        }
        found
    });
    of_cause.or_else(|| decides(failure))
}

impl Faults {
    /// The rule by which the error is skipped, once `so_far` items are; `None` where it is not to be skipped.
    pub(crate) fn skipped_by(&self, failure: &Failure, so_far: u64) -> Option<&'static SkipRule> {
        match deciding(self.skip, failure, so_far)? {
            (rule, true) if rule.skips => Some(rule),
            _ => None,
        }
    }

    /// The rule by which a call that failed is repeated, once it was `repeated` so often.
    pub(crate) fn repeated_by(&self, failure: &Failure, repeated: u32) -> Option<&'static RetryRule> {
        match deciding(self.retry, failure, u64::from(repeated))? {
            (rule, true) if rule.repeats && repeated < rule.limit => Some(rule),
            _ => None,
        }
    }

    /// The type that a rule names and that shows in the error although it is not among its sources: an error around it that
    /// is `#[error(transparent)]` hides it.
    pub(crate) fn hidden_in(&self, failure: &Failure) -> Option<&'static str> {
        let by_type = |what: &'static str, rank: Rank| (rank == Rank::Type).then(|| last_name(what));
        let mut named = (self.skip.iter().filter_map(|rule| by_type(rule.what, rule.rank)))
            .chain(self.retry.iter().filter_map(|rule| by_type(rule.what, rule.rank)))
            .peekable();
        named.peek()?;
        let shown = failure.look(|error| format!("{error:?}"));
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        named.find(|name| shown.split(|letter| !is_part(letter)).any(|word| word == *name))
    }
}

/// `Error` of `io::Error`
fn last_name(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    enum Load {
        Bad,
        Io(std::io::Error),
    }

    impl fmt::Display for Load {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("load")
        }
    }

    impl Error for Load {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            match self {
                Self::Bad => None,
                Self::Io(error) => Some(error),
            }
        }
    }

    const LOAD: Covers = |error, _| error.is::<Load>().then_some(true);
    const BAD: Covers =
        |error, _| error.downcast_ref::<Load>().is_some_and(|it| matches!(it, Load::Bad)).then_some(true);
    const IO: Covers = |error, _| error.is::<std::io::Error>().then_some(true);

    const fn skip(rank: Rank, covers: Covers, skips: bool) -> SkipRule {
        SkipRule { what: "it", of: None, rank, covers, skips, limit: None }
    }

    fn is_skipped(rules: &'static [SkipRule], error: Load) -> bool {
        Faults { skip: rules, retry: &[] }.skipped_by(&Failure::new(error), 0).is_some()
    }

    fn io() -> Load {
        Load::Io(std::io::Error::other("gone"))
    }

    #[test]
    fn a_source_is_matched_as_well() {
        assert!(is_skipped(const { &[skip(Rank::Type, IO, true)] }, io()));
        assert!(!is_skipped(const { &[skip(Rank::Type, IO, true)] }, Load::Bad));
    }

    #[test]
    fn a_variant_decides_before_its_type_whichever_is_written_first() {
        assert!(!is_skipped(
            const { &[skip(Rank::Type, LOAD, true), skip(Rank::Variant, BAD, false)] },
            Load::Bad
        ));
        assert!(!is_skipped(
            const { &[skip(Rank::Variant, BAD, false), skip(Rank::Type, LOAD, true)] },
            Load::Bad
        ));
        assert!(is_skipped(
            const { &[skip(Rank::Type, LOAD, false), skip(Rank::Variant, BAD, true)] },
            Load::Bad
        ));
    }

    #[test]
    fn the_outermost_of_two_errors_decides() {
        assert!(!is_skipped(const { &[skip(Rank::Type, IO, true), skip(Rank::Type, LOAD, false)] }, io()));
        assert!(is_skipped(const { &[skip(Rank::Type, IO, false), skip(Rank::Type, LOAD, true)] }, io()));
    }

    #[test]
    fn of_two_rules_about_one_error_that_which_forbids_decides() {
        assert!(!is_skipped(
            const { &[skip(Rank::Type, LOAD, true), skip(Rank::Type, LOAD, false)] },
            Load::Bad
        ));
        assert!(!is_skipped(
            const { &[skip(Rank::Type, LOAD, false), skip(Rank::Type, LOAD, true)] },
            Load::Bad
        ));
    }

    #[test]
    fn a_retry_ends_at_its_limit() {
        const RULES: Faults = Faults {
            skip: &[],
            retry: &[RetryRule {
                what: "Load",
                of: None,
                rank: Rank::Type,
                covers: LOAD,
                repeats: true,
                limit: 2,
                backoff: Backoff::None,
            }],
        };
        let failure = Failure::new(Load::Bad);
        let repeats: Vec<bool> = (0..4).map(|so_far| RULES.repeated_by(&failure, so_far).is_some()).collect();
        assert_eq!(repeats, [true, true, false, false]);
    }

    #[test]
    fn what_forbids_a_retry_decides_by_the_same_order() {
        const fn retry(rank: Rank, covers: Covers, repeats: bool) -> RetryRule {
            RetryRule { what: "it", of: None, rank, covers, repeats, limit: 3, backoff: Backoff::None }
        }
        const RULES: Faults =
            Faults { skip: &[], retry: &[retry(Rank::Type, LOAD, true), retry(Rank::Variant, BAD, false)] };
        assert!(RULES.repeated_by(&Failure::new(Load::Bad), 0).is_none());
        assert!(RULES.repeated_by(&Failure::new(io()), 0).is_some());
    }

    #[test]
    fn a_rule_about_the_failure_itself_decides_where_no_other_does() {
        const FAILURE: Covers = |error, _| error.downcast_ref::<Failure>().map(|it| it.component().is_none());
        let rules = const { &[skip(Rank::Policy, FAILURE, true), skip(Rank::Type, LOAD, false)] };
        let faults = Faults { skip: rules, retry: &[] };
        assert!(faults.skipped_by(&Failure::new("a text"), 0).is_some());
        assert!(faults.skipped_by(&Failure::new("a text").in_component("late"), 0).is_none());
        assert!(faults.skipped_by(&Failure::new(Load::Bad), 0).is_none());
    }

    #[test]
    fn full_jitter_takes_a_random_part_of_the_wait() {
        let backoff = Backoff::Exponential { first: Duration::from_secs(2), max: None, jitter: true };
        assert_eq!(backoff.delay(1, 0.25), Duration::from_secs(1));
    }

    #[test]
    fn a_backoff_of_any_number_of_repeats_is_no_overflow() {
        let max = Duration::from_secs(9);
        let backoff = Backoff::Exponential { first: Duration::from_secs(2), max: Some(max), jitter: false };
        assert_eq!(backoff.delay(4_000_000, 0.0), max);
    }
}
