//! Starts worker processes by commands.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// The arguments that make a program a worker of the manager that starts it.
pub(super) const ATTACHED: [&str; 2] = ["worker", "--attached"];

/// The longest list of hosts.
const MOST_HOSTS: usize = 10_000;

/// Starts workers for a [`Manager`](super::Manager), each as a child process that lives as long as its worker.
///
/// The manager sends orders to the child's standard input, closes it to end the worker, and reads standard output and
/// standard error. So the command may also be `ssh` or the like.
pub trait Deployer: Send + Sync + fmt::Debug {
    /// The command for the worker with this number, counted from 1. It must run the program with the arguments `worker
    /// --attached`. `place` is the lowest number from 0 that no running worker has.
    fn command(&self, number: u32, place: usize) -> Command;
}

/// Starts workers as processes of the same program on this machine. Its `main` must be that of
/// [`main!`](crate::main).
#[derive(Debug, Clone)]
pub struct LocalProcesses {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl LocalProcesses {
    /// Starts workers of this program.
    ///
    /// # Errors
    /// If the system does not know the path of this program.
    pub fn new() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: Vec::new() })
    }

    /// Passes these arguments to each worker, after `worker --attached`.
    ///
    /// ```
    /// use batch_runtime::workers::LocalProcesses;
    ///
    /// let workers = LocalProcesses::new()?.arguments(["--log", "/var/log/etl.jsonl"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}

impl Deployer for LocalProcesses {
    fn command(&self, _number: u32, _place: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.args(ATTACHED).args(&self.arguments);
        command
    }
}

/// Starts workers by a shell command such as `ssh {host} /opt/etl/job {worker}`.
#[derive(Debug, Clone)]
pub struct CommandTemplate {
    template: String,
    /// A host for each worker, in turn.
    hosts: Vec<String>,
}

/// An unusable command for workers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The command has no place for the worker's arguments.
    #[error(
        "the command for workers, `{0}`, does not contain `{{worker}}`, which stands for the arguments of the program"
    )]
    NoWorker(String),
    /// The command needs hosts, but none are given.
    #[error("the command for workers, `{0}`, contains `{{host}}`: name the hosts, as in `--hosts a,b*2`")]
    NoHosts(String),
    /// Hosts are given, but the command does not use them.
    #[error("the command for workers, `{0}`, does not contain `{{host}}`, but hosts are given")]
    NoHost(String),
    /// The list of hosts is malformed.
    #[error("`{0}` is not a list of hosts: write `a,b*2` for one worker on a and two on b")]
    Hosts(String),
}

impl CommandTemplate {
    /// A shell command, in which `{worker}` stands for the arguments of the program and `{n}` for the number of the worker.
    /// With `{host}` in it, `hosts` lists where workers run: `a,b*2` for one on a and two on b.
    ///
    /// ```
    /// use batch_runtime::workers::CommandTemplate;
    ///
    /// let workers = CommandTemplate::new("ssh {host} /opt/etl/job {worker}", Some("a,b*2"))?;
    /// assert_eq!(workers.hosts(), ["a", "b", "b"]);
    /// assert!(CommandTemplate::new("ssh a /opt/etl/job", None).is_err());
    /// # Ok::<(), batch_runtime::workers::TemplateError>(())
    /// ```
    ///
    /// # Errors
    /// If the command has no `{worker}`, or hosts are missing, unwanted or unreadable.
    pub fn new(template: &str, hosts: Option<&str>) -> Result<Self, TemplateError> {
        let of = || template.to_owned();
        if !template.contains("{worker}") {
            return Err(TemplateError::NoWorker(of()));
        }
        let hosts = match (hosts, template.contains("{host}")) {
            (None, true) => return Err(TemplateError::NoHosts(of())),
            (Some(_), false) => return Err(TemplateError::NoHost(of())),
            (None, false) => Vec::new(),
            (Some(hosts), true) => {
                parse_hosts(hosts).ok_or_else(|| TemplateError::Hosts(hosts.to_owned()))?
            }
        };
        Ok(Self { template: of(), hosts })
    }

    /// A host for each worker that may run at the same time; empty if the command uses none.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }
}

/// The hosts of a list such as `a,b*2`.
fn parse_hosts(list: &str) -> Option<Vec<String>> {
    let mut hosts = Vec::new();
    for part in list.split(',') {
        let (host, many) = match part.trim().rsplit_once('*') {
            Some((host, many)) => (host, many.parse().ok().filter(|many| (1..=MOST_HOSTS).contains(many))?),
            None => (part.trim(), 1),
        };
        // The host becomes a word of the shell command.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:@[]%".contains(c);
        if host.is_empty() || host.starts_with('-') || !host.chars().all(is_plain) {
            return None;
        }
        hosts.extend(std::iter::repeat_n(host.to_owned(), many));
        if hosts.len() > MOST_HOSTS {
            return None;
        }
    }
    Some(hosts)
}

impl Deployer for CommandTemplate {
    fn command(&self, number: u32, place: usize) -> Command {
        let mut filled =
            self.template.replace("{worker}", &ATTACHED.join(" ")).replace("{n}", &number.to_string());
        if !self.hosts.is_empty() {
            filled = filled.replace("{host}", &self.hosts[place % self.hosts.len()]);
        }
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(filled);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_host() {
        let template = CommandTemplate::new("ssh {host} job-{n} {worker}", Some("a, b*2")).unwrap();
        let last = |number, place| {
            let command = template.command(number, place);
            command.get_args().last().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(last(1, 0), "ssh a job-1 worker --attached");
        assert_eq!(last(3, 2), "ssh b job-3 worker --attached");
        assert_eq!(last(4, 1), "ssh b job-4 worker --attached");
    }

    #[test]
    fn a_host_cannot_be_an_option_or_a_command() {
        for hosts in ["", "a,", "-oProxyCommand=x", "a;b", "a b", "a*0", "a*x", "a*4000000000", "$(x)"] {
            let error = CommandTemplate::new("ssh {host} {worker}", Some(hosts)).unwrap_err();
            assert_eq!(error, TemplateError::Hosts(hosts.to_owned()));
        }
    }
}
