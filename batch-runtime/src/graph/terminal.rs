//! Draws a job with the box-drawing characters of a terminal.

use super::layout::{Area, Card, Kind, Line, Picture, columns, lay_out};
use super::status::ExecutionProgress;
use super::words::parameter;
use crate::definition::JobInfo;

/// A job as a drawing of characters, with the progress of one of its executions.
pub(super) fn drawn(job: &JobInfo, seen: Option<&ExecutionProgress>) -> String {
    let parameters: Vec<String> = job.parameters.iter().map(parameter).collect();
    format!(
        "job {}({})\n\n{}",
        job.name,
        parameters.join(", "),
        Canvas::of(&lay_out(job, seen), seen.is_some()).text()
    )
}

const UP: u8 = 1;
const RIGHT: u8 = 2;
const DOWN: u8 = 4;
const LEFT: u8 = 8;

/// The characters of light and of heavy lines, indexed by the sides to which their lines lead.
const LIGHT: [char; 16] = [' ', '╵', '╶', '└', '╷', '│', '┌', '├', '╴', '┘', '─', '┴', '┐', '┤', '┬', '┼'];
const HEAVY: [char; 16] = [' ', '╹', '╺', '┗', '╻', '┃', '┏', '┣', '╸', '┛', '━', '┻', '┓', '┫', '┳', '╋'];

/// A character of the drawing.
#[derive(Clone, Copy)]
enum Cell {
    /// The sides to which lines lead from here, and whether the execution took one of them.
    Lines(u8, bool),
    Char(char),
    /// Covered by the wide character before it.
    Covered,
}

struct Canvas {
    rows: Vec<Vec<Cell>>,
    /// True if the drawing shows the path of an execution.
    is_run: bool,
}

impl Canvas {
    fn of(picture: &Picture, is_run: bool) -> Self {
        let mut canvas =
            Self { rows: vec![vec![Cell::Lines(0, false); picture.width]; picture.height], is_run };
        for frame in &picture.parts.frames {
            canvas.border(frame.area, ['┄', '┆', '┌', '┐', '└', '┘']);
            canvas.put(frame.title_x, frame.area.y + 1, &frame.title);
        }
        for line in &picture.parts.lines {
            canvas.line(line);
        }
        for card in &picture.parts.cards {
            canvas.card(card);
        }
        // The ends of lines, and the arrowheads, are drawn over the borders of the cards.
        for line in &picture.parts.lines {
            canvas.ends(line, &picture.parts.cards);
        }
        for label in &picture.parts.labels {
            canvas.put(label.x, label.y, &label.text);
        }
        canvas
    }

    fn set(&mut self, x: usize, y: usize, cell: Cell) {
        if let Some(place) = self.rows.get_mut(y).and_then(|row| row.get_mut(x)) {
            *place = cell;
        }
    }

    fn put(&mut self, mut x: usize, y: usize, text: &str) {
        for c in text.chars() {
            let c = if c.is_control() { ' ' } else { c };
            self.set(x, y, Cell::Char(c));
            let wide = columns(c.encode_utf8(&mut [0; 4]));
            if wide > 1 {
                self.set(x + 1, y, Cell::Covered);
            }
            x += wide;
        }
    }

    fn lead(&mut self, (x, y): (usize, usize), sides: u8, taken: bool) {
        if let Some(place) = self.rows.get_mut(y).and_then(|row| row.get_mut(x)) {
            *place = match *place {
                Cell::Lines(before, was) => Cell::Lines(before | sides, was || taken),
                _ => Cell::Lines(sides, taken),
            };
        }
    }

    fn line(&mut self, line: &Line) {
        for ends in line.points.windows(2) {
            let (mut at, to) = (ends[0], ends[1]);
            while at != to {
                let (next, on, back) = match (at.0.cmp(&to.0), at.1.cmp(&to.1)) {
                    (std::cmp::Ordering::Less, _) => ((at.0 + 1, at.1), RIGHT, LEFT),
                    (std::cmp::Ordering::Greater, _) => ((at.0 - 1, at.1), LEFT, RIGHT),
                    (_, std::cmp::Ordering::Less) => ((at.0, at.1 + 1), DOWN, UP),
                    _ => ((at.0, at.1 - 1), UP, DOWN),
                };
                self.lead(at, on, line.taken);
                self.lead(next, back, line.taken);
                at = next;
            }
        }
    }

    /// Draws the place where a line leaves a card, and the arrowhead of the line.
    fn ends(&mut self, line: &Line, cards: &[Card]) {
        let points = &line.points;
        let (first, second) = (points[0], points[1]);
        let leaves = |card: &&Card| {
            let Area { x, y, width, .. } = card.area;
            (x..x + width).contains(&first.0) && (y..=card.area.bottom()).contains(&first.1)
        };
        if let Some(card) = cards.iter().find(leaves) {
            let below = second.1 > first.1;
            match (card.kind, below) {
                (Kind::Bar | Kind::Junction, _) => {}
                (Kind::Job, true) => self.set(first.0, first.1, Cell::Char('╤')),
                (_, true) => self.set(first.0, first.1, Cell::Char('┬')),
                (_, false) => self.set(first.0, first.1, Cell::Char('├')),
            }
        }
        if line.head {
            let (before, (x, y)) = (points[points.len() - 2], points[points.len() - 1]);
            let [down, right] = if self.is_run && !line.taken { ['▽', '▷'] } else { ['▼', '▶'] };
            if before.0 == x {
                self.set(x, y - 1, Cell::Char(down));
            } else {
                self.set(x - 1, y, Cell::Char(right));
            }
        }
    }

    fn border(&mut self, area: Area, [across, down, a, b, c, d]: [char; 6]) {
        let Area { x, y, .. } = area;
        let (right, bottom) = (area.right(), area.bottom());
        for at in x..=right {
            self.set(at, y, Cell::Char(across));
            self.set(at, bottom, Cell::Char(across));
        }
        for at in y..=bottom {
            self.set(x, at, Cell::Char(down));
            self.set(right, at, Cell::Char(down));
        }
        for (at, row, corner) in [(x, y, a), (right, y, b), (x, bottom, c), (right, bottom, d)] {
            self.set(at, row, Cell::Char(corner));
        }
    }

    fn card(&mut self, card: &Card) {
        let area = card.area;
        match card.kind {
            Kind::Junction => return self.set(area.x, area.y, Cell::Char('●')),
            Kind::Bar => {
                (area.x..=area.right()).for_each(|x| self.set(x, area.y, Cell::Char('═')));
                let title = format!(" {} ", card.lines.join(" "));
                return self.put(area.x + (area.width - columns(&title)) / 2, area.y, &title);
            }
            Kind::Terminal | Kind::Failure | Kind::Stop => {
                self.border(area, ['─', '│', '╭', '╮', '╰', '╯']);
            }
            Kind::Step => self.border(area, ['─', '│', '┌', '┐', '└', '┘']),
            Kind::Job => self.border(area, ['═', '║', '╔', '╗', '╚', '╝']),
            Kind::Decision => self.border(area, ['─', '│', '╱', '╲', '╲', '╱']),
        }
        for y in area.y + 1..area.bottom() {
            (area.x + 1..area.right()).for_each(|x| self.set(x, y, Cell::Char(' ')));
        }
        let lines = card.lines.iter().cloned().chain(card.status.as_ref().map(super::status::Status::line));
        let centred = !matches!(card.kind, Kind::Step | Kind::Job);
        for (row, line) in lines.enumerate() {
            let x = if centred { area.x + (area.width - columns(&line)) / 2 } else { area.x + 2 };
            self.put(x, area.y + 1 + row, &line);
        }
    }

    fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let row: String = row
                .iter()
                .filter_map(|cell| match *cell {
                    Cell::Lines(sides, taken) => Some(if taken { HEAVY } else { LIGHT }[usize::from(sides)]),
                    Cell::Char(c) => Some(c),
                    Cell::Covered => None,
                })
                .collect();
            format!("{}\n", row.trim_end())
        });
        rows.collect::<String>().trim_matches('\n').to_owned() + "\n"
    }
}
