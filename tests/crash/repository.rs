//! Finds rows that contradict each other in the repository of a completed job, also compared with its state at an
//! earlier crash.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::shape::Folder;
use crate::state::rows;

/// Queries that find forbidden rows.
const NEVER: [(&str, &str); 12] = [
    (
        "an execution that did not end",
        "SELECT JOB_EXECUTION_ID, STATUS, EXIT_CODE FROM BATCH_JOB_EXECUTION
         WHERE STATUS NOT IN ('COMPLETED', 'FAILED', 'STOPPED') OR EXIT_CODE = 'EXECUTING' OR END_TIME IS NULL",
    ),
    (
        "a step execution that did not end",
        "SELECT STEP_NAME, STATUS, EXIT_CODE FROM BATCH_STEP_EXECUTION
         WHERE STATUS NOT IN ('COMPLETED', 'FAILED', 'ABANDONED', 'STOPPED') OR EXIT_CODE = 'EXECUTING' OR END_TIME IS NULL",
    ),
    (
        "an instance whose last execution is not its only completed one",
        "SELECT JOB_INSTANCE_ID FROM BATCH_JOB_INSTANCE i
         WHERE (SELECT group_concat(JOB_EXECUTION_ID) FROM BATCH_JOB_EXECUTION e
                WHERE e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID AND STATUS = 'COMPLETED')
            IS NOT (SELECT max(JOB_EXECUTION_ID) || '' FROM BATCH_JOB_EXECUTION e
                    WHERE e.JOB_INSTANCE_ID = i.JOB_INSTANCE_ID)",
    ),
    (
        "a step whose last execution is not its only completed or abandoned one",
        "SELECT STEP_NAME, group_concat(s.STATUS)
         FROM BATCH_STEP_EXECUTION s JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID)
         GROUP BY JOB_INSTANCE_ID, STEP_NAME
         HAVING coalesce(group_concat(STEP_EXECUTION_ID) FILTER (WHERE s.STATUS IN ('COMPLETED', 'ABANDONED')), '')
             <> max(STEP_EXECUTION_ID) || ''",
    ),
    (
        "a place that was passed twice",
        "SELECT PATH, count(*) FROM BATCH_JOURNAL GROUP BY JOB_INSTANCE_ID, PATH HAVING count(*) > 1",
    ),
    (
        "a step execution with fewer versions than commits",
        "SELECT STEP_NAME, VERSION, COMMIT_COUNT FROM BATCH_STEP_EXECUTION
         WHERE VERSION < 1 OR (VERSION <= COMMIT_COUNT AND STEP_NAME NOT IN ('fill', 'count_stock')
                            AND STEP_NAME NOT IN (SELECT STEP_NAME FROM BATCH_PARTITION))",
    ),
    (
        "an epoch that did not rise",
        "SELECT JOB_EXECUTION_ID, EPOCH FROM BATCH_JOB_OWNER o
         WHERE EXISTS (SELECT 1 FROM BATCH_JOB_OWNER later WHERE later.JOB_INSTANCE_ID = o.JOB_INSTANCE_ID
                       AND later.JOB_EXECUTION_ID > o.JOB_EXECUTION_ID AND later.EPOCH <= o.EPOCH)",
    ),
    (
        "a step execution whose skips are not its skipped items",
        "SELECT STEP_NAME, READ_SKIP_COUNT, PROCESS_SKIP_COUNT, WRITE_SKIP_COUNT, group_concat(PHASE)
         FROM BATCH_STEP_EXECUTION LEFT JOIN BATCH_SKIPPED_ITEM USING (STEP_EXECUTION_ID)
         GROUP BY STEP_EXECUTION_ID
         HAVING READ_SKIP_COUNT <> coalesce(sum(PHASE = 'READ'), 0)
             OR PROCESS_SKIP_COUNT <> coalesce(sum(PHASE = 'PROCESS'), 0)
             OR WRITE_SKIP_COUNT <> coalesce(sum(PHASE = 'WRITE'), 0)",
    ),
    (
        "a step execution that does not count what its partitions count",
        "SELECT s.STEP_NAME, s.JOB_EXECUTION_ID, s.READ_COUNT, s.FILTER_COUNT, s.WRITE_COUNT, s.COMMIT_COUNT
         FROM BATCH_STEP_EXECUTION s
         WHERE s.STEP_NAME IN (SELECT STEP_NAME FROM BATCH_PARTITION)
           AND (s.READ_COUNT, s.FILTER_COUNT, s.WRITE_COUNT, s.COMMIT_COUNT) IS NOT (
               SELECT coalesce(sum(READ_COUNT), 0), coalesce(sum(FILTER_COUNT), 0), coalesce(sum(WRITE_COUNT), 0),
                      coalesce(sum(COMMIT_COUNT), 0)
               FROM BATCH_STEP_EXECUTION p
               WHERE p.JOB_EXECUTION_ID = s.JOB_EXECUTION_ID AND p.STEP_NAME LIKE s.STEP_NAME || ':partition%')",
    ),
    (
        "a partition whose last step execution is not the one that it names",
        "SELECT STEP_NAME, PARTITION, STEP_EXECUTION_ID FROM BATCH_PARTITION p
         WHERE STEP_EXECUTION_ID IS NOT (
             SELECT max(s.STEP_EXECUTION_ID) FROM BATCH_STEP_EXECUTION s JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID)
             WHERE JOB_INSTANCE_ID = p.JOB_INSTANCE_ID AND s.STEP_NAME = p.STEP_NAME || ':partition' || p.PARTITION)",
    ),
    ("a reference to nothing", "PRAGMA foreign_key_check"),
    ("a damaged page", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
];

/// The commits in the other database, and the repository's record of them.
const ELSEWHERE: &str = "SELECT STEP_EXECUTION_ID, COMMIT_COUNT, READ_COUNT, FILTER_COUNT, WRITE_COUNT FROM";

/// The contradictions found.
pub(crate) fn contradictions(world: &Path) -> rusqlite::Result<Vec<String>> {
    let repository = Connection::open(world.join("batch.db"))?;
    let mut found = Vec::new();
    for (what, sql) in NEVER {
        found.extend(rows(&repository, sql)?.into_iter().map(|row| format!("{what}: {row}")));
    }
    let warehouse = world.join("warehouse.db");
    if warehouse.exists() {
        let warehouse = Connection::open(warehouse)?;
        let here = rows(&repository, &format!("{ELSEWHERE} BATCH_STEP_EXECUTION"))?;
        let there = rows(&warehouse, &format!("{ELSEWHERE} BATCH_STEP_CHECKPOINT"))?;
        for row in there.into_iter().filter(|row| !here.contains(row)) {
            found.push(format!("the other database has {row}, and the repository {here:?}"));
        }
    }
    Ok(found)
}

/// Versions and epochs at one point in time.
#[derive(Debug, Default)]
pub(crate) struct Versions(Vec<(String, i64, i64)>);

const VERSIONS: &str = "SELECT 'step', STEP_EXECUTION_ID, VERSION FROM BATCH_STEP_EXECUTION
    UNION ALL SELECT 'execution', JOB_EXECUTION_ID, VERSION FROM BATCH_JOB_EXECUTION
    UNION ALL SELECT 'owner', JOB_EXECUTION_ID, EPOCH FROM BATCH_JOB_OWNER
    UNION ALL SELECT 'journal', JOB_INSTANCE_ID, count(*) FROM BATCH_JOURNAL GROUP BY JOB_INSTANCE_ID";

impl Versions {
    /// Reads the versions and epochs of a repository after a crash, from a copy, because opening the original would
    /// repair it.
    pub(crate) fn after_death(folder: &Folder) -> Self {
        let copy = folder.beside("copy.db");
        for suffix in ["", "-wal"] {
            let target = format!("{}{suffix}", copy.display());
            if fs::copy(folder.world().join(format!("batch.db{suffix}")), &target).is_err() {
                let _ = fs::remove_file(target);
            }
        }
        let _ = fs::remove_file(folder.beside("copy.db-shm"));
        // There may be no repository yet, or none with tables.
        Self::of(&copy).unwrap_or_default()
    }

    fn of(path: &Path) -> rusqlite::Result<Self> {
        let repository = Connection::open(path)?;
        let mut statement = repository.prepare(VERSIONS)?;
        let versions = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        versions.collect::<rusqlite::Result<_>>().map(Self)
    }

    /// The versions and epochs that have decreased since.
    pub(crate) fn gone_back(&self, world: &Path) -> rusqlite::Result<Vec<String>> {
        let Self(now) = Self::of(&world.join("batch.db"))?;
        let back = self.0.iter().filter(|(what, id, before)| {
            !now.iter().any(|(other, number, version)| (other, number) == (what, id) && version >= before)
        });
        Ok(back.map(|(what, id, before)| format!("{what} {id} went back from version {before}")).collect())
    }
}
