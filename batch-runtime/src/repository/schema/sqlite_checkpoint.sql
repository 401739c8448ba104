-- In a database of the user's that is not the repository: what a step has committed there, in the transactions of its
-- rows. It is the truth, and the repository's rows of the step follow it. EPOCH is raised by every step execution
-- before it reads the rest, so that an owner that was taken over from changes nothing more.
CREATE TABLE IF NOT EXISTS BATCH_STEP_CHECKPOINT (
    REPOSITORY VARCHAR(36) NOT NULL,
    JOB_INSTANCE_ID INTEGER NOT NULL,
    STEP_NAME VARCHAR(100) NOT NULL,
    EPOCH INTEGER NOT NULL,
    STEP_EXECUTION_ID INTEGER NOT NULL,
    VERSION INTEGER NOT NULL,
    COMMIT_COUNT INTEGER NOT NULL,
    READ_COUNT INTEGER NOT NULL,
    FILTER_COUNT INTEGER NOT NULL,
    WRITE_COUNT INTEGER NOT NULL,
    READ_SKIP_COUNT INTEGER NOT NULL,
    WRITE_SKIP_COUNT INTEGER NOT NULL,
    PROCESS_SKIP_COUNT INTEGER NOT NULL,
    ROLLBACK_COUNT INTEGER NOT NULL,
    CONTEXT TEXT NOT NULL,
    LAST_UPDATED TIMESTAMP NOT NULL,
    PRIMARY KEY (REPOSITORY, JOB_INSTANCE_ID, STEP_NAME)
);
