//! Times a step from its start to its end, and adds up its threads.

use std::time::Instant;

use super::clock::{nanos_since, thread_cpu};
use super::lanes::{Lane, Lanes};
use super::{ChunkTimes, Detail, Parts, Profiler, Split, usage};
use crate::definition::StepInfo;
use crate::repository::{ComponentTime, Profile, StepUsage};

/// Memory growth is measured from this chunk on, because by then the buffers have reached their full size.
const WARMED_UP: u32 = 10;

/// The stopwatch of a step, used on the thread that writes and commits.
#[derive(Debug)]
pub(crate) struct StepWatch {
    began: Instant,
    process_cpu: u64,
    /// The wall time and the CPU time when the chunk loop began, and when it ended.
    opened: Option<(u64, u64)>,
    ended: Option<(u64, u64)>,
    chunks: u32,
    /// The memory in use after the first [`WARMED_UP`] chunks.
    memory: Option<u64>,
    cpu: u64,
    delayed: Option<u64>,
    profiler: Profiler,
}

impl StepWatch {
    /// Starts the watch of a step, or of a step's partition.
    pub(crate) fn start(is_partition: bool) -> Self {
        Self {
            began: Instant::now(),
            process_cpu: usage::process().0,
            opened: None,
            ended: None,
            chunks: 0,
            memory: None,
            cpu: thread_cpu(),
            // Asking the system would take longer than a small partition, and advice is about whole steps.
            delayed: if is_partition { None } else { usage::delayed() },
            profiler: Profiler::default(),
        }
    }

    fn now(&self) -> (u64, u64) {
        (nanos_since(self.began), thread_cpu())
    }

    /// Notes that all components are open and the first chunk begins.
    pub(crate) fn opened(&mut self) {
        self.opened = Some(self.now());
    }

    /// Notes that the last chunk is committed, or has failed.
    pub(crate) fn ended(&mut self) {
        self.ended = Some(self.now());
    }

    /// Begins a chunk.
    #[inline]
    pub(crate) fn next(&mut self, detail: Detail) -> ChunkTimes {
        self.profiler.next(detail)
    }

    /// Ends the chunk.
    #[inline]
    pub(crate) fn add(&mut self, chunk: &ChunkTimes) {
        self.chunks = self.chunks.saturating_add(1);
        if self.chunks == WARMED_UP {
            self.memory = usage::memory();
        }
        self.profiler.add(chunk);
    }

    /// Returns where the time of the step went. Called after its other threads have ended.
    pub(crate) fn profile(&self, info: &StepInfo, lanes: &Lanes) -> Profile {
        let (elapsed, cpu) = self.now();
        let opened = self.opened.unwrap_or((elapsed, cpu));
        let ended = self.ended.unwrap_or((elapsed, cpu));
        let own = self.profiler.split(ended.0 - opened.0, ended.1.saturating_sub(opened.1));
        let names = |roles: &[&str]| -> Vec<&'static str> {
            let of_role = info.components.iter().filter(|component| roles.contains(&component.role));
            of_role.map(|component| component.name).collect()
        };
        let processors = names(&["processor"]);
        let lanes = lanes.take();
        let mut usage = StepUsage {
            elapsed,
            open: opened.0,
            finish: elapsed - ended.0,
            wait: own.wall.wait,
            threads: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
            threads_elapsed: 0,
            threads_wait: 0,
            locked: own.locked,
            cpu: cpu.saturating_sub(self.cpu),
            ..StepUsage::default()
        };
        let mut all = own;
        for lane in lanes {
            usage.threads_elapsed += lane.elapsed;
            usage.threads_wait += lane.split.wall.wait;
            usage.cpu += lane.cpu;
            usage.locked += lane.split.locked;
            add(&mut all, lane, &processors);
        }
        let (process_cpu, peak) = usage::process();
        usage.process_cpu = process_cpu.saturating_sub(self.process_cpu);
        usage.cores = usage::cores();
        usage.peak_memory = peak;
        usage.delayed = self.delayed.and_then(|before| Some(usage::delayed()?.saturating_sub(before)));
        usage.memory_growth = self.memory.and_then(|before| {
            let now = usage::memory()?;
            Some(i64::try_from(now).ok()? - i64::try_from(before).ok()?)
        });
        let writers = names(&["classifier", "writer"]);
        let components = components(info, &all, &processors, &writers);
        let Parts { read, processors, writers, commit, .. } = all.wall;
        Profile {
            read,
            process: processors.iter().sum(),
            write: writers.iter().sum(),
            commit,
            components,
            usage: Some(usage),
            ..Profile::default()
        }
    }
}

impl StepWatch {
    /// Returns where the time of a step with these partitions went. The step's own thread waited for them.
    pub(crate) fn profile_over(&self, info: &StepInfo, partitions: Vec<Profile>) -> Profile {
        let mut profile = self.profile(info, &Lanes::default());
        if let Some(usage) = &mut profile.usage {
            usage.wait = usage.elapsed.saturating_sub(usage.open + usage.finish);
        }
        let count = partitions.len();
        for partition in partitions {
            profile.add_partition(partition);
        }
        if let Some(usage) = &mut profile.usage {
            // The average number of threads that ran at the same time, on all machines.
            let at_once = usage.threads_elapsed.div_ceil(usage.wait.max(1)).clamp(1, count.max(1) as u64);
            usage.threads = u32::try_from(at_once).unwrap_or(u32::MAX);
        }
        profile
    }
}

/// Adds the time of another thread to that of the step.
fn add(all: &mut Split, lane: Lane, processors: &[&str]) {
    let Split { wall, cpu, .. } = lane.split;
    let at = lane.processor.and_then(|name| processors.iter().position(|it| *it == name)).unwrap_or(0);
    for (sum, mut parts) in [(&mut all.wall, wall), (&mut all.cpu, cpu)] {
        parts.wait = 0;
        parts.processors.splice(0..0, std::iter::repeat_n(0, at));
        sum.add(&parts);
    }
}

fn components(info: &StepInfo, all: &Split, processors: &[&str], writers: &[&str]) -> Vec<ComponentTime> {
    let of = |role: &str, name: &str, wall: Option<&u64>, cpu: Option<&u64>| {
        let wall = wall.copied().unwrap_or_default();
        let cpu = cpu.copied().unwrap_or_default().min(wall);
        ComponentTime { role: role.to_owned(), name: name.to_owned(), wall, cpu }
    };
    let role_of = |name: &str| {
        let named = info.components.iter().find(|component| component.name == name);
        named.map_or("writer", |component| component.role)
    };
    let (wall, cpu) = (&all.wall, &all.cpu);
    let reader = info.components.iter().find(|component| component.role == "reader");
    let mut components =
        vec![of("reader", reader.map_or("", |it| it.name), Some(&wall.read), Some(&cpu.read))];
    for (at, name) in processors.iter().enumerate() {
        components.push(of("processor", name, wall.processors.get(at), cpu.processors.get(at)));
    }
    for (at, name) in writers.iter().enumerate() {
        components.push(of(role_of(name), name, wall.writers.get(at), cpu.writers.get(at)));
    }
    components.push(of("commit", "", Some(&wall.commit), Some(&cpu.commit)));
    components
}
