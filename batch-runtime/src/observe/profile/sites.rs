//! The places at which memory is allocated, as dhat records them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attribution::{FRAMEWORK, Steps};
use super::frame::{Frame, Origin};
use crate::observe::table::{Align, Table};
use crate::observe::words;

/// The number of places that a comparison shows.
const MOST: usize = 10;

/// The parts of dhat's file that are needed here.
#[derive(Deserialize)]
struct Recorded {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// The blocks that were allocated with the same stack: their bytes and number at the peak, and at the end.
#[derive(Deserialize)]
struct Point {
    #[serde(default)]
    gb: u64,
    #[serde(default)]
    gbk: u64,
    #[serde(default)]
    eb: u64,
    #[serde(default)]
    ebk: u64,
    /// The frames, innermost first.
    fs: Vec<usize>,
}

/// A place in a function that works for a component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Place {
    step: String,
    component: String,
    function: String,
    /// The file and the line.
    line: String,
}

/// The memory that is allocated at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Site {
    #[serde(flatten)]
    place: Place,
    pub(crate) peak_bytes: u64,
    pub(crate) peak_blocks: u64,
    pub(crate) end_bytes: u64,
    pub(crate) end_blocks: u64,
}

/// All places of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sites(Vec<Site>);

impl Sites {
    /// The places in dhat's file.
    pub(crate) fn parse(text: &str, steps: &Steps) -> Result<Self, String> {
        let Recorded { pps, ftbl } = serde_json::from_str(text).map_err(|error| {
            format!("this is not a heap profile that `run --profile=heap` wrote: {error}")
        })?;
        let crates = steps.crates();
        let frames: Vec<_> = ftbl.iter().map(|frame| parsed(frame, &crates)).collect();
        let mut sites: BTreeMap<Place, Site> = BTreeMap::new();
        for point in &pps {
            let stack: Vec<_> = point.fs.iter().filter_map(|index| frames.get(*index)).collect();
            let place = place(&stack, steps);
            let site = sites.entry(place.clone()).or_insert(Site {
                place,
                peak_bytes: 0,
                peak_blocks: 0,
                end_bytes: 0,
                end_blocks: 0,
            });
            site.peak_bytes += point.gb;
            site.peak_blocks += point.gbk;
            site.end_bytes += point.eb;
            site.end_blocks += point.ebk;
        }
        Ok(Self(sites.into_values().collect()))
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        self.0.iter().map(|site| site.peak_bytes).sum()
    }

    pub(crate) fn end_bytes(&self) -> u64 {
        self.0.iter().map(|site| site.end_bytes).sum()
    }

    /// The largest places by `size`, without those of size 0.
    pub(crate) fn largest(&self, size: impl Fn(&Site) -> u64, most: usize) -> Vec<Site> {
        let mut sites: Vec<_> = self.0.iter().filter(|site| size(site) > 0).cloned().collect();
        sites.sort_by_key(|site| std::cmp::Reverse(size(site)));
        sites.truncate(most);
        sites
    }
}

/// Parses `0x55d0: late::parse (src/main.rs:12:5)` into a function, and its file and line.
fn parsed(text: &str, crates: &[&str]) -> (Frame, String) {
    let symbol = text.split_once(": ").map_or(text, |(_, symbol)| symbol);
    let (name, place) = symbol.rsplit_once(" (").unwrap_or((symbol, ""));
    let place = place.trim_end_matches(')');
    let line = place.rsplit_once(':').map_or(place, |(line, _)| line);
    // Without debug information, dhat knows no line.
    let line = if line.starts_with("???") { "" } else { line };
    // dhat cuts off the beginning of the path, which would tell whose function it is, so do not pass a file.
    (Frame::of(name, None, crates), line.to_owned())
}

/// Finds the place at which a stack allocates. The stack has the innermost function first.
fn place(stack: &[&(Frame, String)], steps: &Steps) -> Place {
    let frames: Vec<_> = stack.iter().rev().map(|(frame, _)| frame.clone()).collect();
    let attributed = steps.attribute(&frames);
    let of_user = stack.iter().find(|(frame, _)| {
        frame.origin == Origin::User
            && !frame.path.is_empty()
            && !(frame.implementor.is_some() && attributed.own.is_none())
    });
    let component = attributed.component.unwrap_or_else(|| FRAMEWORK.to_owned());
    let (function, line) = match of_user.filter(|_| attributed.own.is_some() || component != FRAMEWORK) {
        Some((frame, line)) => (frame.path.to_string(), line.clone()),
        None => (FRAMEWORK.to_owned(), String::new()),
    };
    Place { step: attributed.step.to_owned(), component, function, line }
}

impl Site {
    /// A table of places with their bytes and blocks.
    pub(crate) fn table(title: &str, sites: &[Self], size: impl Fn(&Self) -> (u64, u64)) -> String {
        let mut table = Table::new(&[
            (title, Align::Left),
            ("component", Align::Left),
            ("function", Align::Left),
            ("bytes", Align::Right),
            ("blocks", Align::Right),
            ("line", Align::Left),
        ]);
        for site in sites {
            let (bytes, blocks) = size(site);
            let Place { step, component, function, line } = site.place.clone();
            table.row([step, component, function, words::count(bytes), words::count(blocks), line]);
        }
        table.to_string()
    }
}

/// The places whose memory changed most between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HeapDifference {
    peak_bytes_before: u64,
    peak_bytes_after: u64,
    sites: Vec<Change>,
}

/// The memory of a place in two runs, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    #[serde(flatten)]
    place: Place,
    peak_before: u64,
    peak_after: u64,
    end_before: u64,
    end_after: u64,
}

impl HeapDifference {
    pub(crate) fn of(before: &Sites, after: &Sites) -> Self {
        // Code that moved to another line is still the same place, so ignore the lines.
        let sums = |sites: &Sites| {
            let mut sums: BTreeMap<Place, (u64, u64)> = BTreeMap::new();
            for site in &sites.0 {
                let place = Place { line: String::new(), ..site.place.clone() };
                let (peak, end) = sums.entry(place).or_default();
                *peak += site.peak_bytes;
                *end += site.end_bytes;
            }
            sums
        };
        let (one, mut other) = (sums(before), sums(after));
        let mut changes = Vec::new();
        for (place, (peak_before, end_before)) in one {
            let (peak_after, end_after) = other.remove(&place).unwrap_or_default();
            changes.push(Change { place, peak_before, peak_after, end_before, end_after });
        }
        changes.extend(other.into_iter().map(|(place, (peak_after, end_after))| Change {
            place,
            peak_before: 0,
            peak_after,
            end_before: 0,
            end_after,
        }));
        let size = |change: &Change| {
            let peak = change.peak_after.abs_diff(change.peak_before);
            (peak, change.end_after.abs_diff(change.end_before))
        };
        changes.retain(|change| size(change) > (0, 0));
        changes.sort_by_key(|change| std::cmp::Reverse(size(change)));
        changes.truncate(MOST);
        Self { peak_bytes_before: before.peak_bytes(), peak_bytes_after: after.peak_bytes(), sites: changes }
    }

    /// Returns the table that a person reads.
    pub(crate) fn table(&self) -> String {
        if self.sites.is_empty() {
            return "no function allocates more or less memory than before\n".to_owned();
        }
        let mut table = Table::new(&[
            ("step", Align::Left),
            ("component", Align::Left),
            ("function", Align::Left),
            ("peak before", Align::Right),
            ("peak after", Align::Right),
            ("end before", Align::Right),
            ("end after", Align::Right),
        ]);
        for change in &self.sites {
            let Place { step, component, function, .. } = change.place.clone();
            let [peak_before, peak_after, end_before, end_after] =
                [change.peak_before, change.peak_after, change.end_before, change.end_after]
                    .map(words::count);
            table.row([step, component, function, peak_before, peak_after, end_before, end_after]);
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{HeapDifference, Site, Sites, Steps};

    /// A file in which `air::parse` has these bytes at the peak and at the end, and `air::keep` 50 at both.
    fn file(peak: u64, end: u64, line: u32) -> String {
        format!(
            r#"{{"dhatFileVersion": 2, "pps": [
                {{"tb": 900, "tbk": 9, "gb": {peak}, "gbk": 2, "eb": {end}, "ebk": 1, "fs": [1, 2, 3]}},
                {{"tb": 50, "tbk": 1, "gb": 50, "gbk": 1, "eb": 50, "ebk": 1, "fs": [1, 4, 3]}}
            ], "ftbl": ["[root]",
                "0x1: alloc::vec::Vec<T>::push (src/vec/mod.rs:10:5)",
                "0x2: air::parse (src/parse.rs:{line}:9)",
                "0x3: batch_runtime::engine::fill (engine/chunk/fill.rs:7:1)",
                "0x4: air::keep (src/main.rs:3:9)"
            ]}}"#
        )
    }

    fn sites(text: &str) -> Sites {
        Sites::parse(text, &Steps::of_crates(&["air"])).unwrap()
    }

    #[test]
    fn a_place_is_the_line_of_the_user_that_allocates() {
        let sites = sites(&file(300, 100, 12));
        assert_eq!((sites.peak_bytes(), sites.end_bytes()), (350, 150));
        let largest = sites.largest(|site| site.peak_bytes, 10);
        let table = "\
peak       component  function    bytes  blocks  line
(no step)  parse      air::parse    300       2  src/parse.rs:12
(no step)  keep       air::keep      50       1  src/main.rs:3
";
        assert_eq!(Site::table("peak", &largest, |site| (site.peak_bytes, site.peak_blocks)), table);
    }

    #[test]
    fn two_runs_are_compared_by_function_wherever_its_line_is() {
        let difference = HeapDifference::of(&sites(&file(300, 100, 12)), &sites(&file(1_300, 0, 15)));
        let table = "\
step       component  function    peak before  peak after  end before  end after
(no step)  parse      air::parse          300       1,300         100          0
";
        assert_eq!(difference.table(), table);
        let same = HeapDifference::of(&sites(&file(1, 1, 1)), &sites(&file(1, 1, 2)));
        assert_eq!(same.table(), "no function allocates more or less memory than before\n");
    }

    #[test]
    fn another_file_is_refused() {
        let error = Sites::parse("{}", &Steps::default()).unwrap_err();
        assert!(error.starts_with("this is not a heap profile that `run --profile=heap` wrote: "), "{error}");
    }
}
