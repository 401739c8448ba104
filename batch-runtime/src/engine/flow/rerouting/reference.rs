//! Interprets bodies with nothing but a record of the places that were passed. The engine must run the same steps.

mod instance;

use self::instance::{COMPLETED, FAILED, Instance, Key, Kind, stops_in};
use super::body::{Statement, Step};
use super::script::{Outcome, Script};

/// How an execution ended, in terms that the engine and the reference share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Failed,
    Stopped,
    /// The owner died.
    Dead,
}

/// A reason to leave a body before its end.
enum Leaves {
    Ends(End),
}

type Walked<T = ()> = Result<T, Leaves>;

fn fails<T>() -> Walked<T> {
    Err(Leaves::Ends(End::Failed))
}

pub(super) struct Reference {
    script: Script,
    instance: Instance,
    ran: Vec<String>,
}

impl Reference {
    pub(super) fn new(outcomes: &[u8]) -> Self {
        Self { script: Script::new(outcomes), instance: Instance::default(), ran: Vec::new() }
    }

    pub(super) fn ran(&mut self) -> Vec<String> {
        std::mem::take(&mut self.ran)
    }

    /// Runs the job once more. The owner dies at the write with that number.
    pub(super) fn run(&mut self, body: &[Statement], death: Option<u32>) -> End {
        let mut life = Life { script: &mut self.script, ran: &mut self.ran, left: death, dead: false };
        execute(body, &mut self.instance, &mut life)
    }
}

/// The writes that an owner has left before it dies.
struct Life<'l> {
    script: &'l mut Script,
    ran: &'l mut Vec<String>,
    left: Option<u32>,
    dead: bool,
}

impl Life<'_> {
    /// Writes to the repository, which is where an owner dies.
    fn write(&mut self) -> Walked {
        match &mut self.left {
            Some(0) => self.dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        self.live()
    }

    fn live(&self) -> Walked {
        if self.dead { Err(Leaves::Ends(End::Dead)) } else { Ok(()) }
    }
}

/// Runs an instance until its execution ends.
fn execute(body: &[Statement], instance: &mut Instance, life: &mut Life<'_>) -> End {
    instance.open.clear();
    let mut stops = 0;
    let _ = instance.follow(body, &mut Vec::new(), &mut Vec::new(), &mut stops);
    let mut walk = Walk { instance, life, iterations: Vec::new(), stops: 0 };
    let end = match walk.body(body) {
        Ok(()) => End::Completed,
        Err(Leaves::Ends(end)) => end,
    };
    if end == End::Dead || life.write().is_err() {
        return End::Dead;
    }
    instance.complete = end == End::Completed;
    end
}

/// One walk through a body.
struct Walk<'w, 'l> {
    instance: &'w mut Instance,
    life: &'w mut Life<'l>,
    iterations: Vec<u32>,
    stops: usize,
}

impl Walk<'_, '_> {
    fn key(&self, kind: Kind, number: usize) -> Key {
        (kind, number, self.iterations.clone())
    }

    fn body(&mut self, body: &[Statement]) -> Walked {
        body.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Walked {
        match statement {
            Statement::Run(step) => self.step(step, None, &|_| None),
            Statement::Nested(number, body) => self.nested(*number, body, None),
            // The failure is handled, so the step or job is passed either way.
            Statement::MatchEnd(step, arms) => {
                self.step(step, Some(arms), &|outcome| {
                    Some(if matches!(outcome, Outcome::Completed(_)) { COMPLETED } else { FAILED })
                })?;
                self.arm(step.number, arms)
            }
            Statement::MatchNested(number, body, arms) => {
                self.nested(*number, body, Some(arms))?;
                self.arm(*number, arms)
            }
            Statement::MatchValue(step, arms) => {
                self.step(step, Some(arms), &|outcome| match outcome {
                    Outcome::Completed(value) => Some(value),
                    _ => None,
                })?;
                self.arm(step.number, arms)
            }
            Statement::MatchDecider(number, arms) => {
                let key = self.key(Kind::Chosen, *number);
                if !self.instance.passed.contains_key(&key) || self.instance.open.contains(&key) {
                    let Some(arm) = self.ask(Script::arm)? else { return fails() };
                    self.life.write()?;
                    self.choose(*number, arm, arms);
                }
                self.arm(*number, arms)
            }
            Statement::While(number, _, body) => self.repeats(body, |walk| {
                let key = walk.key(Kind::Chosen, *number);
                if !walk.instance.passed.contains_key(&key) || walk.instance.open.contains(&key) {
                    let Some(enough) = walk.ask(Script::is_enough)? else { return fails() };
                    walk.life.write()?;
                    if enough {
                        // The loop ends here, so neither this iteration nor a later one counts as passed.
                        let (iterations, mut stops) = (walk.iterations.clone(), walk.stops);
                        walk.instance.forget(body, &iterations, &mut stops, true);
                        walk.instance.forget_one(*number, &iterations, true);
                    }
                    walk.instance.passed.insert(key.clone(), usize::from(enough));
                }
                if walk.instance.passed[&key] == 1 { Ok(false) } else { walk.body(body).map(|()| true) }
            }),
            Statement::Loop(number, body) => self.repeats(body, |walk| {
                walk.body(body)?;
                let key = walk.key(Kind::Chosen, *number);
                if !walk.instance.passed.contains_key(&key) {
                    let Some(enough) = walk.ask(Script::is_enough)? else { return fails() };
                    walk.life.write()?;
                    walk.instance.passed.insert(key.clone(), usize::from(enough));
                }
                Ok(walk.instance.passed[&key] == 0)
            }),
            Statement::Split(branches) => {
                let mut worst = None;
                for branch in branches {
                    let mut before = self.stops;
                    if let Err(Leaves::Ends(end)) = self.body(branch) {
                        worst = Some(worst.map_or(end, |other| worse(other, end)));
                    }
                    before += branch.iter().map(stops_in).sum::<usize>();
                    self.stops = before;
                }
                worst.map_or(Ok(()), |end| Err(Leaves::Ends(end)))
            }
            Statement::End => Err(Leaves::Ends(End::Completed)),
            Statement::Fail => fails(),
            Statement::Stop => {
                self.stops += 1;
                let key = self.key(Kind::Stopped, self.stops);
                if self.instance.passed.contains_key(&key) {
                    return Ok(());
                }
                self.life.write()?;
                self.instance.passed.insert(key, 0);
                Err(Leaves::Ends(End::Stopped))
            }
        }
    }

    fn repeats(&mut self, body: &[Statement], mut once: impl FnMut(&mut Self) -> Walked<bool>) -> Walked {
        let before = self.stops;
        self.iterations.push(0);
        let walked = loop {
            *self.iterations.last_mut().expect("was pushed") += 1;
            self.stops = before;
            match once(self) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(leaves) => break Err(leaves),
            }
        };
        self.iterations.pop();
        self.stops = before + body.iter().map(stops_in).sum::<usize>();
        walked
    }

    fn ask<T>(&mut self, answer: impl FnOnce(&mut Script) -> Option<T>) -> Walked<Option<T>> {
        self.life.live()?;
        self.life.ran.push("?".to_owned());
        Ok(answer(self.life.script))
    }

    /// Takes an arm, and forgets the places that were passed in another one.
    fn choose(&mut self, number: usize, arm: usize, arms: &[Vec<Statement>; 2]) {
        let key = self.key(Kind::Chosen, number);
        if let Some(before) = self.instance.passed.insert(key, arm)
            && before != arm
        {
            let mut stops = self.stops + arms[..before].iter().flatten().map(stops_in).sum::<usize>();
            self.instance.forget(&arms[before], &self.iterations, &mut stops, false);
        }
    }

    /// Walks the arm that is taken.
    fn arm(&mut self, number: usize, arms: &[Vec<Statement>; 2]) -> Walked {
        let arm = self.instance.passed[&self.key(Kind::Chosen, number)];
        let before = self.stops;
        self.stops += arms[..arm].iter().flatten().map(stops_in).sum::<usize>();
        let walked = self.body(&arms[arm]);
        self.stops = before + arms.iter().flatten().map(stops_in).sum::<usize>();
        walked
    }

    /// Runs a step, unless it was passed and does not run again.
    fn step(
        &mut self,
        step: &Step,
        arms: Option<&[Vec<Statement>; 2]>,
        arm_of: &dyn Fn(Outcome) -> Option<usize>,
    ) -> Walked {
        let (ended, chosen) = (self.key(Kind::Ended, step.number), self.key(Kind::Chosen, step.number));
        let runs = match self.instance.passed.get(&ended) {
            None => true,
            Some(&end) => {
                (step.allow_start_if_complete && end == COMPLETED) || self.instance.open.contains(&chosen)
            }
        };
        if !runs {
            return Ok(());
        }
        self.life.write()?;
        self.life.ran.push(self.shown(&step.name()));
        let outcome = self.life.script.step();
        self.life.write()?;
        match (outcome, arm_of(outcome)) {
            (Outcome::Stopped, _) => return Err(Leaves::Ends(End::Stopped)),
            (Outcome::Failed, None) => return fails(),
            (Outcome::Failed, Some(_)) => drop(self.instance.passed.insert(ended, FAILED)),
            (Outcome::Completed(_), _) => {
                *self.instance.completions.entry(ended.clone()).or_insert(0) += 1;
                self.instance.passed.insert(ended, COMPLETED);
            }
        }
        if let (Some(arm), Some(arms)) = (arm_of(outcome), arms) {
            self.choose(step.number, arm, arms);
        }
        Ok(())
    }

    /// Runs a nested job as an instance of its own. If the job completed and its arm was left afterwards, it runs again
    /// as a new instance.
    fn nested(&mut self, number: usize, body: &[Statement], arms: Option<&[Vec<Statement>; 2]>) -> Walked {
        let (ended, chosen) = (self.key(Kind::Ended, number), self.key(Kind::Chosen, number));
        if self.instance.passed.contains_key(&ended) && !self.instance.open.contains(&chosen) {
            return Ok(());
        }
        self.life.write()?;
        let completions = self.instance.completions.get(&ended).copied().unwrap_or(0);
        let inner = self.instance.nested.entry((ended.clone(), completions)).or_default();
        let end = if inner.complete { End::Completed } else { execute(body, inner, self.life) };
        self.life.live()?;
        self.life.write()?;
        let arm = match (end, arms) {
            (End::Completed, _) => {
                *self.instance.completions.entry(ended.clone()).or_insert(0) += 1;
                COMPLETED
            }
            (End::Failed, Some(_)) => FAILED,
            _ => return Err(Leaves::Ends(end)),
        };
        self.instance.passed.insert(ended, arm);
        if let Some(arms) = arms {
            self.choose(number, arm, arms);
        }
        Ok(())
    }

    fn shown(&self, name: &str) -> String {
        let iterations: Vec<_> = self.iterations.iter().map(u32::to_string).collect();
        if iterations.is_empty() { name.to_owned() } else { format!("{name}[{}]", iterations.join(".")) }
    }
}

/// The worse of two ends.
fn worse(a: End, b: End) -> End {
    let rank = |end| match end {
        End::Completed => 0,
        End::Stopped => 1,
        End::Failed => 2,
        End::Dead => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
