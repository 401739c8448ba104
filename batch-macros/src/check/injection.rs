//! The role of a component decides which arguments it may ask for.

use crate::errors::Errors;
use crate::model::argument::{Argument, Asks, Role};
use crate::model::types::shown;

pub(crate) fn check(role: Role, arguments: &[Argument], errors: &mut Errors) {
    let has_transaction = arguments.iter().any(|argument| matches!(argument.asks, Asks::Transaction(_)));
    let mut state_seen = false;
    let mut transaction_seen: Option<String> = None;
    for argument in arguments {
        match &argument.asks {
            Asks::State(_) => {
                if state_seen {
                    errors.at(
                        &argument.name,
                        format!("a {} keeps one state: put both into one struct", role.noun()),
                    );
                }
                state_seen = true;
            }
            Asks::Transaction(database) => {
                check_transaction(role, argument, errors);
                let of = quote::quote!(#database).to_string();
                if let Some(earlier) = &transaction_seen
                    && *earlier != of
                {
                    errors.at(
                        &argument.ty,
                        format!(
                            "a {} writes in one transaction, and this one belongs to a second database: the two cannot be committed atomically; split the work into two steps",
                            role.noun()
                        ),
                    );
                }
                transaction_seen.get_or_insert(of);
            }
            // A writer that asks for a transaction may use a connection for look-ups.
            Asks::Connection(database) if role == Role::Writer && !has_transaction => {
                let of = database.as_ref().map_or(String::new(), |database| format!(", {}", shown(database)));
                errors.at(
                    &argument.ty,
                    format!(
                        "a connection only reads, and a writer writes in the chunk's transaction: write `tx: &Transaction<'_{of}>`"
                    ),
                );
            }
            Asks::Partition { .. } => check_partition(role, argument, errors),
            Asks::StepContext => check_step_context(role, argument, errors),
            Asks::Connection(_) | Asks::Output { .. } if matches!(role, Role::Resource | Role::Database) => {
                errors.at(
                    &argument.ty,
                    format!(
                        "a {0} belongs to the job, not to a step, and is created before any step: it takes {1}",
                        role.noun(),
                        if role == Role::Resource {
                            "parameters, other resources and `&JobContext`"
                        } else {
                            "only parameters"
                        }
                    ),
                );
            }
            Asks::Connection(_) | Asks::Output { .. } if role == Role::JobListener => errors.at(
                &argument.ty,
                "a listener of a job belongs to no step: it takes parameters, resources and `&JobContext`",
            ),
            Asks::JobContext | Asks::Resource if role == Role::Database => errors.at(
                &argument.ty,
                "a database is opened before the job's first step: it takes only parameters",
            ),
            _ => {}
        }
    }
}

fn check_transaction(role: Role, argument: &Argument, errors: &mut Errors) {
    let remedy = match role {
        Role::Writer | Role::Tasklet | Role::SkipListener => return,
        Role::Reader => "a reader runs before the chunk's transaction begins: ask for `&Connection` to read",
        Role::Processor => {
            "a processor runs before the chunk's transaction begins: ask for `&Connection` to read, and write in a writer"
        }
        Role::Classifier => "a classifier only says where an item goes: ask for `&Connection` to read",
        Role::WriterObject => {
            "a writer object outlives the transaction of a chunk: it receives each transaction in `Writer::write`"
        }
        Role::Grouping => {
            "the end of a chunk is decided before its transaction begins: ask for `&Connection` to read"
        }
        Role::Partitioner => "a partitioner runs before any chunk: ask for `&Connection` to read",
        Role::Aggregator => {
            "an aggregator runs after the last chunk, outside any transaction: ask for `&Connection` to read, and write in a later step"
        }
        Role::Decider => {
            "a decider runs between two steps, outside any transaction: ask for `&Connection` to read"
        }
        Role::Listener => "a listener only watches: ask for `&Connection` to read, and write in a writer",
        Role::JobListener => "a listener of a job runs outside of all steps: write in a step of the job",
        Role::Resource => {
            "a resource is created before any transaction begins: ask for the transaction in a writer or tasklet"
        }
        Role::Database => {
            "a database is opened before any transaction begins: ask for the transaction in a writer or tasklet"
        }
    };
    errors.at(&argument.ty, remedy);
}

fn check_partition(role: Role, argument: &Argument, errors: &mut Errors) {
    let why = match role {
        Role::Reader
        | Role::Processor
        | Role::Writer
        | Role::WriterObject
        | Role::Classifier
        | Role::Grouping => return,
        Role::Partitioner => "a partitioner creates the partitions and runs in none of them: leave this out",
        Role::Aggregator => "an aggregator runs after all partitions and in none of them: leave this out",
        Role::Listener | Role::SkipListener | Role::JobListener => {
            "a listener is notified of every partition of a step: leave this out"
        }
        Role::Tasklet => "a tasklet has no partitions; only a pipe with `partitioner = f` has them",
        Role::Decider | Role::Resource | Role::Database => {
            "a partition belongs to a step: ask for it in the step's reader"
        }
    };
    errors.at(&argument.ty, why);
}

fn check_step_context(role: Role, argument: &Argument, errors: &mut Errors) {
    if matches!(role, Role::Decider | Role::Resource | Role::Database | Role::JobListener) {
        let whose = if role == Role::JobListener { " of a job" } else { "" };
        errors
            .at(&argument.ty, format!("a {}{whose} belongs to no step: ask for `&JobContext`", role.noun()));
    }
}
