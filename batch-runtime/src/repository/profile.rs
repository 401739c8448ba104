//! The stored form of a step's profile, which says where the time of the step went.

use serde::{Deserialize, Serialize};

/// Where the time of an ended step execution went, in nanoseconds.
///
/// Times of activities are sums over all threads of the step: with several threads they can exceed the time that the
/// step took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// In the reader.
    pub read: u64,
    /// In the processors.
    pub process: u64,
    /// In the writers.
    pub write: u64,
    /// Making chunks durable and committing them.
    pub commit: u64,
    /// Each component, in the order of the step; the last one is the commit. Empty in executions of versions that did not
    /// record them.
    pub components: Vec<ComponentTime>,
    /// How busy the step kept its threads; `None` in executions of versions that did not record it.
    pub usage: Option<StepUsage>,
    /// The setting that would make the step faster, if there is one.
    pub advice: Option<Advice>,
    /// The effect of earlier advice, if the step has followed some.
    pub followed: Option<Followed>,
}

/// A setting that would make a step faster. Times are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The lever.
    pub lever: Lever,
    /// The component that has the setting; `None` if the step has it.
    pub component: Option<String>,
    /// The recommended value of the setting: items per chunk, threads, or calls in flight. 0 for a lever without a
    /// setting.
    pub setting: u64,
    /// The items that the step read.
    pub items: u64,
    /// The time that it took.
    pub elapsed: u64,
    /// The predicted time with that setting: the time that the busiest resource needs. It is an estimate, because
    /// the needs are measured under the old setting.
    pub predicted: u64,
}

/// A way to make a step faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Lever {
    /// More items in a chunk: `chunk = 5_000`.
    Chunk,
    /// Threads that read and process: `threads = 4`.
    Threads,
    /// Several calls of a processor in flight: `concurrency = 16`.
    Concurrency,
    /// A faster writer.
    Writer,
    /// A faster reader.
    Reader,
}

impl Lever {
    const ALL: [(Self, &str); 5] = [
        (Self::Chunk, "chunk"),
        (Self::Threads, "threads"),
        (Self::Concurrency, "concurrency"),
        (Self::Writer, "writer"),
        (Self::Reader, "reader"),
    ];

    /// Its name: `chunk`, `threads`, `concurrency`, `writer` or `reader`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(lever, _)| *lever == self).map_or("", |(_, name)| name)
    }

    /// The lever with that name; `None` for a name that only a newer version knows.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| *it == name).map(|(lever, _)| *lever)
    }
}

/// The effect of advice that a step has followed. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// The predicted time, scaled to the number of items that the step has now read.
    pub predicted: u64,
    /// The time that the step took.
    pub took: u64,
}

/// The part of a profile that is stored as one text.
#[derive(Serialize, Deserialize)]
struct Details<C, U, A> {
    components: C,
    usage: U,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    advice: Option<A>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    followed: Option<Followed>,
}

impl Profile {
    /// Everything that is stored besides the times of the activities, as JSON.
    pub(super) fn details(&self) -> Option<String> {
        let Self { components, usage, advice, followed, .. } = self;
        let details = Details { components, usage, advice: advice.as_ref(), followed: *followed };
        self.usage.is_some().then(|| serde_json::to_string(&details).ok()).flatten()
    }

    /// Adds what [`details`](Self::details) has returned. Ignores details that another version has stored in another form:
    /// the times of the activities are complete without them.
    pub(super) fn with_details(mut self, details: Option<&str>) -> Self {
        let details = details.and_then(|text| serde_json::from_str(text).ok());
        if let Some(Details { components, usage, advice, followed }) = details {
            (self.components, self.usage, self.advice, self.followed) = (components, usage, advice, followed);
        }
        self
    }

    /// Adds the times of a partition: those of its activities, its components and its threads.
    pub(crate) fn add_partition(&mut self, partition: Self) {
        self.read += partition.read;
        self.process += partition.process;
        self.write += partition.write;
        self.commit += partition.commit;
        if self.components.len() < partition.components.len() {
            let missing = partition.components.iter().skip(self.components.len());
            let named = |it: &ComponentTime| ComponentTime { wall: 0, cpu: 0, ..it.clone() };
            self.components.extend(missing.map(named).collect::<Vec<_>>());
        }
        for (sum, component) in self.components.iter_mut().zip(&partition.components) {
            sum.wall += component.wall;
            sum.cpu += component.cpu;
        }
        if let (Some(usage), Some(of)) = (&mut self.usage, partition.usage) {
            usage.threads_elapsed += of.elapsed + of.threads_elapsed;
            usage.threads_wait += of.open + of.finish + of.wait + of.threads_wait;
            usage.locked += of.locked;
            usage.cpu += of.cpu;
            usage.peak_memory = usage.peak_memory.max(of.peak_memory);
        }
    }
}

/// The time of a component, in nanoseconds, without that of the components after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentTime {
    /// Its role: `reader`, `processor`, `classifier`, `writer` or `commit`.
    pub role: String,
    /// Its name; empty for the commit.
    pub name: String,
    /// By the wall clock.
    pub wall: u64,
    /// On a core, as estimated from samples. For the rest of `wall`, the component waited.
    pub cpu: u64,
}

/// How busy a step kept its threads. Times are in nanoseconds, memory is in bytes.
///
/// The thread of the step writes and commits; without other threads it also reads and processes. Its time is the sum of
/// `open`, `wait`, `finish`, and the times for which it read, processed, wrote and committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUsage {
    /// How long the step took.
    pub elapsed: u64,
    /// The part of it before the first chunk: opening its components, and seeking to the position of the last commit.
    pub open: u64,
    /// The part of it after the last chunk: sealing and publishing what was written.
    pub finish: u64,
    /// How long the thread of the step waited for its other threads, or for calls in flight.
    pub wait: u64,
    /// The number of its other threads.
    pub threads: u32,
    /// The sum of their lifetimes.
    pub threads_elapsed: u64,
    /// The sum of the times that they waited.
    pub threads_wait: u64,
    /// How long one of the threads was reading while no other could read.
    pub locked: u64,
    /// The CPU time of all threads of the step.
    pub cpu: u64,
    /// The CPU time of the whole process during the step.
    pub process_cpu: u64,
    /// How long the thread of the step could have run but had no core, because other threads had them all; `None` for a
    /// partition, or where the system does not report it.
    pub delayed: Option<u64>,
    /// The number of cores that the process may use.
    pub cores: u32,
    /// The peak of the process's resident memory up to the end of the step; `None` where the system does not tell.
    pub peak_memory: Option<u64>,
    /// By how much the resident memory of the process grew between the step's tenth chunk and its end; `None` for a step
    /// with fewer chunks.
    pub memory_growth: Option<i64>,
}
