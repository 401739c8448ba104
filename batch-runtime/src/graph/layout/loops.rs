//! Loops: the way back is at the left edge, the way out at the right.

use super::block::{Block, Broken, label};
use super::picture::{Label, Parts, columns};

/// The columns of the way back.
const BACK: usize = 3;

/// The paths from the decider of a `while`.
pub(super) struct WhilePaths {
    pub(super) on: &'static str,
    pub(super) out: &'static str,
    pub(super) goes_on: bool,
    pub(super) goes_out: bool,
}

/// `while`: the decision is the top of the loop.
pub(super) fn while_loop(decision: Block, body: Block, ways: &WhilePaths) -> Block {
    let mut parts = Parts::default();
    let axis = BACK + decision.axis.max(body.axis);
    let side = decision.height / 2;
    let decision_x = axis - decision.axis;
    let decision_right = decision_x + decision.width - 1;
    let lane = (axis + body.width - body.axis + 1).max(decision_right + columns(ways.out) + 4);
    let first = decision.height;
    let top = first + 2;
    parts.line([(axis, first - 1), (axis, top)], body.head, ways.goes_on);
    parts.labels.push(label(axis, first, ways.on, ways.goes_on));
    parts.put(decision.parts, decision_x, 0);
    let back = back(&mut parts, &body, (axis, top), (decision_x, side));
    let end = back + 1;
    parts.line([(decision_right, side), (lane, side), (lane, end), (axis, end)], false, ways.goes_out);
    let out = Label { x: decision_right + 2, y: side, text: ways.out.to_owned(), taken: ways.goes_out };
    parts.labels.push(out);
    let broken = leave(&mut parts, &body, (axis, top), lane, end);
    let taken = ways.goes_out || broken.is_some_and(|out| out.taken);
    parts.put(body.parts, axis - body.axis, top);
    Block { parts, width: lane + 1, height: end + 1, axis, exit: Some(taken), head: true, broken: None }
}

/// `loop`: a point is the top of the loop, and only `break` leaves it.
pub(super) fn endless_loop(junction: Block, body: Block, entered: bool) -> Block {
    let mut parts = Parts::default();
    let axis = BACK + body.axis;
    let lane = (axis + body.width - body.axis + 1).max(axis + 8);
    let top = 2;
    parts.line([(axis, 0), (axis, top)], body.head, entered);
    parts.put(junction.parts, axis, 0);
    parts.labels.push(Label { x: axis + 2, y: 0, text: "loop".to_owned(), taken: entered });
    let back = back(&mut parts, &body, (axis, top), (axis, 0));
    let end = back + 1;
    let broken = leave(&mut parts, &body, (axis, top), lane, end);
    let height = if broken.is_some() { end + 1 } else { end };
    parts.put(body.parts, axis - body.axis, top);
    let exit = broken.map(|out| out.taken);
    Block { parts, width: lane + 1, height, axis, exit, head: false, broken: None }
}

/// Draws the way back, and returns its row.
fn back(parts: &mut Parts, body: &Block, (axis, top): (usize, usize), to: (usize, usize)) -> usize {
    let last = top + body.height - 1;
    if let Some(taken) = body.exit {
        let row = last + 1;
        parts.line([(axis, last), (axis, row), (0, row), (0, to.1), to], true, taken);
        return row;
    }
    last
}

/// Draws the path of the `break`s in the body.
fn leave(
    parts: &mut Parts,
    body: &Block,
    (axis, top): (usize, usize),
    lane: usize,
    end: usize,
) -> Option<Broken> {
    let out = body.broken?;
    let from = (axis - body.axis + body.width - 1, top + out.row);
    parts.line([from, (lane, from.1), (lane, end), (axis, end)], false, out.taken);
    Some(out)
}
