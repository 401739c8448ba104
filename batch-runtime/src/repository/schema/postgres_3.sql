-- Version 3 of the schema. `@` stands for the schema.

-- How far a running step execution had come when it was SEEN, written with a chunk at most once a second. DONE of TOTAL are in the
-- reader's own unit, such as bytes; DONE_BEFORE is where the step execution began. The rate follows from the counters and times.
CREATE TABLE @BATCH_STEP_PROGRESS (
    STEP_EXECUTION_ID BIGINT NOT NULL PRIMARY KEY REFERENCES @BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    DONE_BEFORE BIGINT NOT NULL,
    DONE BIGINT NOT NULL,
    TOTAL BIGINT NOT NULL,
    SEEN TIMESTAMP NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX BATCH_JOB_EXECUTION_END ON @BATCH_JOB_EXECUTION (END_TIME);
CREATE INDEX BATCH_JOB_EXECUTION_STATUS ON @BATCH_JOB_EXECUTION (STATUS, JOB_EXECUTION_ID);

-- DETAILS holds the time of each component of the step and how busy its threads were, as JSON.
ALTER TABLE @BATCH_STEP_PROFILE ADD COLUMN DETAILS TEXT;

-- The last advice that a step of a job was given: the SETTING of the LEVER would bring its time from ELAPSED_NANOS to about
-- PREDICTED_NANOS, for ITEMS items read. It is compared with the next execution that has the setting.
CREATE TABLE @BATCH_STEP_ADVICE (
    JOB_NAME VARCHAR(100) NOT NULL,
    STEP_NAME VARCHAR(100) NOT NULL,
    STEP_EXECUTION_ID BIGINT NOT NULL,
    LEVER VARCHAR(20) NOT NULL,
    COMPONENT TEXT,
    SETTING BIGINT NOT NULL,
    ITEMS BIGINT NOT NULL,
    ELAPSED_NANOS BIGINT NOT NULL,
    PREDICTED_NANOS BIGINT NOT NULL,
    PRIMARY KEY (JOB_NAME, STEP_NAME)
);

-- The schedule of a job, SINCE this expression was first seen. The times up to PLANNED are in the table below, or never run.
CREATE TABLE @BATCH_SCHEDULE (
    JOB_NAME VARCHAR(100) NOT NULL PRIMARY KEY,
    EXPRESSION TEXT NOT NULL,
    ZONE VARCHAR(100) NOT NULL,
    SINCE TIMESTAMP NOT NULL,
    PLANNED TIMESTAMP NOT NULL,
    PAUSED TIMESTAMP
);

-- The scheduled times. SCHEDULED is the value of the parameter that holds the time, and JOB_KEY belongs to the instance that runs
-- for it. OUTCOME is DUE, DONE, MISSED, SKIPPED or HELD; how the run went is in the tables of its instance.
CREATE TABLE @BATCH_SCHEDULE_FIRE (
    JOB_NAME VARCHAR(100) NOT NULL,
    SCHEDULED VARCHAR(40) NOT NULL,
    FIRE_TIME TIMESTAMP NOT NULL,
    JOB_KEY VARCHAR(32) NOT NULL,
    OUTCOME VARCHAR(10) NOT NULL,
    PRIMARY KEY (JOB_NAME, SCHEDULED)
);

CREATE INDEX BATCH_SCHEDULE_FIRE_TIME ON @BATCH_SCHEDULE_FIRE (JOB_NAME, FIRE_TIME);
CREATE INDEX BATCH_SCHEDULE_FIRE_DUE ON @BATCH_SCHEDULE_FIRE (JOB_NAME, JOB_KEY) WHERE OUTCOME = 'DUE';

-- The identity of an instance whose record was purged: a launch with the same parameters is still refused. JOB_EXECUTION_ID is the
-- execution that made it complete; RUN_ID is its identifying parameter `run.id`, if it had one.
CREATE TABLE @BATCH_PURGED (
    JOB_NAME VARCHAR(100) NOT NULL,
    JOB_KEY VARCHAR(32) NOT NULL,
    JOB_INSTANCE_ID BIGINT NOT NULL,
    JOB_EXECUTION_ID BIGINT NOT NULL,
    STATUS VARCHAR(10) NOT NULL,
    END_TIME TIMESTAMP NOT NULL,
    RUN_ID BIGINT,
    PRIMARY KEY (JOB_NAME, JOB_KEY)
);

-- The totals of the purged executions of a job, by exit code, or of a step if STEP_NAME is not empty. All
-- rounds of a loop have one name, and partitions are part of their step.
CREATE TABLE @BATCH_TOTAL (
    JOB_NAME VARCHAR(100) NOT NULL,
    STEP_NAME VARCHAR(100) NOT NULL,
    EXIT_CODE VARCHAR(500) NOT NULL,
    ENDED_COUNT BIGINT NOT NULL,
    ELAPSED_MICROS BIGINT NOT NULL,
    LONGEST_MICROS BIGINT NOT NULL,
    LAST_COMPLETED TIMESTAMP,
    PRIMARY KEY (JOB_NAME, STEP_NAME, EXIT_CODE)
);

-- The work of all purged executions of a step. The times are NULL for a step without chunks.
CREATE TABLE @BATCH_TOTAL_WORK (
    JOB_NAME VARCHAR(100) NOT NULL,
    STEP_NAME VARCHAR(100) NOT NULL,
    COMMIT_COUNT BIGINT NOT NULL,
    READ_COUNT BIGINT NOT NULL,
    FILTER_COUNT BIGINT NOT NULL,
    WRITE_COUNT BIGINT NOT NULL,
    READ_SKIP_COUNT BIGINT NOT NULL,
    WRITE_SKIP_COUNT BIGINT NOT NULL,
    PROCESS_SKIP_COUNT BIGINT NOT NULL,
    ROLLBACK_COUNT BIGINT NOT NULL,
    READ_NANOS BIGINT,
    PROCESS_NANOS BIGINT,
    WRITE_NANOS BIGINT,
    COMMIT_NANOS BIGINT,
    PRIMARY KEY (JOB_NAME, STEP_NAME)
);
