//! The option `--workers`: who runs the partitions of a run.

use crate::frontend::refusal::Refusal;
use crate::workers::CommandTemplate;

/// The workers of a run, as `--workers` names them.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Workers {
    /// Workers that somebody has started.
    Remote,
    /// Child processes on this machine, at most this many.
    Local(u32),
    /// Started by a command.
    Command(CommandTemplate),
}

impl Workers {
    /// Parses the values of `--workers` and `--hosts`.
    pub(in crate::cli) fn of(text: &str, hosts: Option<&str>) -> Result<Self, Refusal> {
        let workers = match text.split_once(':') {
            _ if text == "remote" => Self::Remote,
            Some(("local", most)) => {
                let most = most.parse().ok().filter(|most| *most > 0);
                Self::Local(most.ok_or_else(|| {
                    Refusal::usage(format!(
                        "`--workers {text}`: write the number of processes, as in `--workers local:3`"
                    ))
                })?)
            }
            _ if !text.contains(char::is_whitespace) && !text.contains("{worker}") => {
                return Err(Refusal::usage(format!(
                    "`--workers {text}` is neither `remote`, nor `local:N`, nor a command such as `ssh {{host}} /opt/etl/job {{worker}}`"
                )));
            }
            _ => {
                let template =
                    CommandTemplate::new(text, hosts).map_err(|error| Refusal::usage(error.to_string()))?;
                return Ok(Self::Command(template));
            }
        };
        match hosts {
            Some(_) => Err(Refusal::usage("`--hosts` needs a command with `{host}` in `--workers`")),
            None => Ok(workers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_remote_local_or_started_by_a_command() {
        assert!(matches!(Workers::of("remote", None), Ok(Workers::Remote)));
        assert!(matches!(Workers::of("local:3", None), Ok(Workers::Local(3))));
        let ssh = Workers::of("ssh {host} job {worker}", Some("a,b*2")).unwrap();
        assert!(matches!(ssh, Workers::Command(template) if template.hosts().len() == 3));
        for (text, hosts) in [
            ("", None),
            ("local", None),
            ("local:0", None),
            ("local:many", None),
            ("kubernetes", None),
            ("ssh a job", None),
            ("ssh {host} {worker}", None),
            ("local:3", Some("a")),
            ("sh {worker}", Some("a")),
        ] {
            assert_eq!(Workers::of(text, hosts).unwrap_err().code, 2, "{text}");
        }
    }
}
