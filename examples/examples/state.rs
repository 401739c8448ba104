//! A processor with state: the state is saved in the checkpoint, in the same transaction as the chunk, so that it is
//! also correct after a restart.

use std::collections::BTreeMap;

use batch_runtime::prelude::*;

#[derive(Debug, Deserialize)]
struct Message {
    device: String,
    sequence: u32,
    decidegrees: i64,
}

/// The last message of each device. State can be any serde type with a default.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    last: BTreeMap<String, u32>,
}

/// Reads messages as a broker delivers them: each at least once.
#[reader]
fn deliveries(input: PathBuf) -> Result<CsvReader<Message>, ReadError> {
    CsvReader::open(input)
}

/// Passes each message once: one that is not newer than its device's last message is a duplicate.
#[processor]
fn once(message: Message, #[state] seen: &mut Seen) -> Option<Message> {
    let last = seen.last.entry(message.device.clone()).or_default();
    if message.sequence <= *last {
        return None;
    }
    *last = message.sequence;
    Some(message)
}

#[writer]
fn save(messages: &[Message], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3)")?;
    for message in messages {
        insert.execute((&message.device, message.sequence, message.decidegrees))?;
    }
    Ok(())
}

#[step]
fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DROP TABLE IF EXISTS message;
         CREATE TABLE message (device TEXT, sequence INTEGER, decidegrees INTEGER)",
    )
}

#[step(chunk = 25)]
fn load_messages() {
    deliveries | once | save
}

/// Loads the messages of all devices, each once.
#[job]
fn state(
    /// CSV file of deliveries
    #[param(default = "examples/data/deliveries.csv")]
    input: PathBuf,
) {
    create_table;
    load_messages;
}

batch_runtime::main!(state);

#[cfg(test)]
mod tests {
    use batch_runtime::testing;

    #[test]
    fn no_message_is_lost_or_duplicated_wherever_the_job_dies() {
        // Every fourth delivery repeats the message of three deliveries before.
        let messages = (1..=60).map(|n| if n % 4 == 0 { n - 3 } else { n });
        let deliveries = messages.map(|n| format!("a,{n},{n}\n"));
        let text = format!("device,sequence,decidegrees\n{}", deliveries.collect::<String>());
        testing::survives(
            |sandbox| super::state(sandbox.file("deliveries.csv", &text).unwrap()),
            |sandbox| sandbox.rows("SELECT * FROM message ORDER BY rowid").unwrap(),
        );
    }
}
