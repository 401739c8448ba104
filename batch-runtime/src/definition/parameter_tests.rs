//! Values of every parameter type on their way from a text to the repository and back.

use std::fmt::Debug;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use proptest::prelude::*;

use super::parameter_times::{Kind, expected};
use super::*;
use crate::repository::job_key;

/// Takes about a second, unless `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(64),
    }
}

/// A job whose one parameter is of that type.
struct One<T>(T);

impl<T: ParameterType> One<T> {
    const PARAMETERS: &'static [ParameterSpec] = &[ParameterSpec::of::<T>("p", "")];
    const JOB: &'static JobInfo = &JobInfo {
        id: "t::one",
        name: "one",
        doc: "",
        parameters: Self::PARAMETERS,
        flow: &[],
        options: JobOptions::DEFAULT,
    };
}

/// The parameters of a launch with the value.
fn launched<T: ParameterType>(value: ParameterValue) -> Parameters {
    resolve_parameters(One::<T>::JOB, &Parameters::new().with("p", value)).expect("a value of the type")
}

/// The value is the same in every spelling, is read back from its stored form, and identifies one instance.
fn keeps<T: ParameterType + Debug>(value: &T) -> Result<Parameters, TestCaseError> {
    let given = value.to_value().expect("a value");
    let all = launched::<T>(given.clone());
    prop_assert_eq!(&all.get("p").expect("the parameter").value, &given);

    let (class, text) = (given.java_class(), given.to_string());
    let stored = ParameterValue::from_stored(class, &given.stored_text()).expect("what was stored");
    prop_assert_eq!(T::from_value(Some(&stored)).expect("what was stored").to_value(), Some(given.clone()));
    prop_assert_eq!(job_key(&launched::<T>(stored)), job_key(&all));

    let typed: Vec<String> = match &given {
        ParameterValue::List(texts) => texts.clone(),
        _ => vec![text],
    };
    if !typed.is_empty() {
        let typed = typed.iter().map(|text| ("p", text));
        let parsed = parse_parameters(One::<T>::JOB, typed).expect("a text of the type");
        prop_assert_eq!(&parsed.get("p").expect("the parameter").value, &given);
    }
    Ok(all)
}

/// Different values make different instances.
fn distinguished<T: ParameterType + Debug>(a: &T, b: &T) -> Result<(), TestCaseError> {
    let (of_a, of_b) = (keeps(a)?, keeps(b)?);
    prop_assert_eq!(job_key(&of_a) == job_key(&of_b), a.to_value() == b.to_value(), "{:?} and {:?}", a, b);
    Ok(())
}

fn date_times() -> impl Strategy<Value = DateTime> {
    (-9999_i16..=9999, 1_i8..=12, 1_i8..=28, 0_i8..24, 0_i8..60, 0_i8..60, nanoseconds())
        .prop_map(|(y, mo, d, h, mi, s, n)| jiff::civil::date(y, mo, d).at(h, mi, s, n))
}

fn nanoseconds() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), (0_i32..1_000).prop_map(|n| n * 1_000_000), 0_i32..1_000_000_000]
}

fn instants() -> impl Strategy<Value = Timestamp> {
    let seconds = Timestamp::MIN.as_second() + 1..Timestamp::MAX.as_second();
    (seconds, nanoseconds()).prop_map(|(s, n)| Timestamp::new(s, n).expect("in range"))
}

fn near<N: Copy + Debug>(
    edge: N,
    any: impl Strategy<Value = N>,
    step: fn(N, u8) -> N,
) -> impl Strategy<Value = N> {
    prop_oneof![any, (0_u8..4).prop_map(move |by| step(edge, by))]
}

/// Texts that are nearly dates and times.
const NEARLY: &str = "[-+]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,10})?)?)?(Z|[+-][0-2][0-9](:?[0-9]{2})?)?";

proptest! {
    #![proptest_config(config())]

    #[test]
    fn integers_of_any_width_are_kept_and_distinguished(
        a in any::<i128>(), b in any::<i128>(), c in any::<u128>(), d in any::<u128>(),
        e in near(u64::MAX, any::<u64>(), |edge, by| edge - u64::from(by)),
        f in near(1 << 63, any::<u64>(), |edge, by| edge - 2 + u64::from(by)),
        g in any::<(i64, i64, u8, u8, usize, isize)>(),
    ) {
        distinguished(&a, &b)?;
        distinguished(&c, &d)?;
        distinguished(&e, &f)?;
        distinguished(&g.0, &g.1)?;
        distinguished(&g.2, &g.3)?;
        keeps(&g.4)?;
        keeps(&g.5)?;
    }

    #[test]
    fn decimals_are_kept_and_distinguished(a in any::<u64>(), b in any::<u64>(), c in any::<u32>(), d in any::<u32>()) {
        distinguished(&f64::from_bits(a), &f64::from_bits(b))?;
        distinguished(&f64::from_bits(a), &f64::from_bits(a ^ 1))?;
        distinguished(&f32::from_bits(c), &f32::from_bits(d))?;
        distinguished(&f32::from_bits(c), &f32::from_bits(c ^ 1))?;
    }

    #[test]
    fn times_are_kept_and_distinguished(a in date_times(), b in date_times(), c in instants(), d in instants()) {
        distinguished(&a, &b)?;
        distinguished(&a.date(), &b.date())?;
        distinguished(&c, &d)?;
    }

    #[test]
    fn texts_and_paths_are_kept_and_distinguished(a in any::<String>(), b in any::<String>(), c in "/[a-z]{1,9}", d in any::<bool>()) {
        distinguished(&a, &b)?;
        keeps(&PathBuf::from(c))?;
        keeps(&d)?;
    }

    #[test]
    fn lists_are_kept_and_distinguished(
        a in prop::collection::vec("[a,\"\\\\\\[\\] ]{0,3}", 0..4), b in prop::collection::vec("[a,\"\\\\\\[\\] ]{0,3}", 0..4),
        c in prop::collection::vec(any::<u64>(), 0..4), d in prop::collection::vec(any::<u64>(), 0..4),
        e in prop::collection::vec(date_times(), 0..4),
    ) {
        distinguished(&a, &b)?;
        distinguished(&c, &d)?;
        keeps(&e)?;
    }

    #[test]
    fn nothing_after_a_value_is_dropped(
        time in date_times(), instant in instants(), number in any::<i64>(),
        more in prop_oneof!["[ZzTt ]", "[+-][0-9]{2}:[0-9]{2}", "\\[[A-Za-z/]{1,9}\\]", "T[0-9]{2}:[0-9]{2}", "[ _a-df-zA-DF-Z]"],
    ) {
        let kept = [
            DateTime::parse(&format!("{time}{more}")),
            Date::parse(&format!("{}{more}", time.date())),
            Timestamp::parse(&format!("{instant}{more}")),
            i64::parse(&format!("{number}{more}")),
            f64::parse(&format!("{number}{more}")),
            bool::parse(&format!("true{more}")),
        ];
        prop_assert!(kept.iter().all(Result::is_err), "{:?}", kept);
    }

    /// A default that the compiler accepts is valid.
    #[test]
    fn a_text_that_passes_while_the_program_compiles_is_read_when_it_runs(text in NEARLY) {
        if expected(Kind::Date, &text).is_none() {
            prop_assert!(Date::parse(&text).is_ok(), "{}", text);
        }
        if expected(Kind::DateTime, &text).is_none() {
            prop_assert!(DateTime::parse(&text).is_ok(), "{}", text);
        }
        // An offset can move the first and the last representable day out of range.
        if expected(Kind::Timestamp, &text).is_none() && !text.contains("9999") {
            prop_assert!(Timestamp::parse(&text).is_ok(), "{}", text);
        }
    }

    /// A text that is read as a number names that number, or one as near as the type has.
    #[test]
    fn a_number_is_not_rounded_on_its_way(digits in "[0-9]{1,24}", point in 0_usize..24, power in -340_i32..340) {
        let at = point.min(digits.len());
        let text = format!("{}.{}e{power}", &digits[..at], &digits[at..]);
        let Ok(ParameterValue::Double(number)) = f64::parse(&text) else { return Ok(()) };
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        let shown = [format!("{number:.*e}", significant.len().saturating_sub(1)), format!("{number:e}")];
        let digits = |shown: &String| shown.split_once('e').expect("an exponent").0.replace('.', "");
        let is_named = shown.iter().any(|shown| digits(shown).trim_end_matches('0') == significant);
        prop_assert!(is_named, "{} as {:?}", text, shown);
    }
}

#[test]
fn the_paths_of_a_list_are_followed_and_have_any_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let folder = std::env::temp_dir().join(format!("batch-list-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    let place = folder.join(OsStr::from_bytes(b"caf\xe9"));
    std::os::unix::fs::symlink(&place, folder.join("link")).unwrap();
    let spec = ParameterSpec::of::<Vec<PathBuf>>("inputs", "");
    let typed = (spec.parse)(folder.join("link").as_os_str()).unwrap();
    assert_eq!(Vec::<PathBuf>::from_value(Some(&typed)), Ok(vec![place]));
    let given = vec![folder.join("link"), folder.join("x/../link")].to_value().unwrap();
    let both = (spec.canonical)(&given).unwrap();
    let ParameterValue::List(texts) = &both else { panic!("{both:?} is not a list") };
    assert!(texts[0] == texts[1] && texts[0].ends_with("/caf%E9"), "{texts:?}");
    assert_eq!((spec.canonical)(&both).unwrap(), both);
    std::fs::remove_dir_all(folder).unwrap();
}
