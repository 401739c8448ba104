//! A struct with a field of every type, written and read back.

use batch_runtime::postgres::Row;
use batch_runtime::writers::PostgresTable;
use batch_runtime::{Date, DateTime, Timestamp};
use jiff::civil::Time;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use serde::Serialize;
use serde_json::Value;

use super::Place;
use super::values::{
    days, decimals, documents, exactly, hours, locals, moments, reals, singles, texts, uuids, with_extremes,
};

const TABLE: &str = "
    CREATE TYPE mood AS ENUM ('good', 'so so');
    CREATE DOMAIN small AS INT CHECK (VALUE < 1000000000);
    CREATE DOMAIN code AS VARCHAR(5);
    CREATE TABLE everything (
        extra INT DEFAULT 7, id BIGINT PRIMARY KEY, truth BOOLEAN, i2 SMALLINT, i4 INT, i8 BIGINT, f4 REAL, f8 FLOAT8,
        whole NUMERIC, decimal NUMERIC(30, 6), any_text TEXT, short VARCHAR(8), three CHAR(3), raw BYTEA, day DATE,
        hour TIME, local TIMESTAMP, moment TIMESTAMPTZ, uuid UUID, document JSON, binary_document JSONB, mood mood,
        small small, code code, \"Quoted name\" INT,
        truths BOOLEAN[], i2s SMALLINT[], i4s INT[], i8s BIGINT[], f4s REAL[], f8s FLOAT8[], decimals NUMERIC[],
        texts TEXT[], shorts VARCHAR(8)[], raws BYTEA[], days DATE[], locals TIMESTAMP[], moments TIMESTAMPTZ[],
        uuids UUID[], documents JSONB[], moods mood[], smalls small[])";

/// Serializes as bytes instead of a sequence of numbers.
#[derive(Debug, Clone)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[derive(Debug, Clone, Serialize)]
enum Mood {
    #[serde(rename = "good")]
    Good,
    #[serde(rename = "so so")]
    SoSo,
}

#[derive(Debug, Clone, Serialize)]
struct Simple {
    truth: Option<bool>,
    i2: Option<i16>,
    i4: Option<i32>,
    i8: Option<i64>,
    f4: Option<f32>,
    f8: Option<f64>,
    whole: Option<i128>,
    decimal: Option<String>,
    any_text: Option<String>,
    short: Option<String>,
    three: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Special {
    raw: Option<Vec<u8>>,
    day: Option<Date>,
    hour: Option<Time>,
    local: Option<DateTime>,
    moment: Option<Timestamp>,
    uuid: Option<String>,
    document: Option<Value>,
    binary_document: Option<Value>,
    mood: Option<Mood>,
    small: Option<u32>,
    code: Option<String>,
    #[serde(rename = "Quoted name")]
    quoted: u16,
}

#[derive(Debug, Clone, Serialize)]
struct Arrays {
    truths: Option<Vec<bool>>,
    i2s: Vec<Option<i16>>,
    i4s: Option<Vec<Option<i32>>>,
    i8s: [i64; 2],
    f4s: Vec<f32>,
    f8s: Vec<Option<f64>>,
    decimals: Vec<Option<i128>>,
    texts: Vec<Option<String>>,
    shorts: Vec<String>,
    raws: Vec<Bytes>,
}

#[derive(Debug, Clone, Serialize)]
struct SpecialArrays {
    days: Vec<Option<Date>>,
    locals: Vec<DateTime>,
    moments: Vec<Option<Timestamp>>,
    uuids: Vec<String>,
    documents: Vec<Option<Value>>,
    moods: Vec<Mood>,
    smalls: Vec<Option<u32>>,
}

#[derive(Debug, Clone, Serialize)]
struct Everything {
    #[serde(flatten)]
    simple: Simple,
    #[serde(flatten)]
    special: Special,
    #[serde(flatten)]
    arrays: Arrays,
    #[serde(flatten)]
    special_arrays: SpecialArrays,
}

fn moods() -> impl Strategy<Value = Mood> {
    select(vec![Mood::Good, Mood::SoSo])
}

fn arrays() -> (impl Strategy<Value = Arrays>, impl Strategy<Value = SpecialArrays>) {
    let few = 0..4_usize;
    let arrays = (
        option::of(vec(any::<bool>(), few.clone())),
        vec(any::<Option<i16>>(), few.clone()),
        option::of(vec(any::<Option<i32>>(), few.clone())),
        any::<[i64; 2]>(),
        vec(singles(), few.clone()),
        vec(option::of(reals()), few.clone()),
        vec(any::<Option<i128>>(), few.clone()),
        vec(option::of(texts(9)), few.clone()),
        vec(texts(8), few.clone()),
        vec(vec(any::<u8>(), 0..20).prop_map(Bytes), few.clone()),
    )
        .prop_map(|(truths, i2s, i4s, i8s, f4s, f8s, decimals, texts, shorts, raws)| Arrays {
            truths,
            i2s,
            i4s,
            i8s,
            f4s,
            f8s,
            decimals,
            texts,
            shorts,
            raws,
        });
    let special_arrays = (
        vec(option::of(days()), few.clone()),
        vec(locals(), few.clone()),
        vec(option::of(moments()), few.clone()),
        vec(uuids(), few.clone()),
        vec(option::of(documents(true)), few.clone()),
        vec(moods(), few.clone()),
        vec(option::of(0..1_000_000_000_u32), few),
    )
        .prop_map(|(days, locals, moments, uuids, documents, moods, smalls)| SpecialArrays {
            days,
            locals,
            moments,
            uuids,
            documents,
            moods,
            smalls,
        });
    (arrays, special_arrays)
}

fn everything() -> impl Strategy<Value = Everything> {
    let simple = (
        any::<Option<bool>>(),
        option::of(with_extremes(vec![i16::MIN, i16::MAX, 0])),
        option::of(with_extremes(vec![i32::MIN, i32::MAX, 0])),
        option::of(with_extremes(vec![i64::MIN, i64::MAX, 0])),
        option::of(singles()),
        option::of(reals()),
        option::of(with_extremes(vec![i128::MIN, i128::MAX, 0, 10_000, -100_000_000])),
        option::of(decimals()),
        option::of(texts(9)),
        option::of(texts(8)),
        option::of(exactly(3)),
    )
        .prop_map(|(truth, i2, i4, i8, f4, f8, whole, decimal, any_text, short, three)| Simple {
            truth,
            i2,
            i4,
            i8,
            f4,
            f8,
            whole,
            decimal,
            any_text,
            short,
            three,
        });
    let special = (
        option::of(vec(any::<u8>(), 0..20)),
        option::of(days()),
        option::of(hours()),
        option::of(locals()),
        option::of(moments()),
        option::of(uuids()),
        option::of(documents(false)),
        option::of(documents(true)),
        option::of(moods()),
        option::of(0..1_000_000_000_u32),
        option::of(texts(5)),
        any::<u16>(),
    )
        .prop_map(
            |(raw, day, hour, local, moment, uuid, document, binary_document, mood, small, code, quoted)| {
                Special {
                    raw,
                    day,
                    hour,
                    local,
                    moment,
                    uuid,
                    document,
                    binary_document,
                    mood,
                    small,
                    code,
                    quoted,
                }
            },
        );
    let (arrays, special_arrays) = arrays();
    (simple, special, arrays, special_arrays).prop_map(|(simple, special, arrays, special_arrays)| {
        Everything { simple, special, arrays, special_arrays }
    })
}

const COLUMNS: &str = "truth, i2, i4, i8, f4, f8, whole::text, decimal::text, any_text, short, three, raw, day, hour, local,
    moment, uuid::text, document, binary_document, mood::text, small, code, \"Quoted name\", truths, i2s, i4s, i8s, f4s,
    f8s, decimals::text[], texts, shorts, raws, days, locals, moments, uuids::text[], documents, moods::text[], smalls::int[],
    extra";

fn mood(text: &str) -> Mood {
    match text {
        "good" => Mood::Good,
        "so so" => Mood::SoSo,
        other => panic!("not a mood: {other}"),
    }
}

fn small(number: i32) -> u32 {
    u32::try_from(number).unwrap()
}

fn read(row: &Row) -> Everything {
    assert_eq!(row.get::<_, i32>("extra"), 7, "a column that is not written has its default");
    let simple = Simple {
        truth: row.get(0),
        i2: row.get(1),
        i4: row.get(2),
        i8: row.get(3),
        f4: row.get(4),
        f8: row.get(5),
        whole: row.get::<_, Option<String>>(6).map(|number| number.parse().unwrap()),
        decimal: row.get(7),
        any_text: row.get(8),
        short: row.get(9),
        three: row.get(10),
    };
    let special = Special {
        raw: row.get(11),
        day: row.get(12),
        hour: row.get(13),
        local: row.get(14),
        moment: row.get(15),
        uuid: row.get(16),
        document: row.get(17),
        binary_document: row.get(18),
        mood: row.get::<_, Option<&str>>(19).map(mood),
        small: row.get::<_, Option<i32>>(20).map(small),
        code: row.get(21),
        quoted: u16::try_from(row.get::<_, i32>(22)).unwrap(),
    };
    let arrays = Arrays {
        truths: row.get(23),
        i2s: row.get(24),
        i4s: row.get(25),
        i8s: row.get::<_, Vec<i64>>(26).try_into().unwrap(),
        f4s: row.get(27),
        f8s: row.get(28),
        decimals: (row.get::<_, Vec<Option<String>>>(29).into_iter())
            .map(|number| number.map(|number| number.parse().unwrap()))
            .collect(),
        texts: row.get(30),
        shorts: row.get(31),
        raws: row.get::<_, Vec<Vec<u8>>>(32).into_iter().map(Bytes).collect(),
    };
    let special_arrays = SpecialArrays {
        days: row.get(33),
        locals: row.get(34),
        moments: row.get(35),
        uuids: row.get(36),
        documents: row.get(37),
        moods: row.get::<_, Vec<String>>(38).iter().map(|text| mood(text)).collect(),
        smalls: row.get::<_, Vec<Option<i32>>>(39).into_iter().map(|number| number.map(small)).collect(),
    };
    Everything { simple, special, arrays, special_arrays }
}

#[derive(Serialize)]
struct Numbered {
    #[serde(flatten)]
    everything: Everything,
    id: i64,
}

#[test]
fn ten_thousand_rows_of_all_types_read_back_as_they_were_written() {
    const ROWS: usize = 1_000;
    for option in ["statements=named", "statements=unnamed"] {
        let Some(place) = Place::at(option, TABLE) else { return };
        let mut copied = PostgresTable::into("everything");
        let mut inserted = PostgresTable::into("public.everything").upsert(&["id"]);
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        for chunk in 0..5 {
            let rows = vec(everything(), ROWS).new_tree(&mut runner).unwrap().current();
            let first = chunk * i64::try_from(ROWS).unwrap();
            let numbered: Vec<Numbered> = (first..)
                .zip(rows.iter().cloned())
                .map(|(id, everything)| Numbered { everything, id })
                .collect();
            let writer = if chunk % 2 == 0 { &mut copied } else { &mut inserted };
            place.write(writer, &numbered).unwrap();
            let query = format!("SELECT {COLUMNS} FROM everything WHERE id >= {first} ORDER BY id");
            let read_back = place.tx.session().query(&query, &[]).unwrap();
            assert_eq!(read_back.len(), ROWS);
            for (written, row) in rows.iter().zip(&read_back) {
                // The texts of zeros with different signs differ, and those of two NaNs are equal.
                assert_eq!(format!("{:?}", read(row)), format!("{written:?}"));
            }
        }
    }
}
