-- The items that a step execution skipped, in the order of the input; committed with the chunk that skipped them.
-- SOURCE_POSITION is where the reader finds the item again; ITEM is the item as JSON, if it was still available.
CREATE TABLE BATCH_SKIPPED_ITEM (
    STEP_EXECUTION_ID INTEGER NOT NULL REFERENCES BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    SEQUENCE INTEGER NOT NULL,
    PHASE VARCHAR(10) NOT NULL,
    SOURCE_POSITION TEXT NOT NULL,
    LOCATION TEXT,
    ERROR VARCHAR(2500) NOT NULL,
    ITEM TEXT,
    PRIMARY KEY (STEP_EXECUTION_ID, SEQUENCE)
);
