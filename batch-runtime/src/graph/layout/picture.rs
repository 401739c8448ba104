//! A laid-out drawing: cards, frames, lines and labels in cells, each as wide as a character of a monospaced font.

use crate::graph::status::Status;

/// A drawing in which every part has its place. Columns and rows are counted from the top left.
#[derive(Debug, Default, PartialEq)]
pub(in crate::graph) struct Picture {
    pub(in crate::graph) width: usize,
    pub(in crate::graph) height: usize,
    pub(in crate::graph) parts: Parts,
}

/// The parts of a drawing, or of a part of it.
#[derive(Debug, Default, PartialEq)]
pub(in crate::graph) struct Parts {
    pub(in crate::graph) cards: Vec<Card>,
    pub(in crate::graph) frames: Vec<Frame>,
    pub(in crate::graph) lines: Vec<Line>,
    pub(in crate::graph) labels: Vec<Label>,
}

/// A place in the drawing: the cells that it covers, including its border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graph) struct Area {
    pub(in crate::graph) x: usize,
    pub(in crate::graph) y: usize,
    pub(in crate::graph) width: usize,
    pub(in crate::graph) height: usize,
}

impl Area {
    pub(in crate::graph) const fn right(self) -> usize {
        self.x + self.width - 1
    }

    pub(in crate::graph) const fn bottom(self) -> usize {
        self.y + self.height - 1
    }

    fn moved(&mut self, dx: usize, dy: usize) {
        self.x += dx;
        self.y += dy;
    }
}

/// A box with text.
#[derive(Debug, PartialEq)]
pub(in crate::graph) struct Card {
    pub(in crate::graph) area: Area,
    pub(in crate::graph) kind: Kind,
    /// The first line is the title.
    pub(in crate::graph) lines: Vec<String>,
    /// The outcome; `None` if the drawing shows no execution, or if a box of this kind has none.
    pub(in crate::graph) status: Option<Status>,
    /// True if the execution came here.
    pub(in crate::graph) taken: bool,
}

/// The meaning of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graph) enum Kind {
    /// The start or end of the job.
    Terminal,
    /// A `fail!`.
    Failure,
    /// A `stop!`.
    Stop,
    Step,
    Job,
    Decision,
    /// The start of a `loop`: a point.
    Junction,
    /// The start or end of branches: a bar of one row.
    Bar,
}

/// A flow: a frame around its parts.
#[derive(Debug, PartialEq)]
pub(in crate::graph) struct Frame {
    pub(in crate::graph) area: Area,
    pub(in crate::graph) title: String,
    /// The first column of the title, which is in the row below the upper border.
    pub(in crate::graph) title_x: usize,
}

/// A line along columns and rows, through the centres of cells. It begins and ends on the borders of cards, or on other
/// lines.
#[derive(Debug, PartialEq)]
pub(in crate::graph) struct Line {
    pub(in crate::graph) points: Vec<(usize, usize)>,
    /// True if an arrowhead is at its end.
    pub(in crate::graph) head: bool,
    /// True if the execution went along it.
    pub(in crate::graph) taken: bool,
}

/// A text on a line.
#[derive(Debug, PartialEq)]
pub(in crate::graph) struct Label {
    /// The first column of the text.
    pub(in crate::graph) x: usize,
    pub(in crate::graph) y: usize,
    pub(in crate::graph) text: String,
    pub(in crate::graph) taken: bool,
}

impl Parts {
    /// Adds the parts of a smaller drawing, moved by `dx` columns and `dy` rows.
    pub(super) fn put(&mut self, mut other: Self, dx: usize, dy: usize) {
        other.cards.iter_mut().for_each(|card| card.area.moved(dx, dy));
        for frame in &mut other.frames {
            frame.area.moved(dx, dy);
            frame.title_x += dx;
        }
        for (x, y) in other.lines.iter_mut().flat_map(|line| &mut line.points) {
            *x += dx;
            *y += dy;
        }
        for label in &mut other.labels {
            label.x += dx;
            label.y += dy;
        }
        self.cards.append(&mut other.cards);
        self.frames.append(&mut other.frames);
        self.lines.append(&mut other.lines);
        self.labels.append(&mut other.labels);
    }

    pub(super) fn line(&mut self, points: impl Into<Vec<(usize, usize)>>, head: bool, taken: bool) {
        let mut points = points.into();
        points.dedup();
        if points.len() > 1 {
            self.lines.push(Line { points, head, taken });
        }
    }
}

/// The number of columns of a text. Letters of East Asian scripts and emoji are two columns wide.
pub(in crate::graph) fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// The words of a text in lines of at most this many columns, unless a single word is longer.
pub(in crate::graph) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
