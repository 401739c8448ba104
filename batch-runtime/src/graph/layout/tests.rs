//! Lays out random bodies, and checks that nothing covers anything else.

use std::time::{Duration, Instant};

use super::*;
use crate::definition::Binding;
use crate::definition::{
    BoundTo, DeciderInfo, FlowInfo, JobInfo, JobOptions, StepInfo, StepKind, StepOptions,
};
use crate::graph::{Arm, GraphFormat, Text, render};

const BODIES: u64 = 10_000;

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn text(&mut self) -> &'static str {
        [
            "",
            "no",
            "the file is damaged & <gone>",
            "more than one line of words, so that it has to be wrapped",
            "Quality::Bad { rows: 0 }",
            "\u{4e2d}\u{6587}\u{5b57}",
        ][self.roll(6)]
    }

    fn used(&mut self) -> Use {
        const LONG: &[Binding] =
            &[Binding { argument: "region", to: BoundTo::Parameter("the_region_of_the_job") }];
        let names = ["a", "load_delays", "summarise_all_flights_of_the_year", "page"];
        let name = names[self.roll(4)];
        let activity = if self.roll(5) == 0 { Activity::Job(job(&[])) } else { Activity::Step(&STEP) };
        Use { name, activity, bindings: if self.roll(4) == 0 { LONG } else { &[] } }
    }

    fn decider(&mut self) -> Use {
        let name = ["ok", "more", "is_there_anything_left_to_be_done"][self.roll(3)];
        Use { name, activity: Activity::Decider(&DECIDER), bindings: &[] }
    }

    fn body(&mut self, depth: usize, in_loop: bool) -> &'static [Node] {
        let most = if depth == 0 { 6 } else { 4 };
        let nodes: Vec<Node> = (0..self.roll(most)).map(|_| self.node(depth, in_loop)).collect();
        nodes.leak()
    }

    fn node(&mut self, depth: usize, in_loop: bool) -> Node {
        let inner = depth + 1;
        let text = Text::plain(self.text());
        match self.roll(if depth < 4 { 16 } else { 9 }) {
            5 => Node::End(["", "NOTHING_LEFT"][self.roll(2)], text),
            6 => Node::Fail(text),
            7 => Node::Stop(text),
            8 if in_loop => Node::Break,
            9 | 10 => {
                let arms: Vec<Arm> = (0..=self.roll(3))
                    .map(|_| Arm { label: self.text(), body: self.body(inner, in_loop) })
                    .collect();
                let (subject, used) = if self.roll(2) == 0 {
                    (Subject::Value(&STEP), self.used())
                } else {
                    (Subject::Decider(&DECIDER), self.decider())
                };
                Node::Match { subject, used, arms: arms.leak(), route: |_| 0 }
            }
            11 => {
                let negated = self.roll(2) == 0;
                let (used, body) = (self.decider(), self.body(inner, true));
                Node::While { decider: &DECIDER, used, negated, body }
            }
            12 => Node::Loop(self.body(inner, true)),
            13 | 14 => {
                let branches: Vec<&[Node]> = (0..self.roll(4)).map(|_| self.body(inner, false)).collect();
                Node::Split { branches: branches.leak(), max: [None, Some(12)][self.roll(2)] }
            }
            15 => {
                let name = ["f", "a_flow_with_a_very_long_name_indeed"][self.roll(2)];
                let nodes = self.body(inner, false);
                let flow = Box::leak(Box::new(FlowInfo { id: name, name, doc: "", nodes }));
                Node::Run(Use { name, activity: Activity::Flow(flow), bindings: &[] })
            }
            _ => Node::Run(self.used()),
        }
    }
}

const STEP: StepInfo = StepInfo {
    id: "load",
    name: "load",
    doc: "",
    kind: StepKind::Tasklet,
    options: StepOptions::DEFAULT,
    components: &[],
    kinds: None,
    run: |_| unreachable!("nothing runs"),
};

const DECIDER: DeciderInfo = DeciderInfo { id: "d", name: "d", needs: &[], decide: |_| Ok(Box::new(true)) };

fn job(flow: &'static [Node]) -> &'static JobInfo {
    let options = JobOptions::DEFAULT;
    Box::leak(Box::new(JobInfo { id: "job", name: "nightly", doc: "", parameters: &[], flow, options }))
}

impl Area {
    fn overlaps(self, other: Self) -> bool {
        self.x <= other.right()
            && other.x <= self.right()
            && self.y <= other.bottom()
            && other.y <= self.bottom()
    }

    fn holds(self, (x, y): (usize, usize)) -> bool {
        (self.x..=self.right()).contains(&x) && (self.y..=self.bottom()).contains(&y)
    }

    /// Whether the other area is within the border of this one.
    fn surrounds(self, other: Self) -> bool {
        self.x < other.x && other.right() < self.right() && self.y < other.y && other.bottom() < self.bottom()
    }
}

fn of_text(x: usize, y: usize, text: &str) -> Area {
    Area { x, y, width: columns(text).max(1), height: 1 }
}

/// The cells of a line, from its beginning to its end.
fn cells(line: &Line) -> Vec<(usize, usize)> {
    let mut cells = vec![line.points[0]];
    for corners in line.points.windows(2) {
        let (mut at, to) = (corners[0], corners[1]);
        assert!(at.0 == to.0 || at.1 == to.1, "a line is neither along a row nor along a column: {line:?}");
        while at != to {
            at.0 = if at.0 < to.0 { at.0 + 1 } else { at.0.max(to.0) - usize::from(at.0 > to.0) };
            at.1 = if at.1 < to.1 { at.1 + 1 } else { at.1.max(to.1) - usize::from(at.1 > to.1) };
            cells.push(at);
        }
    }
    cells
}

fn check(picture: &Picture) {
    let Parts { cards, frames, lines, labels } = &picture.parts;
    let texts: Vec<Area> = labels.iter().map(|label| of_text(label.x, label.y, &label.text)).collect();
    let titles: Vec<Area> =
        frames.iter().map(|frame| of_text(frame.title_x, frame.area.y + 1, &frame.title)).collect();
    let solid: Vec<Area> = cards.iter().map(|card| card.area).chain(texts).chain(titles.clone()).collect();
    let all = solid.iter().chain(frames.iter().map(|frame| &frame.area));
    for area in all {
        assert!(area.right() < picture.width && area.bottom() < picture.height, "outside: {area:?}");
    }
    for (at, one) in solid.iter().enumerate() {
        for other in &solid[at + 1..] {
            assert!(!one.overlaps(*other), "{one:?} overlaps {other:?}");
        }
        for frame in frames {
            let is_apart = !frame.area.overlaps(*one);
            assert!(is_apart || frame.area.surrounds(*one), "{one:?} is on the border of {frame:?}");
        }
    }
    for (at, Frame { area: one, .. }) in frames.iter().enumerate() {
        for Frame { area: other, .. } in &frames[at + 1..] {
            assert!(
                !one.overlaps(*other) || one.surrounds(*other) || other.surrounds(*one),
                "{one:?} {other:?}"
            );
        }
    }
    for line in lines {
        let cells = cells(line);
        for cell in &cells {
            assert!(cell.0 < picture.width && cell.1 < picture.height, "outside: {line:?}");
            assert!(!titles.iter().any(|title| title.holds(*cell)), "{line:?} crosses a title");
        }
        for cell in &cells[1..cells.len() - 1] {
            let covers = cards.iter().find(|card| card.area.holds(*cell));
            assert!(covers.is_none(), "{line:?} goes through {covers:?}");
        }
    }
}

/// Checks that every tag is closed, and that texts contain no markup.
fn is_well_formed(svg: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for (at, part) in svg.split('<').enumerate() {
        if at == 0 {
            continue;
        }
        let Some((tag, text)) = part.split_once('>') else { return false };
        let texts = [tag, text];
        let entities = texts.iter().flat_map(|text| text.split('&').skip(1));
        if !entities
            .clone()
            .all(|rest| ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| rest.starts_with(name)))
        {
            return false;
        }
        let name = tag.split(' ').next().unwrap_or_default();
        if let Some(closed) = name.strip_prefix('/') {
            if open.pop() != Some(closed) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty()
}

#[test]
fn no_part_of_a_drawing_covers_another() {
    let mut slowest = (Duration::ZERO, 0);
    let mut total = Duration::ZERO;
    for seed in 1..=BODIES {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let job = job(dice.body(0, false));
        let began = Instant::now();
        let drawn = render(job, GraphFormat::Svg);
        let time = began.elapsed();
        total += time;
        let picture = lay_out(job, None);
        slowest = slowest.max((time, picture.parts.cards.len()));
        let checked = std::panic::catch_unwind(|| check(&picture));
        assert!(checked.is_ok(), "body {seed}:\n{}", crate::graph::render_text(job));
        assert!(is_well_formed(&drawn), "body {seed}: {drawn}");
        assert_eq!(drawn, render(job, GraphFormat::Svg), "body {seed}");
    }
    println!("{BODIES} bodies: {total:?}, slowest {:?} with {} cards", slowest.0, slowest.1);
}

#[test]
fn a_text_from_the_user_is_escaped() {
    let flow: &[Node] = vec![Node::Fail(Text::plain("\"a\" < b & \u{1}c"))].leak();
    let drawn = render(job(flow), GraphFormat::Svg);
    assert!(drawn.contains("&quot;a&quot; &lt; b &amp; c"), "{drawn}");
    assert!(is_well_formed(&drawn));
}

#[test]
fn a_drawing_has_a_title_and_colours_for_dark_mode() {
    let drawn = render(job(&[]), GraphFormat::Svg);
    assert!(drawn.contains("<title>The job nightly</title>"), "{drawn}");
    assert!(drawn.contains("@media (prefers-color-scheme:dark)"), "{drawn}");
}
