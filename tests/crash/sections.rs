//! Chooses the points to try from the calls of undisturbed runs, section by section: all of them or a sample.

use crate::point::{Fault, Point, Reference};
use crate::random::Random;

/// A family of points.
pub(crate) struct Section {
    pub(crate) promise: &'static str,
    pub(crate) points: Vec<Point>,
}

/// How many points are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Sample,
    All,
}

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EINTR", "EDQUOT"];

/// All sections that need the list of calls.
pub(crate) fn sections(references: &[Reference], extent: Extent, random: &mut Random) -> Vec<Section> {
    vec![
        Section {
            promise: "killed before every durable call, it resumes exactly",
            points: kills(references, extent),
        },
        Section {
            promise: "killed again while it resumes, it resumes exactly",
            points: second_kills(references, extent, random),
        },
        Section {
            promise: "killed in the middle of a write, it resumes exactly",
            points: sizes(references, extent, Fault::Torn),
        },
        Section {
            promise: "after a call that fails it says so or goes on, and the next run is exact",
            points: errors(references, extent),
        },
        Section {
            promise: "on a disk that stays full it says so, and with room the next run is exact",
            points: full_disks(references, extent, random),
        },
        Section {
            promise: "after a write that is short and then fails it says so, and the next run is exact",
            points: sizes(references, extent, Fault::Short),
        },
    ]
}

/// Selects the first calls of every name, and of frequent calls one in this many.
fn chosen(reference: &Reference, one_in: usize) -> impl Iterator<Item = &crate::strace::Call> {
    reference.calls.iter().filter(move |call| match call.name.as_str() {
        "pwrite64" => call.number % one_in == reference.shape % one_in,
        "openat" => call.number % (one_in / 3).max(1) == 0,
        "fsync" | "fdatasync" | "write" => call.number % (one_in / 6).max(1) == 0,
        _ => true,
    })
}

fn kills(references: &[Reference], extent: Extent) -> Vec<Point> {
    let one_in = if extent == Extent::All { 1 } else { 13 };
    let of = |reference| chosen(reference, one_in).map(|call| point(reference, vec![Fault::kill(call)]));
    references.iter().flat_map(of).collect()
}

fn second_kills(references: &[Reference], extent: Extent, random: &mut Random) -> Vec<Point> {
    let number = if extent == Extent::All { 200 } else { 8 };
    let mut points = Vec::new();
    for reference in references {
        for _ in 0..number {
            // The restart makes different calls, and mostly fewer: numbers in the first half usually occur.
            let (first, second) = (random.of(&reference.calls), random.of(&reference.calls));
            let second = crate::strace::Call { number: second.number.div_ceil(2), ..second.clone() };
            points.push(point(reference, vec![Fault::kill(first), Fault::kill(&second)]));
        }
    }
    points
}

fn errors(references: &[Reference], extent: Extent) -> Vec<Point> {
    let mut points = Vec::new();
    for reference in references {
        let one_in = if extent == Extent::All { 1 } else { 29 };
        let calls = chosen(reference, one_in).filter(|call| call.is_durable());
        for (index, call) in calls.enumerate() {
            for (which, error) in ERRORS.iter().enumerate() {
                if extent == Extent::All || index % ERRORS.len() == which {
                    points.push(point(reference, vec![Fault::error(call, error)]));
                }
            }
        }
    }
    points
}

/// From some call on, nothing can be written.
fn full_disks(references: &[Reference], extent: Extent, random: &mut Random) -> Vec<Point> {
    let number = if extent == Extent::All { 60 } else { 4 };
    let mut points = Vec::new();
    for reference in references {
        for _ in 0..number {
            let from = random.below(reference.calls.len());
            // Not `write`, which the program also needs to report its failure.
            let full = ["pwrite64", "ftruncate", "fsync", "fdatasync"].map(|name| {
                let done = reference.calls[..from].iter().filter(|call| call.name == name).count();
                format!("{name}:error=ENOSPC:when={}+", done + 1)
            });
            points.push(point(reference, vec![Fault::Inject(full.to_vec())]));
        }
    }
    points
}

/// Limits on file sizes, up to the size of a repository.
fn sizes(references: &[Reference], extent: Extent, fault: fn(u64) -> Fault) -> Vec<Point> {
    // Not a multiple of a page, so that the write is torn.
    let (step, most) = if extent == Extent::All { (4_507, 900_000) } else { (60_013, 900_000) };
    let of = |reference| {
        (1..)
            .map(|number| number * step)
            .take_while(|bytes| *bytes < most)
            .map(move |bytes| point(reference, vec![fault(bytes)]))
    };
    references.iter().flat_map(of).collect()
}

fn point(reference: &Reference, faults: Vec<Fault>) -> Point {
    Point { shape: reference.shape, faults }
}
