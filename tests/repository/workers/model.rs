//! Any sequence of calls that managers and workers make to the queue has the results that a simple model predicts.
//!
//! A message between managers and workers only says "look now", so a lost, duplicated or late message is just one more
//! sequence of calls. The model lets a worker that counts as dead, and a manager that was replaced, go on calling, as a
//! paused process does when it wakes: what they write must count until somebody takes their partitions away, and must
//! be refused from then on.

use batch_runtime::repository::work_queue::Reconcile;
use batch_runtime::repository::{BegunStep, ContextMap};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

every_kind![any_sequence_of_calls_does_what_the_model_predicts];

/// The numbers of cases in a file and on a server, where a new place takes longer to create.
const CASES: (u32, u32) = (64, 12);
const PARTITIONS: u32 = 4;
const WORKERS: usize = 3;
/// A partition that loses this many workers in a row, without a commit in between, fails.
const MOST_LOSSES: u32 = 3;
/// An instance may be taken over only a few times in a row.
const MOST_RESTARTS: usize = 2;

/// A call. A claim is given by its index in the order in which the claims were made, modulo their number.
#[derive(Debug, Clone)]
enum Call {
    Reconcile {
        at_once: Option<usize>,
        ends: bool,
    },
    Claim(usize),
    Begin(usize),
    Commit(usize),
    Complete(usize),
    Fail(usize),
    HandBack(usize),
    GiveUp(usize),
    /// Declines a claim that has not begun, for good or until the manager offers it again.
    Decline(usize, bool),
    Drain(usize),
    /// A worker dies, and another process takes its place.
    Die(usize),
    /// Another process takes the execution over.
    Restart,
}

fn call() -> impl Strategy<Value = Call> {
    let (worker, claim) = (0..WORKERS, 0..64_usize);
    let at_once = prop::option::weighted(0.4, 1..4_usize);
    prop_oneof![
        12 => (at_once, prop::bool::weighted(0.05)).prop_map(|(at_once, ends)| Call::Reconcile { at_once, ends }),
        12 => worker.clone().prop_map(Call::Claim),
        10 => claim.clone().prop_map(Call::Begin),
        12 => claim.clone().prop_map(Call::Commit),
        5 => claim.clone().prop_map(Call::Complete),
        1 => claim.clone().prop_map(Call::Fail),
        3 => claim.clone().prop_map(Call::HandBack),
        2 => claim.clone().prop_map(Call::GiveUp),
        2 => (claim, any::<bool>()).prop_map(|(claim, for_good)| Call::Decline(claim, for_good)),
        1 => worker.clone().prop_map(Call::Drain),
        5 => worker.prop_map(Call::Die),
        1 => Just(Call::Restart),
    ]
}

/// The state of a partition in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Offered,
    /// A claim holds it.
    Held {
        claim: usize,
        begun: bool,
    },
    /// It came back, and waits for its manager.
    Returned {
        lost: bool,
    },
    Completed,
    Failed,
}

#[derive(Debug, Clone)]
struct Partition {
    state: State,
    /// The position that was committed last, in any execution.
    position: Option<i64>,
    /// The read count of the current step execution: that of its last commit, which is its position, or 0.
    read: i64,
    /// The number of records that the earlier step executions of this job execution have read.
    read_before: i64,
    losses: u32,
}

impl Partition {
    fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }
}

/// A claim that the process that made it still knows, even if another claim holds the partition by now.
struct Known {
    id: usize,
    /// The index of the worker's process in [`World::processes`].
    process: usize,
    claim: Claim,
    step: Option<BegunStep>,
}

/// A process of a worker.
struct Process {
    repository: Repo,
    id: WorkerId,
    /// `None` once it is dead.
    joined: Option<Joined>,
    drains: bool,
}

struct World<'p, P: Place> {
    place: &'p P,
    manager: Manager,
    /// Managers that were taken over and do not know it.
    replaced: Vec<Manager>,
    /// All processes, dead ones too. The last one of each worker is alive.
    processes: Vec<Process>,
    /// The index in `processes` of each worker's living process.
    workers: [usize; WORKERS],
    claims: Vec<Known>,
    next_claim: usize,
    model: Vec<Partition>,
    committed: Vec<i64>,
}

impl<'p, P: Place> World<'p, P> {
    fn new(place: &'p P) -> Self {
        let partition = Partition { state: State::Idle, position: None, read: 0, read_before: 0, losses: 0 };
        let mut world = Self {
            place,
            manager: Manager::of(place, PARTITIONS),
            replaced: Vec::new(),
            processes: Vec::new(),
            workers: [0; WORKERS],
            claims: Vec::new(),
            next_claim: 0,
            model: vec![partition; PARTITIONS as usize],
            committed: Vec::new(),
        };
        (0..WORKERS).for_each(|worker| world.start(worker));
        world
    }

    fn start(&mut self, worker: usize) {
        let Worker { repository, joined } = Worker::of(self.place);
        self.workers[worker] = self.processes.len();
        let id = joined.id;
        self.processes.push(Process { repository, id, joined: Some(joined), drains: false });
    }

    /// The partition that a claim holds; `None` if it does not hold it any more.
    fn held_by(&mut self, claim: usize) -> Option<&mut Partition> {
        self.model
            .iter_mut()
            .find(|one| matches!(one.state, State::Held { claim: held, .. } if held == claim))
    }

    fn call(&mut self, call: &Call) {
        match *call {
            Call::Reconcile { at_once, ends } => self.reconcile(at_once, ends),
            Call::Claim(worker) => self.claim(worker),
            Call::Drain(worker) => {
                let process = &mut self.processes[self.workers[worker]];
                assert!(queue(&self.manager.repository).drain(process.id).unwrap());
                process.drains = true;
            }
            Call::Die(worker) => {
                self.processes[self.workers[worker]].joined = None;
                self.start(worker);
            }
            Call::Restart if self.replaced.len() < MOST_RESTARTS => self.restart(),
            Call::Restart => {}
            Call::Begin(claim)
            | Call::Commit(claim)
            | Call::Complete(claim)
            | Call::Fail(claim)
            | Call::HandBack(claim)
            | Call::GiveUp(claim)
            | Call::Decline(claim, _) => {
                if !self.claims.is_empty() {
                    let at = claim % self.claims.len();
                    self.call_on(call, at);
                }
            }
        }
    }

    fn call_on(&mut self, call: &Call, at: usize) {
        let Known { id, process, claim, mut step } = self.claims.remove(at);
        let Process { repository, id: worker_id, .. } = &self.processes[process];
        let (repository, worker_id) = (Repo::clone(repository), *worker_id);
        let before = self.held_by(id).map(|held| held.clone());
        let mut is_over = false;
        match (call, &mut step) {
            (Call::Begin(_), None) => {
                let begun = begin_partition(&repository, claim.ownership, &claim.partition);
                match before {
                    Some(held) => {
                        let begun = begun.unwrap();
                        assert_eq!(begun.context, held.position.map_or_else(ContextMap::new, context));
                        step = Some(begun);
                        self.held_by(id).unwrap().state = State::Held { claim: id, begun: true };
                    }
                    None => refused(begun),
                }
            }
            (Call::Commit(_), Some(step)) => {
                let position = i64::try_from(self.committed.len()).unwrap() + 1;
                let committed = commit::<P>(step, position);
                match self.held_by(id) {
                    Some(held) => {
                        committed.unwrap();
                        (held.position, held.read) = (Some(position), position);
                        self.committed.push(position);
                    }
                    None => assert!(is_fenced(&committed), "{committed:?}"),
                }
            }
            (Call::Complete(_), Some(_)) => {
                is_over = self.end(&repository, &claim, id, BatchStatus::Completed, State::Completed);
            }
            (Call::Fail(_), Some(_)) => {
                is_over = self.end(&repository, &claim, id, BatchStatus::Failed, State::Failed);
            }
            (Call::HandBack(_), Some(_)) => {
                let returned = State::Returned { lost: false };
                is_over = self.end(&repository, &claim, id, BatchStatus::Stopped, returned);
            }
            (Call::GiveUp(_), _) => {
                queue(&repository).give_up(worker_id, claim.partition.id, "no").unwrap();
                if let Some(held) = self.held_by(id) {
                    held.state = State::Returned { lost: true };
                }
            }
            (Call::Decline(_, for_good), None) => {
                queue(&repository).decline(worker_id, &claim, for_good.then_some("no")).unwrap();
                if let Some(held) = self.held_by(id) {
                    held.state = if *for_good { State::Offered } else { State::Idle };
                }
                is_over = true;
            }
            _ => {}
        }
        if !is_over {
            self.claims.insert(at, Known { id, process, claim, step });
        }
    }

    /// Ends the partition of a claim, unless the claim has lost it. Returns whether it has ended.
    fn end(&mut self, repository: &Repo, claim: &Claim, id: usize, status: BatchStatus, then: State) -> bool {
        let code = match then {
            State::Completed => "COMPLETED",
            State::Failed => "FAILED",
            _ => "HANDED_BACK",
        };
        let steps = repository.steps(claim.ownership.execution).unwrap();
        let step = steps.iter().find(|step| step.id == claim.partition.id).unwrap();
        let finish = StepFinish { counters: step.counters, ..ended_step(status, code) };
        let ended = repository.finish_step(claim.ownership, claim.partition.id, &finish, None);
        if let Some(held) = self.held_by(id) {
            ended.unwrap();
            held.state = then;
            true
        } else {
            refused(ended);
            false
        }
    }

    fn claim(&mut self, worker: usize) {
        let at = self.workers[worker];
        let process = &self.processes[at];
        let claimed = queue(&process.repository).claim(process.id, &[QUEUE.to_owned()], &BTreeSet::new());
        match claimed.unwrap() {
            Claimed::Drain => assert!(process.drains),
            Claimed::Nothing => {
                assert!(!process.drains);
                assert!(self.model.iter().all(|one| one.state != State::Offered), "{:?}", self.model);
            }
            Claimed::Partition(claim) => {
                assert!(!process.drains);
                assert_eq!(claim.ownership, self.manager.owner());
                let partition = &mut self.model[claim.partition.number as usize];
                assert_eq!(partition.state, State::Offered);
                let id = self.next_claim;
                self.next_claim += 1;
                partition.state = State::Held { claim: id, begun: false };
                self.claims.push(Known { id, process: at, claim: *claim, step: None });
            }
        }
    }

    fn is_dead(&self, state: State) -> bool {
        let State::Held { claim, .. } = state else { return false };
        let known = self.claims.iter().find(|known| known.id == claim).unwrap();
        self.processes[known.process].joined.is_none()
    }

    fn reconcile(&mut self, at_once: Option<usize>, ends: bool) {
        let reconciled = self.manager.reconcile_as(&Reconcile { at_once, ends, ..RECONCILE });
        let dead: Vec<bool> = self.model.iter().map(|one| self.is_dead(one.state)).collect();
        if self.is_due(at_once, ends, dead.contains(&true)) {
            for (partition, _) in self.model.iter_mut().zip(dead).filter(|(_, dead)| *dead) {
                partition.state = State::Returned { lost: true };
            }
            self.offer(at_once, ends);
        }
        let count = |is: fn(&Partition) -> bool| self.model.iter().filter(|one| is(one)).count() as u64;
        assert_eq!(reconciled.completed, count(|one| one.state == State::Completed));
        assert_eq!(reconciled.failed, count(|one| one.state == State::Failed));
        assert_eq!(reconciled.held(), count(Partition::is_held));
        let read: i64 = self.model.iter().map(|one| one.read_before + one.read).sum();
        assert_eq!(reconciled.counters.read, u64::try_from(read).unwrap());
        let all = reconciled.completed + reconciled.failed + reconciled.held() + reconciled.waiting;
        assert_eq!(all, u64::from(PARTITIONS));
        if let Some(most) = at_once.filter(|_| !ends && reconciled.failed == 0) {
            // Earlier calls may have allowed more.
            let offered = count(|one| one.state == State::Offered);
            let idle = count(|one| one.state == State::Idle);
            assert!(idle == 0 || offered + reconciled.held() >= most as u64);
        }
    }

    fn taken(&self) -> usize {
        self.model.iter().filter(|one| one.state == State::Offered || one.is_held()).count()
    }

    /// Returns whether a manager has anything to write.
    fn is_due(&self, at_once: Option<usize>, ends: bool, any_dead: bool) -> bool {
        let has_room = at_once.is_none_or(|most| self.taken() < most);
        let is = |state: State| self.model.iter().any(|one| one.state == state);
        let has_returned = is(State::Returned { lost: true }) || is(State::Returned { lost: false });
        any_dead || if ends { is(State::Offered) } else { has_returned || is(State::Idle) && has_room }
    }

    fn offer(&mut self, at_once: Option<usize>, ends: bool) {
        if !ends {
            for partition in &mut self.model {
                let State::Returned { lost } = partition.state else { continue };
                let losses = if partition.read > 0 { 0 } else { partition.losses } + u32::from(lost);
                if lost && losses >= MOST_LOSSES {
                    partition.state = State::Failed;
                    continue;
                }
                (partition.state, partition.losses) = (State::Idle, losses);
                partition.read_before += std::mem::take(&mut partition.read);
            }
        }
        if ends || self.model.iter().any(|one| one.state == State::Failed) {
            let offered = self.model.iter_mut().filter(|one| one.state == State::Offered);
            return offered.for_each(|one| one.state = State::Idle);
        }
        let room = at_once.map_or(usize::MAX, |most| most.saturating_sub(self.taken()));
        let idle = self.model.iter_mut().filter(|one| one.state == State::Idle);
        idle.take(room).for_each(|one| one.state = State::Offered);
    }

    /// Another process takes the execution over while its owner sleeps.
    fn restart(&mut self) {
        let repository = self.place.open();
        let launched = force(&repository);
        begin(&repository, launched.ownership);
        repository.begin_partitions(launched.ownership, &start("step"), None).unwrap();
        self.replaced.push(std::mem::replace(&mut self.manager, Manager { repository, launched }));
        for partition in &mut self.model {
            (partition.read, partition.read_before) = (0, 0);
            if partition.state != State::Completed {
                (partition.state, partition.losses) = (State::Idle, 0);
            }
        }
    }

    /// Asserts what holds after any calls: each chunk was written once, and the replaced managers can write nothing.
    fn check(&self) {
        let mut written: Vec<i64> = items(self.place).iter().map(|n| n.parse().unwrap()).collect();
        written.sort_unstable();
        assert_eq!(written, self.committed);
        for replaced in &self.replaced {
            refused(queue(&replaced.repository).reconcile(replaced.owner(), "step", &RECONCILE));
        }
    }

    /// Ends all workers, and lets another one run what is left unless a partition fails.
    fn complete(&mut self) {
        if self.model.iter().any(|one| one.state == State::Failed) {
            self.restart();
        }
        (0..WORKERS).for_each(|worker| self.call(&Call::Die(worker)));
        // Unless a partition fails, the first round runs all that is left, and the second one finds nothing left.
        for _ in 0..2 {
            self.reconcile(None, false);
            while self.model.iter().any(|one| one.state == State::Offered) {
                self.claim(0);
                let at = self.claims.len() - 1;
                for call in [Call::Begin(at), Call::Commit(at), Call::Complete(at)] {
                    self.call_on(&call, at);
                }
            }
        }
        if self.model.iter().all(|one| one.state != State::Failed) {
            let open = self.model.iter().filter(|one| one.state != State::Completed).count();
            assert_eq!(open, 0, "{:?}", self.model);
        }
    }
}

fn any_sequence_of_calls_does_what_the_model_predicts<P: Place>(_: &P) {
    let cases = if P::KIND == "sqlite" { CASES.0 } else { CASES.1 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let calls = prop::collection::vec(call(), 1..60);
    let run = runner.run(&calls, |calls| {
        let place = P::new().expect("there was one before");
        let mut world = World::new(&place);
        for call in &calls {
            world.call(call);
        }
        world.check();
        world.complete();
        world.check();
        Ok(())
    });
    run.unwrap();
}
