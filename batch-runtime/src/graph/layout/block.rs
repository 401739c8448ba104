//! Measured parts of a drawing, and the ways of joining them: below each other, side by side, in a frame.

use super::picture::{Area, Card, Frame, Kind, Label, Parts, columns};
use crate::graph::status::Status;

/// The empty rows between two cards, which hold the arrow.
const GAP: usize = 1;
/// The empty columns between two arms.
const ARM_GAP: usize = 3;

/// A part of a drawing. A line enters it at the top of its axis and leaves it at the bottom.
pub(super) struct Block {
    pub(super) parts: Parts,
    pub(super) width: usize,
    pub(super) height: usize,
    /// The column of the path through the block.
    pub(super) axis: usize,
    /// Whether the execution took the path that goes on after the block; `None` if no path goes on.
    pub(super) exit: Option<bool>,
    /// True if the block begins with a card, so that the line to the block ends with an arrowhead.
    pub(super) head: bool,
    /// The `break`s in the block, if any: one line that leaves the block in the last column.
    pub(super) broken: Option<Broken>,
}

/// A line that leaves a loop.
#[derive(Clone, Copy)]
pub(super) struct Broken {
    pub(super) row: usize,
    pub(super) taken: bool,
}

impl Block {
    /// No card, only the path.
    pub(super) fn empty(taken: bool) -> Self {
        Self {
            parts: Parts::default(),
            width: 1,
            height: 1,
            axis: 0,
            exit: Some(taken),
            head: false,
            broken: None,
        }
    }

    /// A card with these lines.
    pub(super) fn card(kind: Kind, lines: Vec<String>, status: Option<Status>, taken: bool) -> Self {
        let text = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
        let status_line = usize::from(status.is_some());
        let text = text.max(status.as_ref().map_or(0, |status| columns(&status.line())));
        // An odd width, so that the axis is in the middle.
        let width = (text + 4) | 1;
        let height = lines.len().max(1 - status_line) + status_line + 2;
        let area = Area { x: 0, y: 0, width, height };
        let parts = Parts { cards: vec![Card { area, kind, lines, status, taken }], ..Parts::default() };
        Self { parts, width, height, head: true, axis: width / 2, ..Self::empty(taken) }
    }

    /// `break`: a label, from which a line leaves to the side.
    pub(super) fn of_break(taken: bool) -> Self {
        let mut parts = Parts::default();
        parts.line([(3, 0), (7, 0)], false, taken);
        parts.labels.push(Label { x: 1, y: 0, text: "break".to_owned(), taken });
        let broken = Some(Broken { row: 0, taken });
        Self { parts, width: 8, axis: 3, exit: None, broken, ..Self::empty(taken) }
    }

    /// Adds a word to the path that leaves the block.
    pub(super) fn labelled(mut self, text: &str) -> Self {
        let row = self.height;
        let taken = self.exit.unwrap_or_default();
        self.parts.line([(self.axis, row - 1), (self.axis, row)], false, taken);
        self.parts.labels.push(label(self.axis, row, text, taken));
        self.height += 1;
        self
    }

    /// The number of columns from the axis to the right edge, including both.
    const fn beyond(&self) -> usize {
        self.width - self.axis
    }
}

pub(super) fn label(centre: usize, y: usize, text: &str, taken: bool) -> Label {
    Label { x: centre - columns(text) / 2, y, text: text.to_owned(), taken }
}

/// The blocks below each other, on one axis.
pub(super) fn stacked(blocks: Vec<Block>) -> Option<Block> {
    let axis = blocks.iter().map(|block| block.axis).max()?;
    let mut width = axis + blocks.iter().map(Block::beyond).max()?;
    let lane = blocks.iter().any(|block| block.broken.is_some()).then_some(width + 1);
    width = lane.map_or(width, |lane| lane + 1);
    let height = blocks.iter().map(|block| block.height + GAP).sum::<usize>() - GAP;
    let head = blocks.first()?.head;
    let (mut parts, mut y, mut broken) = (Parts::default(), 0, None);
    let mut before: Option<bool> = None;
    for block in blocks {
        if let (Some(taken), true) = (before, y > 0) {
            parts.line([(axis, y - 1 - GAP), (axis, y)], block.head, taken);
        }
        let x = axis - block.axis;
        if let (Some(out), Some(lane)) = (block.broken, lane) {
            let from = (x + block.width - 1, y + out.row);
            parts.line([from, (lane, from.1), (lane, height - 1)], false, out.taken);
            let taken = out.taken || broken.is_some_and(|before: Broken| before.taken);
            broken = Some(Broken { row: height - 1, taken });
        }
        before = block.exit;
        let below = y + block.height + GAP;
        parts.put(block.parts, x, y);
        y = below;
    }
    Some(Block { parts, width, height, axis, exit: before, head, broken })
}

/// An arm with the words on the path to it.
pub(super) struct LabelledArm {
    pub(super) label: Vec<String>,
    pub(super) body: Block,
    pub(super) entered: bool,
}

/// Places arms side by side: returns the first column and the axis of each, and the width of all.
fn beside<'b>(arms: impl Iterator<Item = (&'b Block, usize)>) -> (Vec<(usize, usize)>, usize) {
    let (mut places, mut x) = (Vec::new(), 0);
    for (block, label) in arms {
        let left = block.axis.max(label / 2 + 1);
        let right = block.beyond().max(label / 2 + 2);
        places.push((x + left - block.axis, x + left));
        x += left + right + ARM_GAP;
    }
    (places, x.saturating_sub(ARM_GAP).max(1))
}

/// The column where the path goes on after arms: that of the only arm that goes on, else the middle of all arms.
fn middle<'b>(places: &[(usize, usize)], arms: impl Iterator<Item = &'b Block>) -> usize {
    let open: Vec<usize> =
        arms.zip(places).filter(|(arm, _)| arm.exit.is_some()).map(|(_, (_, axis))| *axis).collect();
    match (open.as_slice(), places) {
        ([only], _) => *only,
        (_, places) if places.len() % 2 == 1 => places[places.len() / 2].1,
        (_, [(_, first), .., (_, last)]) => usize::midpoint(*first, *last),
        _ => 0,
    }
}

/// A card, and below it the arms, one of which is taken.
pub(super) fn forked(subject: Block, arms: Vec<LabelledArm>) -> Block {
    let label_width = |arm: &LabelledArm| arm.label.iter().map(|line| columns(line)).max().unwrap_or(0);
    let (places, arms_width) = beside(arms.iter().map(|arm| (&arm.body, label_width(arm))));
    let axis = middle(&places, arms.iter().map(|arm| &arm.body));
    let shift = subject.axis.saturating_sub(axis);
    let axis = axis + shift;
    let width = (arms_width + shift).max(axis + subject.beyond());
    let fork = subject.height;
    let label_rows = arms.iter().map(|arm| arm.label.len()).max().unwrap_or(0);
    let top = fork + label_rows + 1 + GAP;
    let last = arms.iter().map(|arm| top + arm.body.height - 1).max().unwrap_or(fork);
    let any_broken = arms.iter().any(|arm| arm.body.broken.is_some());
    let break_row = last + 1;
    let join = last + 1 + usize::from(any_broken);
    let (mut parts, mut exit, mut broken) = (Parts::default(), None, None::<Broken>);
    parts.put(subject.parts, axis - subject.axis, 0);
    for (arm, (x, way)) in arms.into_iter().zip(places) {
        let (x, way, body) = (x + shift, way + shift, arm.body);
        parts.line([(axis, fork - 1), (axis, fork), (way, fork), (way, top)], body.head, arm.entered);
        for (row, line) in arm.label.iter().enumerate() {
            parts.labels.push(label(way, fork + 1 + row, line, arm.entered));
        }
        if let Some(taken) = body.exit {
            parts.line([(way, top + body.height - 1), (way, join), (axis, join)], false, taken);
            exit = Some(taken || exit == Some(true));
        }
        if let Some(out) = body.broken {
            let lane = x + body.width - 1;
            parts.line([(lane, top + out.row), (lane, break_row), (width - 1, break_row)], false, out.taken);
            broken = Some(Broken {
                row: break_row,
                taken: out.taken || broken.is_some_and(|before| before.taken),
            });
        }
        parts.put(body.parts, x, top);
    }
    let height = match (exit, broken) {
        (Some(_), _) => join + 1,
        (None, Some(_)) => break_row + 1,
        (None, None) => last + 1,
    };
    Block { parts, width, height, axis, exit, head: true, broken }
}

/// Branches between two bars, all of which are taken.
pub(super) fn parallel(title: String, branches: Vec<Block>, entered: bool) -> Block {
    let (places, inside) = beside(branches.iter().map(|branch| (branch, 0)));
    let axis = match places.as_slice() {
        [(_, first), .., (_, last)] => usize::midpoint(*first, *last),
        [(_, only)] => *only,
        [] => 0,
    };
    let half = places
        .iter()
        .map(|(_, way)| way.abs_diff(axis) + 2)
        .chain([columns(&title).div_ceil(2) + 2, columns("join") / 2 + 2])
        .max()
        .unwrap_or(2);
    let shift = half.saturating_sub(axis);
    let axis = axis + shift;
    let width = (inside + shift).max(axis + half + 1);
    let top = 1 + GAP;
    let last = branches.iter().map(|branch| top + branch.height - 1).max().unwrap_or(0);
    let join = last + 1 + GAP;
    let open = branches.is_empty() || branches.iter().any(|branch| branch.exit.is_some());
    let mut parts = Parts::default();
    let mut exit = open.then_some(entered);
    let bar = |parts: &mut Parts, y, title: String, taken| {
        let area = Area { x: axis - half, y, width: 2 * half + 1, height: 1 };
        parts.cards.push(Card { area, kind: Kind::Bar, lines: vec![title], status: None, taken });
    };
    bar(&mut parts, 0, title, entered);
    for (branch, (x, way)) in branches.into_iter().zip(places) {
        let (x, way) = (x + shift, way + shift);
        parts.line([(way, 0), (way, top)], branch.head, entered);
        match branch.exit {
            Some(taken) => {
                parts.line([(way, top + branch.height - 1), (way, join)], true, taken);
                exit = exit.map(|all| all && taken);
            }
            None => exit = exit.map(|_| false),
        }
        parts.put(branch.parts, x, top);
    }
    if let Some(taken) = exit {
        bar(&mut parts, join, "join".to_owned(), taken);
    }
    let height = if exit.is_some() { join + 1 } else { last + 1 };
    Block { parts, width, height, axis, exit, head: true, broken: None }
}

/// A frame around a flow.
pub(super) fn framed(title: String, inner: Block, entered: bool) -> Block {
    let text = columns(&title);
    let (mut axis, top) = (inner.axis + 2, 2 + GAP);
    let mut width = inner.width + 4;
    // The title is beside the line that enters, on the side that has room for it.
    let title_x = if text + 3 <= axis {
        2
    } else if axis + 3 + text + 2 <= width || axis + 1 < width - axis {
        width = width.max(axis + text + 5);
        axis + 3
    } else {
        let more = text + 3 - axis;
        axis += more;
        width += more;
        2
    };
    let height = top + inner.height + 1;
    let area = Area { x: 0, y: 0, width, height };
    let mut parts = Parts { frames: vec![Frame { area, title, title_x }], ..Parts::default() };
    let x = axis - inner.axis;
    parts.line([(axis, 0), (axis, top)], inner.head, entered);
    if let Some(taken) = inner.exit {
        parts.line([(axis, height - 2), (axis, height - 1)], false, taken);
    }
    let broken = inner.broken.map(|out| {
        let from = (x + inner.width - 1, top + out.row);
        parts.line([from, (width - 1, from.1)], false, out.taken);
        Broken { row: from.1, ..out }
    });
    parts.put(inner.parts, x, top);
    Block { parts, width, height, axis, exit: inner.exit, head: false, broken }
}
