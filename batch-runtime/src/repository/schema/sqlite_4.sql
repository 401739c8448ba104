-- The form of a step when it began, as JSON: a restart resumes from its checkpoint only with a step of the same form.
CREATE TABLE BATCH_STEP_FORM (
    STEP_EXECUTION_ID INTEGER NOT NULL PRIMARY KEY REFERENCES BATCH_STEP_EXECUTION (STEP_EXECUTION_ID),
    FORM TEXT NOT NULL
);
