//! The rules of `skip(..)`, `no_skip(..)` and `retry(..)` as constants, and the choice of the rule that
//! applies to an error.

use std::any::TypeId;
use std::error::Error;
use std::time::Duration;

use super::Failure;

/// The rules of a step, in the order of the source.
#[derive(Debug, Clone, Copy)]
pub struct FaultRules {
    /// `skip(..)` and `no_skip(..)`.
    pub skip: &'static [SkipRule],
    /// `retry(..)` and `no_retry(..)`.
    pub retry: &'static [RetryRule],
}

impl FaultRules {
    /// No rule: every error fails the step.
    pub const NONE: &'static Self = &Self { skip: &[], retry: &[] };
}

/// How specific a rule is: the more specific rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A function decides.
    Policy,
    /// All errors of a type.
    Type,
    /// One variant of an enum.
    Variant,
}

/// Returns the verdict of a rule about this one error, without its sources; `None` if the rule is about other errors.
/// `so_far` counts the items the step has skipped, or the repetitions of the call.
pub type Covers = fn(error: &(dyn Error + 'static), so_far: u64) -> Option<bool>;

/// `skip(ParseError, limit = 10)`, `no_skip(LoadError::Fatal)`, `skip(policy = lenient)`
#[derive(Debug, Clone, Copy)]
pub struct SkipRule {
    /// The error or policy, as the user wrote it.
    pub what: &'static str,
    /// The error's type; `None` for a policy.
    pub of: Option<fn() -> TypeId>,
    /// How specific the rule is.
    pub rank: Rank,
    /// Whether the rule covers an error.
    pub covers: Covers,
    /// False for `no_skip`.
    pub skips: bool,
    /// The number of items the step may skip, including this one; `None` for no limit.
    pub limit: Option<u64>,
}

/// `retry(Busy, limit = 3, backoff = fixed("1s"))`
#[derive(Debug, Clone, Copy)]
pub struct RetryRule {
    /// The error or policy, as the user wrote it.
    pub what: &'static str,
    /// The error's type; `None` for a policy.
    pub of: Option<fn() -> TypeId>,
    /// How specific the rule is.
    pub rank: Rank,
    /// Whether the rule covers an error.
    pub covers: Covers,
    /// False for `no_retry`.
    pub repeats: bool,
    /// The number of attempts after the first.
    pub limit: u32,
    /// The wait before each retry.
    pub backoff: Backoff,
}

/// The wait before a retry.
///
/// ```
/// use std::time::Duration;
/// use batch_runtime::definition::Backoff;
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
    /// No wait.
    None,
    /// The same wait each time.
    Fixed(Duration),
    /// A wait that doubles each time.
    Exponential {
        /// Before the first retry.
        first: Duration,
        /// The upper limit.
        max: Option<Duration>,
        /// Waits only a random part of that time, so that clients that failed together do not retry together: "full
        /// jitter" of "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        jitter: bool,
    },
}

impl Backoff {
    /// The wait before retry number `repeat`, counted from 0. `random` is in 0..1 and matters only with
    /// jitter.
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

/// The common part of skip rules and retry rules.
trait Rule {
    fn rank(&self) -> Rank;
    fn covers(&self) -> Covers;
    /// Returns whether the rule is a `no_..` rule.
    fn forbids(&self) -> bool;

    /// Orders rules that cover the same error.
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

/// Picks the rule that decides about an error and its sources, and returns it with its verdict. The most specific rule
/// decides. Among equally specific rules, the one that covers the outermost error decides; then a `no_..` rule before
/// others; then the first. A rule about [`Failure`] itself, which carries every error, decides only if no other rule
/// does.
fn deciding<'r, R: Rule>(rules: &'r [R], failure: &Failure, so_far: u64) -> Option<(&'r R, bool)> {
    let decides = |error: &(dyn Error + 'static)| {
        rules
            .iter()
            .filter_map(|rule| Some((rule, (rule.covers())(error, so_far)?)))
            .reduce(|best, next| if next.0.narrowness() > best.0.narrowness() { next } else { best })
    };
    let of_cause = failure.inspect(|error| {
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

impl FaultRules {
    /// The rule that skips the error after `so_far` skipped items; `None` if it must not be skipped.
    pub(crate) fn skipped_by(&self, failure: &Failure, so_far: u64) -> Option<&'static SkipRule> {
        #[cfg(feature = "remote-chunks")]
        if let Some(error) = failure.as_received() {
            let (number, says) = error.rule?;
            return self.skip.get(number).filter(|rule| says && rule.skips);
        }
        match deciding(self.skip, failure, so_far)? {
            (rule, true) if rule.skips => Some(rule),
            _ => None,
        }
    }

    /// The number of the skip rule that decides about an error, and the verdict of the rule. No policy is asked: a step
    /// with `remote` has none.
    #[cfg(feature = "remote-chunks")]
    pub(crate) fn rule_for(&self, failure: &Failure) -> Option<(usize, bool)> {
        let (rule, says) = deciding(self.skip, failure, 0)?;
        let number = self.skip.iter().position(|other| std::ptr::eq(other, rule))?;
        Some((number, says))
    }

    /// The rule that retries a failed call after `repeated` repetitions.
    pub(crate) fn repeated_by(&self, failure: &Failure, repeated: u32) -> Option<&'static RetryRule> {
        match deciding(self.retry, failure, u64::from(repeated))? {
            (rule, true) if rule.repeats && repeated < rule.limit => Some(rule),
            _ => None,
        }
    }

    /// A type that a rule names and that appears in the error's debug text although it is not among the error's
    /// sources: a surrounding `#[error(transparent)]` hides it.
    pub(crate) fn hidden_in(&self, failure: &Failure) -> Option<&'static str> {
        #[cfg(feature = "remote-chunks")]
        if let Some(error) = failure.as_received() {
            let hidden = error.hidden.as_deref()?;
            let named =
                (self.skip.iter().map(|rule| rule.what)).chain(self.retry.iter().map(|rule| rule.what));
            return named.map(last_name).find(|name| *name == hidden);
        }
        let by_type = |what: &'static str, rank: Rank| (rank == Rank::Type).then(|| last_name(what));
        let mut named = (self.skip.iter().filter_map(|rule| by_type(rule.what, rule.rank)))
            .chain(self.retry.iter().filter_map(|rule| by_type(rule.what, rule.rank)))
            .peekable();
        named.peek()?;
        let shown = failure.inspect(|error| format!("{error:?}"));
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
        FaultRules { skip: rules, retry: &[] }.skipped_by(&Failure::new(error), 0).is_some()
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
    fn of_two_rules_about_one_error_the_forbidding_one_decides() {
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
        const RULES: FaultRules = FaultRules {
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
    fn a_rule_that_forbids_a_retry_follows_the_same_order() {
        const fn retry(rank: Rank, covers: Covers, repeats: bool) -> RetryRule {
            RetryRule { what: "it", of: None, rank, covers, repeats, limit: 3, backoff: Backoff::None }
        }
        const RULES: FaultRules = FaultRules {
            skip: &[],
            retry: &[retry(Rank::Type, LOAD, true), retry(Rank::Variant, BAD, false)],
        };
        assert!(RULES.repeated_by(&Failure::new(Load::Bad), 0).is_none());
        assert!(RULES.repeated_by(&Failure::new(io()), 0).is_some());
    }

    #[test]
    fn a_rule_about_the_failure_itself_decides_if_no_other_does() {
        const FAILURE: Covers = |error, _| error.downcast_ref::<Failure>().map(|it| it.component().is_none());
        let rules = const { &[skip(Rank::Policy, FAILURE, true), skip(Rank::Type, LOAD, false)] };
        let faults = FaultRules { skip: rules, retry: &[] };
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
    fn a_backoff_never_overflows() {
        let max = Duration::from_secs(9);
        let backoff = Backoff::Exponential { first: Duration::from_secs(2), max: Some(max), jitter: false };
        assert_eq!(backoff.delay(4_000_000, 0.0), max);
    }
}
