-- A process that runs partitions for others. It holds byte 2^62 + PROCESS_ID of the lock file while it is alive. QUEUES are the
-- names of the queues that it takes partitions from, as a JSON array; DECLINED says what it would need for the last partition
-- that it could not run.
CREATE TABLE BATCH_PROCESS (
    PROCESS_ID INTEGER PRIMARY KEY AUTOINCREMENT,
    HOST VARCHAR(255) NOT NULL,
    PID INTEGER NOT NULL,
    QUEUES TEXT NOT NULL,
    SLOTS INTEGER NOT NULL,
    STARTED TIMESTAMP NOT NULL,
    ENDED TIMESTAMP,
    DRAINS INTEGER NOT NULL DEFAULT 0,
    DECLINED TEXT
);

-- OFFERED_FOR is the queue whose workers may take the partition; NULL while it is not offered. PROCESS_ID is the worker that
-- took it. LOSSES counts the workers in a row that were lost before they had committed anything of it; TAKE_OVER says that an
-- earlier runner may still be alive, so that the files of the partition have to be taken over.
ALTER TABLE BATCH_PARTITION ADD COLUMN OFFERED_FOR TEXT;
ALTER TABLE BATCH_PARTITION ADD COLUMN PROCESS_ID INTEGER REFERENCES BATCH_PROCESS (PROCESS_ID);
ALTER TABLE BATCH_PARTITION ADD COLUMN LOSSES INTEGER NOT NULL DEFAULT 0;
ALTER TABLE BATCH_PARTITION ADD COLUMN TAKE_OVER INTEGER NOT NULL DEFAULT 0;
CREATE INDEX BATCH_PARTITION_OFFERED ON BATCH_PARTITION (OFFERED_FOR, STEP_EXECUTION_ID) WHERE OFFERED_FOR IS NOT NULL;
CREATE INDEX BATCH_PARTITION_PROCESS ON BATCH_PARTITION (PROCESS_ID) WHERE PROCESS_ID IS NOT NULL;
