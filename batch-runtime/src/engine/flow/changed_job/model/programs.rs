//! Generates random programs, and random edits of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Mutex;

use super::COMPLETED;
use crate::definition::{
    ComponentUse, DeciderInfo, EarlierName, Need, NeedKind, PositionKinds, Raises, StepInfo, StepKind,
    StepOptions,
};
use crate::graph::{Activity, Arm, Node, Subject, Use};

/// A splitmix64 generator, whose numbers depend only on the seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is less than `end`")
    }

    pub(super) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

#[derive(Debug, Clone)]
enum Stmt {
    Step(u32),
    /// A `match` on how the step ended.
    Ended(u32, Vec<Stmt>),
    Match(u32, [Vec<Stmt>; 2]),
    While(u32, Vec<Stmt>),
    /// A loop whose decider is asked after each iteration.
    Loop(u32, Vec<Stmt>),
    Split(Vec<Vec<Stmt>>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spec {
    /// Identifies the step, whatever its name is.
    identity: u32,
    name: String,
    kind: u8,
    has_state: bool,
    was: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Program {
    steps: BTreeMap<u32, Spec>,
    body: Vec<Stmt>,
    next: u32,
}

impl Program {
    pub(super) fn random(dice: &mut Dice) -> Self {
        let mut program = Self { steps: BTreeMap::new(), body: Vec::new(), next: 0 };
        program.body = program.stmts(dice, 2);
        program
    }

    fn step(&mut self) -> u32 {
        let identity = self.next;
        self.next += 1;
        let name = format!("s{identity}");
        self.steps.insert(identity, Spec { identity, name, kind: 0, has_state: false, was: Vec::new() });
        identity
    }

    fn stmts(&mut self, dice: &mut Dice, depth: u32) -> Vec<Stmt> {
        (0..=dice.below(3)).map(|_| self.stmt(dice, depth)).collect()
    }

    fn stmt(&mut self, dice: &mut Dice, depth: u32) -> Stmt {
        if depth == 0 || dice.one_in(2) {
            return Stmt::Step(self.step());
        }
        let decider = u32::from(dice.one_in(2));
        match dice.below(5) {
            0 => Stmt::Match(decider, [self.stmts(dice, depth - 1), self.stmts(dice, depth - 1)]),
            1 => Stmt::While(decider, self.stmts(dice, depth - 1)),
            2 => Stmt::Loop(decider, self.stmts(dice, depth - 1)),
            3 => Stmt::Ended(self.step(), self.stmts(dice, depth - 1)),
            _ => Stmt::Split((0..=dice.below(3)).map(|_| self.stmts(dice, depth - 1)).collect()),
        }
    }

    /// Edits the program. Returns whether a restart must still be able to continue.
    pub(super) fn edit(&mut self, dice: &mut Dice) -> bool {
        let steps: Vec<u32> = self.steps.keys().copied().collect();
        let step = steps[dice.below(steps.len())];
        match dice.below(12) {
            0 => {
                self.rename(step, false);
                false
            }
            1 | 2 => {
                self.rename(step, true);
                true
            }
            3 => {
                let inserted = Stmt::Step(self.step());
                self.body.push(inserted);
                true
            }
            4 => {
                let spec = self.steps.get_mut(&step).expect("a step of the program");
                spec.kind = 1 - spec.kind;
                false
            }
            5 => {
                let spec = self.steps.get_mut(&step).expect("a step of the program");
                spec.has_state = !spec.has_state;
                false
            }
            _ => {
                let made = if dice.one_in(2) { Stmt::Step(self.step()) } else { self.stmt(dice, 1) };
                let mut at = dice.below(size(&self.body) + 1);
                edit_at(&mut self.body, &mut at, dice, made);
                false
            }
        }
    }

    fn rename(&mut self, step: u32, says: bool) {
        let number = self.next;
        self.next += 1;
        let spec = self.steps.get_mut(&step).expect("a step of the program");
        let was = std::mem::replace(&mut spec.name, format!("n{number}"));
        if says {
            spec.was.push(was);
        } else {
            spec.was.clear();
        }
    }

    pub(super) fn nodes(&self) -> &'static [Node] {
        nodes(&self.body, &self.steps)
    }
}

fn size(stmts: &[Stmt]) -> usize {
    stmts.iter().map(|stmt| 1 + parts(stmt).into_iter().map(|part| size(part)).sum::<usize>()).sum()
}

fn parts(stmt: &Stmt) -> Vec<&Vec<Stmt>> {
    match stmt {
        Stmt::Step(_) => Vec::new(),
        Stmt::Ended(_, body) | Stmt::While(_, body) | Stmt::Loop(_, body) => vec![body],
        Stmt::Match(_, arms) => arms.iter().collect(),
        Stmt::Split(branches) => branches.iter().collect(),
    }
}

fn parts_mut(stmt: &mut Stmt) -> Vec<&mut Vec<Stmt>> {
    match stmt {
        Stmt::Step(_) => Vec::new(),
        Stmt::Ended(_, body) | Stmt::While(_, body) | Stmt::Loop(_, body) => vec![body],
        Stmt::Match(_, arms) => arms.iter_mut().collect(),
        Stmt::Split(branches) => branches.iter_mut().collect(),
    }
}

/// Edits the statement that is `at` statements ahead.
fn edit_at(stmts: &mut Vec<Stmt>, at: &mut usize, dice: &mut Dice, made: Stmt) -> Option<Stmt> {
    let mut made = Some(made);
    let mut index = 0;
    while index < stmts.len() {
        if *at == 0 {
            edit_stmt(stmts, index, dice, made.take()?);
            return None;
        }
        *at -= 1;
        for part in parts_mut(&mut stmts[index]) {
            made = edit_at(part, at, dice, made?);
            made.as_ref()?;
        }
        index += 1;
    }
    made
}

fn edit_stmt(stmts: &mut Vec<Stmt>, index: usize, dice: &mut Dice, made: Stmt) {
    match dice.below(8) {
        0 => stmts.insert(index, made),
        1 => {
            stmts.remove(index);
        }
        2 => {
            let other = dice.below(stmts.len());
            stmts.swap(index, other);
        }
        3 => match &mut stmts[index] {
            Stmt::Match(_, arms) => arms.reverse(),
            Stmt::Split(branches) => branches.reverse(),
            _ => stmts.reverse(),
        },
        4 => {
            let inner = stmts.remove(index);
            let wrapped = match dice.below(4) {
                0 => Stmt::While(0, vec![inner]),
                1 => Stmt::Match(1, [vec![inner], vec![made]]),
                2 => Stmt::Split(vec![vec![inner], vec![made]]),
                _ => Stmt::Loop(1, vec![inner]),
            };
            stmts.insert(index, wrapped);
        }
        5 => {
            let inner: Vec<Stmt> = parts(&stmts[index]).into_iter().flatten().cloned().collect();
            let unwrapped = match &stmts[index] {
                Stmt::Step(step) => vec![Stmt::Ended(*step, Vec::new())],
                Stmt::Ended(step, _) => std::iter::once(Stmt::Step(*step)).chain(inner).collect(),
                _ => inner,
            };
            stmts.splice(index..=index, unwrapped);
        }
        6 => match &mut stmts[index] {
            Stmt::Match(decider, _) | Stmt::While(decider, _) | Stmt::Loop(decider, _) => {
                *decider = 1 - *decider;
            }
            _ => stmts.insert(index, made),
        },
        _ => stmts.insert(index + 1, made),
    }
}

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn csv() -> PositionKinds {
    PositionKinds { reader: "CsvReader".to_owned(), writer: "FunctionWriter".to_owned() }
}

fn lines() -> PositionKinds {
    PositionKinds { reader: "JsonLinesReader".to_owned(), writer: "FunctionWriter".to_owned() }
}

/// The `StepInfo` that the macro would generate for a step. It is leaked, but only once for equal specs.
fn info(spec: &Spec) -> &'static StepInfo {
    static MADE: Mutex<BTreeMap<Spec, &StepInfo>> = Mutex::new(BTreeMap::new());
    const STATE: &[Need] = &[Need { name: "seen", asked_by: "processor", kind: NeedKind::State("Seen") }];
    let mut made = MADE.lock().expect("no other test panicked with the lock");
    made.entry(spec.clone()).or_insert_with(|| {
        let component =
            |role, name, needs| ComponentUse { role, name, needs, bindings: &[], raises: Raises::Unknown };
        let reader = leaked(format!("r{}", spec.identity));
        let components = leaked([
            component("reader", reader, &[]),
            component("processor", "dedupe", if spec.has_state { STATE } else { &[] }),
        ]);
        let was: Vec<_> =
            spec.was.iter().map(|name| EarlierName { name: leaked(name.clone()), of: None }).collect();
        leaked(StepInfo {
            id: reader,
            name: leaked(spec.name.clone()),
            doc: "",
            kind: StepKind::Chunk,
            options: StepOptions::DEFAULT.renamed_from(leaked(was)),
            components,
            kinds: Some(if spec.kind == 0 { csv } else { lines }),
            run: |_| unreachable!("nothing is executed"),
        })
    })
}

const fn decider(name: &'static str) -> DeciderInfo {
    DeciderInfo { id: name, name, needs: &[], decide: |_| unreachable!("nothing is asked") }
}

static DECIDERS: [DeciderInfo; 2] = [decider("d"), decider("e")];

fn first(_: Box<dyn Any>) -> usize {
    0
}

fn nodes(stmts: &[Stmt], steps: &BTreeMap<u32, Spec>) -> &'static [Node] {
    let inner = |stmts: &[Stmt]| nodes(stmts, steps);
    let used = |step: &u32| {
        let step = info(&steps[step]);
        Use { name: step.name, activity: Activity::Step(step), bindings: &[] }
    };
    let asked = |number: &u32| {
        let decider = &DECIDERS[*number as usize];
        (decider, Use { name: decider.name, activity: Activity::Decider(decider), bindings: &[] })
    };
    let made: Vec<Node> = stmts
        .iter()
        .map(|stmt| match stmt {
            Stmt::Step(step) => Node::Run(used(step)),
            Stmt::Ended(step, body) => {
                let used = used(step);
                let arms =
                    leaked([Arm { label: COMPLETED, body: inner(body) }, Arm { label: "FAILED", body: &[] }]);
                Node::Match { subject: Subject::Ended(used.activity), used, arms, route: first }
            }
            Stmt::Match(number, [a, b]) => {
                let (decider, used) = asked(number);
                let arms = leaked([Arm { label: "A", body: inner(a) }, Arm { label: "B", body: inner(b) }]);
                Node::Match { subject: Subject::Decider(decider), used, arms, route: first }
            }
            Stmt::While(number, body) => {
                let (decider, used) = asked(number);
                Node::While { decider, used, negated: false, body: inner(body) }
            }
            Stmt::Loop(number, body) => {
                let (decider, used) = asked(number);
                let arms =
                    leaked([Arm { label: "A", body: &[] }, Arm { label: "B", body: leaked([Node::Break]) }]);
                let leaves = Node::Match { subject: Subject::Decider(decider), used, arms, route: first };
                let body = [Node::Split { branches: leaked([inner(body)]), max: None }, leaves];
                Node::Loop(leaked(body))
            }
            Stmt::Split(branches) => {
                let branches: Vec<_> = branches.iter().map(|branch| inner(branch)).collect();
                Node::Split { branches: leaked(branches), max: None }
            }
        })
        .collect();
    leaked(made)
}
