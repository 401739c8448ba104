-- Version 1 of the schema. Do not change it: later versions are in `postgres_2.sql` and the following files, which run in
-- order for new and old repositories alike. `@` stands for the schema.

-- The additional tables of this framework. Spring Batch's own tables are in `postgres_spring.sql`.

-- One row: the version of these tables, and a unique name of the repository.
CREATE TABLE @BATCH_SCHEMA (
    VERSION BIGINT NOT NULL,
    REPOSITORY VARCHAR(36) NOT NULL
);

-- A process that runs jobs. RENEWED is the start of its lease by the server's clock; LOST says when the lease was declared
-- lost or the process ended, and LOST_TO which process said so.
CREATE TABLE @BATCH_PROCESS (
    PROCESS VARCHAR(36) NOT NULL PRIMARY KEY,
    HOST VARCHAR(255) NOT NULL,
    PID BIGINT NOT NULL,
    START_TICKS BIGINT NOT NULL,
    BOOT_ID VARCHAR(36) NOT NULL,
    PID_SPACE VARCHAR(64) NOT NULL,
    STARTED TIMESTAMPTZ NOT NULL,
    RENEWED TIMESTAMPTZ NOT NULL,
    LEASE INTERVAL NOT NULL,
    LOST TIMESTAMPTZ,
    LOST_TO VARCHAR(36)
);

-- The owner of an execution. EPOCH rises within the instance with every launch and takeover, and every write on behalf of
-- the execution checks it. RECOVERIES counts the takeovers of the instance from dead owners since somebody forced a launch.
-- PROCESS is the process that runs it; NULL once that has let go of it, or was seen to be dead.
CREATE TABLE @BATCH_JOB_OWNER (
    JOB_EXECUTION_ID BIGINT NOT NULL PRIMARY KEY REFERENCES @BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
    JOB_INSTANCE_ID BIGINT NOT NULL REFERENCES @BATCH_JOB_INSTANCE (JOB_INSTANCE_ID),
    EPOCH BIGINT NOT NULL,
    RECOVERIES BIGINT NOT NULL,
    DURABILITY VARCHAR(10) NOT NULL,
    OWNER VARCHAR(36) NOT NULL,
    HOST VARCHAR(255) NOT NULL,
    PID BIGINT NOT NULL,
    START_TICKS BIGINT NOT NULL,
    BOOT_ID VARCHAR(36) NOT NULL,
    PROCESS VARCHAR(36)
);
CREATE INDEX BATCH_JOB_OWNER_INSTANCE ON @BATCH_JOB_OWNER (JOB_INSTANCE_ID);
CREATE INDEX BATCH_JOB_OWNER_PROCESS ON @BATCH_JOB_OWNER (PROCESS);

-- The places of the control flow that an instance has passed, in order; a restart replays them.
CREATE TABLE @BATCH_JOURNAL (
    JOB_INSTANCE_ID BIGINT NOT NULL REFERENCES @BATCH_JOB_INSTANCE (JOB_INSTANCE_ID),
    SEQUENCE BIGINT NOT NULL,
    PATH TEXT NOT NULL,
    OUTCOME TEXT NOT NULL,
    EXIT_CODE TEXT,
    EXIT_MESSAGE TEXT,
    OUTPUT_ID TEXT,
    OUTPUT TEXT,
    JOB_EXECUTION_ID BIGINT NOT NULL REFERENCES @BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
    PRIMARY KEY (JOB_INSTANCE_ID, SEQUENCE)
);

-- The graph of the job as text at the launch of the execution.
CREATE TABLE @BATCH_JOB_GRAPH (
    JOB_EXECUTION_ID BIGINT NOT NULL PRIMARY KEY REFERENCES @BATCH_JOB_EXECUTION (JOB_EXECUTION_ID),
    GRAPH TEXT NOT NULL
);

-- The time per activity of an ended step execution, in nanoseconds.
CREATE TABLE @BATCH_STEP_PROFILE (
    STEP_EXECUTION_ID BIGINT NOT NULL PRIMARY KEY REFERENCES @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    READ_NANOS BIGINT NOT NULL,
    PROCESS_NANOS BIGINT NOT NULL,
    WRITE_NANOS BIGINT NOT NULL,
    COMMIT_NANOS BIGINT NOT NULL
);

-- The items that a step execution skipped, in the order of the input; committed with the chunk that skipped them.
-- SOURCE_POSITION is where the reader finds the item again; ITEM is the item as JSON, if it was still available.
CREATE TABLE @BATCH_SKIPPED_ITEM (
    STEP_EXECUTION_ID BIGINT NOT NULL REFERENCES @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    SEQUENCE BIGINT NOT NULL,
    PHASE VARCHAR(10) NOT NULL,
    SOURCE_POSITION TEXT NOT NULL,
    LOCATION TEXT,
    ERROR VARCHAR(2500) NOT NULL,
    ITEM TEXT,
    PRIMARY KEY (STEP_EXECUTION_ID, SEQUENCE)
);

-- The partitions of a step, as created when it first started: a restart reads them back and never creates them again.
-- PART is the part of the input as JSON; STEP_EXECUTION_ID is the last execution of the partition.
CREATE TABLE @BATCH_PARTITION (
    JOB_INSTANCE_ID BIGINT NOT NULL REFERENCES @BATCH_JOB_INSTANCE (JOB_INSTANCE_ID),
    STEP_NAME VARCHAR(100) NOT NULL,
    PARTITION BIGINT NOT NULL,
    NAME TEXT,
    PART TEXT NOT NULL,
    STEP_EXECUTION_ID BIGINT NOT NULL REFERENCES @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    PRIMARY KEY (JOB_INSTANCE_ID, STEP_NAME, PARTITION)
);
CREATE INDEX BATCH_PARTITION_STEP_EXECUTION ON @BATCH_PARTITION (STEP_EXECUTION_ID);

-- The form of a step when it began, as JSON: a restart resumes from its checkpoint only with a step of the same form.
CREATE TABLE @BATCH_STEP_FORM (
    STEP_EXECUTION_ID BIGINT NOT NULL PRIMARY KEY REFERENCES @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    FORM TEXT NOT NULL
);

CREATE INDEX BATCH_JOB_EXECUTION_INSTANCE ON @BATCH_JOB_EXECUTION (JOB_INSTANCE_ID);
CREATE INDEX BATCH_JOB_EXECUTION_PARAMS_EXECUTION ON @BATCH_JOB_EXECUTION_PARAMS (JOB_EXECUTION_ID);
CREATE INDEX BATCH_STEP_EXECUTION_EXECUTION ON @BATCH_STEP_EXECUTION (JOB_EXECUTION_ID);
-- No program can create two running executions of an instance.
CREATE UNIQUE INDEX BATCH_JOB_EXECUTION_RUNNING ON @BATCH_JOB_EXECUTION (JOB_INSTANCE_ID)
    WHERE STATUS IN ('STARTING', 'STARTED', 'STOPPING');

-- Every chunk updates a row of these: room on the page keeps the update off the indexes.
ALTER TABLE @BATCH_STEP_EXECUTION SET (fillfactor = 50);
ALTER TABLE @BATCH_STEP_EXECUTION_CONTEXT SET (fillfactor = 50);
