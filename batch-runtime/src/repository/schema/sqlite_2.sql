-- What a step execution left out because it failed, in the order of the input; committed with the chunk that left it out.
-- SOURCE_POSITION says where the reader finds it again; ITEM is the item as JSON, where it was still in hand.
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
