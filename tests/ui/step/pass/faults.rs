use std::error::Error;
use std::fmt;

use batch_runtime::prelude::*;
use batch_runtime::StepDefinition as _;
use batch_runtime::__private::{Backoff, Rank};
use std::time::Duration;

#[derive(Clone)]
struct Order {
    number: u32,
}

mod errors {
    use std::fmt;

    #[derive(Debug)]
    pub enum LoadError {
        BadRow { line: u32 },
        Code(u32),
        Timeout,
    }

    impl fmt::Display for LoadError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl std::error::Error for LoadError {}
}

use errors::LoadError;

#[derive(Debug)]
struct Busy {
    seconds: u32,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "busy for {} seconds", self.seconds)
    }
}

impl Error for Busy {}

#[derive(Debug)]
struct Wrapped<T>(T);

impl<T> fmt::Display for Wrapped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl<T: fmt::Debug> Error for Wrapped<T> {}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Seen {
    count: u32,
}

#[reader]
fn orders() -> impl Iterator<Item = Order> {
    [Order { number: 3 }].into_iter()
}

#[processor]
fn count(order: Order, #[state] seen: &mut Seen) -> Option<Order> {
    seen.count += 1;
    Some(order)
}

#[processor]
fn check(order: &Order) -> Result<u32, LoadError> {
    match order.number {
        0 => Err(LoadError::BadRow { line: 1 }),
        1 => Err(LoadError::Code(1)),
        2 => Err(LoadError::Timeout),
        number => Ok(number),
    }
}

#[writer]
fn save(numbers: &[u32]) -> Result<(), Box<dyn Error>> {
    println!("{numbers:?}");
    Ok(())
}

#[skip_policy]
fn lenient(error: &LoadError, skipped: u64) -> bool {
    skipped < 10 && !matches!(error, LoadError::Timeout)
}

#[skip_policy]
fn any(error: &(dyn Error + 'static)) -> bool {
    error.source().is_none()
}

#[retry_policy]
fn transient(error: &dyn Error, repeated: u64) -> bool {
    repeated < 2 && error.source().is_none()
}

#[retry_policy]
fn of_check(failure: &Failure) -> bool {
    failure.component() == Some("check")
}

const LIMIT: u64 = 5;

#[step(
    chunk = 100,
    skip(LoadError::BadRow { .. }, LoadError::Code(400..=499), limit = 10),
    skip(errors::LoadError::Timeout, limit = LIMIT),
    skip(Wrapped<u32>, Busy { seconds: 0 }),
    skip(policy = lenient),
    skip(policy = any, limit = 3),
    no_skip(LoadError, std::io::Error),
    retry(Busy, limit = 3, backoff = exponential("100ms", max = "5s", jitter)),
    retry(LoadError::Timeout, limit = 2, backoff = fixed("1s")),
    retry(policy = transient, limit = 1, backoff = none),
    retry(fmt::Error, limit = 1),
    no_retry(LoadError::Code(500)),
    retry(policy = of_check, limit = 1),
    timeout = "1h30m",
    chunk_time = "10s",
    isolate = allow,
)]
fn load() {
    orders | count | check | save
}

#[step(timeout = "2m")]
fn tidy() -> Repeat {
    Repeat::Done
}

fn main() {
    let options = load::INFO.options;
    let skip = options.faults.skip;
    let what: Vec<_> = skip.iter().map(|rule| (rule.what, rule.rank, rule.skips, rule.limit)).collect();
    assert_eq!(
        what,
        [
            ("LoadError::BadRow { .. }", Rank::Variant, true, Some(10)),
            ("LoadError::Code(400..=499)", Rank::Variant, true, Some(10)),
            ("errors::LoadError::Timeout", Rank::Variant, true, Some(5)),
            ("Wrapped<u32>", Rank::Type, true, None),
            ("Busy { seconds: 0 }", Rank::Variant, true, None),
            ("policy = lenient", Rank::Policy, true, None),
            ("policy = any", Rank::Policy, true, Some(3)),
            ("LoadError", Rank::Type, false, None),
            ("std::io::Error", Rank::Type, false, None),
        ]
    );
    let covers = |index: usize, error: &(dyn Error + 'static)| (skip[index].covers)(error, 3);
    assert_eq!(covers(0, &LoadError::BadRow { line: 3 }), Some(true));
    assert_eq!(covers(0, &LoadError::Timeout), None);
    assert_eq!(covers(1, &LoadError::Code(404)), Some(true));
    assert_eq!(covers(1, &LoadError::Code(500)), None);
    assert_eq!(covers(2, &LoadError::Timeout), Some(true));
    assert_eq!(covers(3, &Wrapped(3_u32)), Some(true));
    assert_eq!(covers(4, &Busy { seconds: 1 }), None);
    assert_eq!(covers(5, &LoadError::Timeout), Some(false));
    assert_eq!(covers(5, &fmt::Error), None);
    assert_eq!(covers(6, &fmt::Error), Some(true));
    assert_eq!(covers(7, &LoadError::Timeout), Some(true));

    let retry = options.faults.retry;
    let limits: Vec<_> = retry.iter().map(|rule| (rule.what, rule.limit, rule.backoff)).collect();
    assert_eq!(
        limits,
        [
            (
                "Busy",
                3,
                Backoff::Exponential {
                    first: Duration::from_millis(100),
                    max: Some(Duration::from_secs(5)),
                    jitter: true
                }
            ),
            ("LoadError::Timeout", 2, Backoff::Fixed(Duration::from_secs(1))),
            ("policy = transient", 1, Backoff::None),
            ("fmt::Error", 1, Backoff::None),
            ("LoadError::Code(500)", 0, Backoff::None),
            ("policy = of_check", 1, Backoff::None),
        ]
    );
    assert_eq!(options.timeout, Some(Duration::from_secs(5400)));
    assert_eq!(options.chunk_time, Some(Duration::from_secs(10)));
    assert!(options.isolate);
    assert_eq!(tidy::INFO.options.timeout, Some(Duration::from_secs(120)));
}
