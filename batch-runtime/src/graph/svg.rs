//! Draws a job as SVG: a picture for a page or a browser, light or dark as the reader prefers.

use std::fmt::Write;

use super::layout::{Area, Card, Frame, Kind, Label, Line, Picture, columns, lay_out};
use super::status::{ExecutionProgress, State};
use crate::definition::{ExecutionId, JobInfo, StepExecutionId};

/// The size of a cell. The font size is 13 pixels, and a character is at most 0.6 times as wide.
const WIDE: usize = 8;
const HIGH: usize = 16;
const FONT: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";

/// Colours: background, border, card, text, soft text, line, terminal, decision, bar, frame.
const LIGHT: [&str; 10] = [
    "#ffffff", "#8c959f", "#ffffff", "#1f2328", "#59636e", "#8c959f", "#f0f3f6", "#eef4fb", "#d8dee4",
    "#f9fafb",
];
const DARK: [&str; 10] = [
    "#0d1117", "#656c76", "#161b22", "#e6edf3", "#9198a1", "#656c76", "#21262d", "#15233a", "#30363d",
    "#11161d",
];

/// The address of a step execution.
pub(crate) type Address = fn(ExecutionId, StepExecutionId) -> String;

/// A job as SVG, with the progress of one of its executions. With `address`, each step that has begun is a link.
pub(super) fn svg(
    job: &JobInfo,
    seen: Option<&ExecutionProgress>,
    title: &str,
    address: Option<Address>,
) -> String {
    let mut svg = Svg { text: String::with_capacity(16_384), address };
    svg.picture(&lay_out(job, seen), title, seen.is_some());
    svg.text
}

struct Svg {
    text: String,
    address: Option<Address>,
}

impl Svg {
    fn picture(&mut self, picture: &Picture, title: &str, is_run: bool) {
        // A browser hides everything within an image from screen readers, including the links.
        let role = if self.address.is_some() { "group" } else { "img" };
        let (width, height) = (picture.width * WIDE, picture.height * HIGH);
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xml:space=\"preserve\" role=\"{role}\">"
        ));
        self.put(format_args!("<title>{}</title>", escaped(title)));
        self.put(format_args!("<style>\n{}</style>", styles()));
        if is_run {
            self.put(format_args!("<g class=\"run\">"));
        }
        self.put(format_args!("<rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"));
        for frame in &picture.parts.frames {
            self.frame(frame);
        }
        // Lines that were taken are drawn last, so that nothing covers them.
        for taken in [false, true] {
            picture.parts.lines.iter().filter(|line| line.taken == taken).for_each(|line| self.line(line));
        }
        picture.parts.labels.iter().for_each(|label| self.label(label));
        picture.parts.cards.iter().for_each(|card| self.card(card));
        if is_run {
            self.put(format_args!("</g>"));
        }
        self.put(format_args!("</svg>"));
    }

    fn put(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn frame(&mut self, frame: &Frame) {
        let Box { x, y, width, height } = Box::of(frame.area);
        self.put(format_args!(
            "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
        ));
        let (x, y) = (frame.title_x * WIDE, baseline(frame.area.y + 1));
        self.put(format_args!("<text class=\"soft\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(&frame.title)));
    }

    fn line(&mut self, line: &Line) {
        let class = if line.taken { "way taken" } else { "way" };
        let (Some(last), Some(before)) =
            (line.points.last(), line.points.len().checked_sub(2).map(|at| line.points[at]))
        else {
            return;
        };
        let mut points: Vec<(usize, usize)> = line.points.iter().map(|point| centre(*point)).collect();
        let down = last.0 == before.0;
        if let (true, Some(end)) = (line.head, points.last_mut()) {
            // The line ends in the arrowhead, so that a thick line does not cover the point of the arrowhead.
            if down { end.1 -= 5 } else { end.0 -= 5 }
        }
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        self.put(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
        if line.head {
            let (x, y) = centre(*last);
            let class = if line.taken { "head taken" } else { "head" };
            let (w, l) = (4, 8);
            let points = if down {
                format!("{},{} {},{} {x},{y}", x - w, y - l, x + w, y - l)
            } else {
                format!("{},{} {},{} {x},{y}", x - l, y - w, x - l, y + w)
            };
            self.put(format_args!("<polygon class=\"{class}\" points=\"{points}\"/>"));
        }
    }

    fn label(&mut self, label: &Label) {
        let (x, _) = centre((label.x + columns(&label.text) / 2, label.y));
        let y = baseline(label.y);
        let class = if label.taken { "label taken" } else { "label" };
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(&label.text)));
    }

    fn card(&mut self, card: &Card) {
        let state = card.status.as_ref().map_or("", |status| status.state.class());
        let kind = match card.kind {
            Kind::Terminal => "terminal",
            Kind::Failure => "terminal failure",
            Kind::Stop => "terminal stop",
            Kind::Step | Kind::Job => "step",
            Kind::Decision => "decision",
            Kind::Junction => "junction",
            Kind::Bar => "bar",
        };
        let step = card.status.as_ref().and_then(|status| status.step);
        let link =
            self.address.zip(step).map(|(address, (execution, step))| (address(execution, step), step));
        if let Some((address, step)) = &link {
            let address = escaped(address);
            self.put(format_args!("<a id=\"graph-step-{step}\" href=\"{address}\">"));
        }
        let classes = ["card", kind, state, if card.taken { "taken" } else { "" }];
        let classes: Vec<&str> = classes.into_iter().filter(|class| !class.is_empty()).collect();
        self.put(format_args!("<g class=\"{}\">", classes.join(" ")));
        self.outline(card);
        self.text(card);
        self.put(format_args!("</g>"));
        if link.is_some() {
            self.put(format_args!("</a>"));
        }
    }

    fn outline(&mut self, card: &Card) {
        let Box { x, y, width, height } = Box::of(card.area);
        let (right, bottom, middle) = (x + width, y + height, y + height / 2);
        match card.kind {
            Kind::Terminal | Kind::Failure | Kind::Stop => self.put(format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"16\"/>"
            )),
            Kind::Step => self.put(format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/>"
            )),
            Kind::Job => {
                self.put(format_args!(
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/>"
                ));
                let (left, right) = (x + 4, right - 4);
                self.put(format_args!("<path d=\"M{left},{y}V{bottom}M{right},{y}V{bottom}\"/>"));
            }
            Kind::Decision => {
                let (left, inner) = (x + 10, right - 10);
                self.put(format_args!(
                    "<polygon points=\"{left},{y} {inner},{y} {right},{middle} {inner},{bottom} {left},{bottom} {x},{middle}\"/>"
                ));
            }
            Kind::Junction => {
                let (x, y) = centre((card.area.x, card.area.y));
                self.put(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"));
            }
            Kind::Bar => {
                let (_, y) = centre((0, card.area.y));
                let y = y - 9;
                self.put(format_args!(
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"18\" rx=\"3\"/>"
                ));
            }
        }
    }

    fn text(&mut self, card: &Card) {
        let status = card.status.as_ref().map(super::status::Status::line);
        let Area { x, y, width, .. } = card.area;
        let middle = x * WIDE + width * WIDE / 2;
        let first = if card.kind == Kind::Bar { y } else { y + 1 };
        // One line is in the middle; several begin at the same column.
        let centred =
            !matches!(card.kind, Kind::Step | Kind::Job) || (card.lines.len() == 1 && status.is_none());
        for (row, line) in card.lines.iter().enumerate() {
            let (class, y) = (if row == 0 { "name" } else { "soft" }, baseline(first + row));
            let line = escaped(line);
            if centred {
                self.put(format_args!("<text class=\"{class} mid\" x=\"{middle}\" y=\"{y}\">{line}</text>"));
            } else {
                let x = (x + 2) * WIDE;
                self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{line}</text>"));
            }
        }
        if let Some(status) = status {
            let (x, y) = ((x + 2) * WIDE, baseline(first + card.lines.len()));
            self.put(format_args!("<text class=\"state\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(&status)));
        }
    }
}

/// The outline of an area in pixels: it goes through the centres of the outermost cells.
struct Box {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Box {
    fn of(area: Area) -> Self {
        let (x, y) = centre((area.x, area.y));
        Self { x, y, width: (area.width - 1) * WIDE, height: (area.height - 1) * HIGH }
    }
}

const fn centre((x, y): (usize, usize)) -> (usize, usize) {
    (x * WIDE + WIDE / 2, y * HIGH + HIGH / 2)
}

/// The baseline of a text in that row.
const fn baseline(row: usize) -> usize {
    row * HIGH + HIGH / 2 + 4
}

/// The styles of every picture.
pub(crate) fn styles() -> String {
    let mut css = format!(
        "text{{font:13px {FONT};white-space:pre}}.mid,.label{{text-anchor:middle}}.name{{font-weight:600}}.bar text{{font:12px {FONT}}}\n\
         .way{{fill:none;stroke-width:1.25;stroke-linejoin:round}}.way.taken{{stroke-width:3}}.label{{font-size:12px;stroke-width:5;paint-order:stroke;stroke-linejoin:round}}\n\
         .label.taken{{font-weight:600}}.frame{{stroke-dasharray:4 3}}.card rect,.card polygon,.card path{{stroke-width:1.25}}.card.taken rect,.card.taken polygon{{stroke-width:2}}\n"
    );
    css.push_str(&colours(&LIGHT, State::colour));
    css.push_str("@media (prefers-color-scheme:dark){\n");
    css.push_str(&colours(&DARK, State::dark_colour));
    css.push_str("}\n");
    css
}

fn colours(
    [page, border, card, text, soft, line, terminal, decision, bar, frame]: &[&str; 10],
    of_state: fn(State) -> &'static str,
) -> String {
    let (failed, stopped, taken) = (of_state(State::Failed), of_state(State::Stopped), text);
    let mut css = format!(
        "text{{fill:{text}}}.soft,.label{{fill:{soft}}}.label{{stroke:{page}}}.page{{fill:{page}}}.frame{{fill:{frame};stroke:{border}}}\n\
         .way{{stroke:{line}}}.head{{fill:{line}}}.way.taken{{stroke:{taken}}}.head.taken,.label.taken{{fill:{taken}}}\n\
         .card rect,.card polygon,.card path,.card circle{{fill:{card};stroke:{border}}}.card path{{fill:none}}.terminal rect{{fill:{terminal}}}\n\
         .decision polygon{{fill:{decision}}}.bar rect{{fill:{bar};stroke:{bar}}}.junction circle{{fill:{line};stroke:{line}}}\n\
         .failure rect{{stroke:{failed}}}.failure .name{{fill:{failed}}}.stop rect{{stroke:{stopped}}}.stop .name{{fill:{stopped}}}\n\
         .run .card:not(.taken) text{{fill:{soft}}}\n"
    );
    for state in State::ALL {
        let (class, colour) = (state.class(), of_state(state));
        let _ = write!(css, ".{class} rect,.{class} path{{stroke:{colour}}}.{class} .state{{fill:{colour}}}");
    }
    css.push('\n');
    css
}

/// Escapes a text for SVG. XML cannot represent most control characters, so they become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
