//! A started step is found again by its name, or by a previous one.

use super::*;
use crate::support::{step, summed};

#[step(chunk = 3)]
fn load() {
    numbers | checked | keep
}

#[step]
fn report() {}

/// Programs that all have the job `loads`.
mod one {
    use super::*;

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        load;
        report;
    }
}

mod without {
    use super::*;

    #[job]
    pub(super) fn loads(#[param(identifying = false)] _allowed: PathBuf) {
        report;
    }
}

mod forgotten {
    use super::*;

    #[step(chunk = 3)]
    fn load_cities() {
        numbers | checked | keep
    }

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        load_cities;
        report;
    }
}

mod said {
    use super::*;

    #[step(chunk = 3, renamed_from = "load")]
    fn load_cities() {
        numbers | checked | keep
    }

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        load_cities;
        report;
    }
}

mod inserted {
    use super::*;

    #[step]
    fn prepare() {}

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        prepare;
        load;
    }
}

mod appended {
    use super::*;

    #[step(chunk = 5)]
    fn load() {
        numbers | checked | keep
    }

    #[step]
    fn audit() {}

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        load;
        audit;
        report;
    }
}

mod both {
    use super::*;

    #[step(chunk = 3, renamed_from = "load")]
    fn load_cities() {
        numbers | checked | keep
    }

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        load;
        load_cities;
    }
}

#[test]
fn a_begun_step_with_another_name_is_refused_with_what_to_write() {
    let world = begun(one::loads);
    assert_eq!(
        refused(&world, forgotten::loads),
        "step `load` has committed 2 chunks with 6 items, but the job no longer has a step of that name; if `load_cities` \
         is its new name, write `#[step(renamed_from = \"load\")]` there, or name it `load` again"
    );
}

#[test]
fn a_begun_step_that_is_gone_is_refused() {
    let world = begun(one::loads);
    let what = refused(&world, without::loads);
    assert!(
        what.starts_with("step `load` has committed 2 chunks with 6 items, but the job no longer has a step"),
        "{what}"
    );
}

#[test]
fn a_begun_step_that_has_another_step_before_it_is_refused() {
    let world = begun(one::loads);
    let what = refused(&world, inserted::loads);
    assert!(what.ends_with("but the job now reaches it by another path"), "{what}");
}

#[test]
fn a_step_that_states_its_old_name_resumes_where_it_was() {
    let world = begun(one::loads);
    let report = world.completes(&said::loads(world.path("allowed")));
    assert_exact(&world);
    let loaded = step(&report, "load_cities");
    assert_eq!((loaded.before.read, summed(loaded).read, summed(loaded).write), (6, 10, 10));
}

#[test]
fn a_name_that_two_steps_may_have_had_is_refused() {
    let world = begun(one::loads);
    let what = refused(&world, both::loads);
    assert!(
        what.starts_with("the records of step `load` may belong to the step that has this name now"),
        "{what}"
    );
}

#[test]
fn the_steps_after_a_begun_step_may_change_and_so_may_its_chunk() {
    let world = begun(one::loads);
    world.completes(&appended::loads(world.path("allowed")));
    assert_exact(&world);
}

#[test]
fn a_step_that_has_committed_nothing_may_go() {
    let world = World::new();
    world.fails(&nothing::loads(world.path("allowed")));
    world.completes(&without::loads(world.path("allowed")));
}

mod nothing {
    use super::*;

    #[reader]
    fn eight() -> impl Iterator<Item = i64> {
        8..=9
    }

    #[step(chunk = 3)]
    fn load() {
        eight | checked | keep
    }

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        load;
        report;
    }
}

mod arms {
    use super::*;

    #[derive(Clone, Copy)]
    #[expect(dead_code, reason = "the arm that is not taken")]
    pub(super) enum Quality {
        Good,
        Bad,
    }

    #[decider]
    pub(super) fn quality() -> Quality {
        Quality::Good
    }

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        match quality {
            Quality::Good => load,
            Quality::Bad => report,
        }
    }
}

mod swapped {
    use super::arms::{Quality, quality};
    use super::*;

    #[job]
    pub(super) fn loads(#[param(identifying = false)] allowed: PathBuf) {
        match quality {
            Quality::Good => report,
            Quality::Bad => load,
        }
    }
}

#[test]
fn a_begun_step_in_another_arm_is_refused() {
    let world = begun(arms::loads);
    let what = refused(&world, swapped::loads);
    assert!(what.ends_with("but the job now reaches it by another path"), "{what}");
    world.completes(&arms::loads(world.path("allowed")));
    assert_exact(&world);
}

/// Two uses of one step in a split, under different names.
mod eu_and_us {
    use super::*;

    #[reader]
    fn half(from: i64, to: i64) -> impl Iterator<Item = i64> {
        from..=to
    }

    #[step(chunk = 3)]
    fn load() {
        half | checked | keep
    }

    #[job]
    pub(super) fn halves(#[param(identifying = false)] allowed: PathBuf) {
        split!(max = 1; load(from = 1, to = 5) as load_eu, load(from = 6, to = 10) as load_us);
    }

    pub(super) mod unclear {
        use super::*;

        #[step(chunk = 3, renamed_from = "load_us")]
        fn load() {
            half | checked | keep
        }

        #[job]
        pub(in super::super) fn halves(#[param(identifying = false)] allowed: PathBuf) {
            split!(max = 1; load(from = 1, to = 5) as europe, load(from = 6, to = 10) as america);
        }
    }

    pub(super) mod said {
        use super::*;

        #[step(chunk = 3, renamed_from = "load_us as america", renamed_from = "load_eu as europe")]
        fn load() {
            half | checked | keep
        }

        #[job]
        pub(in super::super) fn halves(#[param(identifying = false)] allowed: PathBuf) {
            split!(max = 1; load(from = 1, to = 5) as europe, load(from = 6, to = 10) as america);
        }
    }
}

#[test]
fn each_use_of_a_step_may_state_its_old_name() {
    let world = World::new();
    // Eight is in the first chunk of its half, which has committed nothing yet.
    world.fails(&eu_and_us::halves(world.path("allowed")));
    let what = refused(&world, eu_and_us::unclear::halves);
    assert!(what.contains("`load_eu`"), "{what}");
    std::fs::write(world.path("allowed"), "").unwrap();
    let report = world.completes(&eu_and_us::said::halves(world.path("allowed")));
    assert_eq!(report.passed, ["europe"]);
    assert_exact(&world);
}

mod pages {
    use super::*;

    #[reader]
    fn page(step: &StepContext) -> impl Iterator<Item = i64> {
        let first = i64::from(!step.step().ends_with("[1]")) * 5;
        first + 1..=first + 5
    }

    #[step(chunk = 1)]
    fn load_page() {
        page | checked | keep
    }

    #[decider]
    fn more(tx: &Connection) -> rusqlite::Result<bool> {
        tx.query_row("SELECT COUNT(*) < 10 FROM kept", [], |row| row.get(0))
    }

    #[job]
    pub(super) fn paged(#[param(identifying = false)] allowed: PathBuf) {
        loop {
            load_page;
            match more {
                true => {}
                false => break,
            }
        }
    }

    pub(super) mod said {
        use super::*;

        #[step(chunk = 1, renamed_from = "load_page")]
        fn read_page() {
            page | checked | keep
        }

        #[job]
        pub(in super::super) fn paged(#[param(identifying = false)] allowed: PathBuf) {
            loop {
                read_page;
                match more {
                    true => {}
                    false => break,
                }
            }
        }
    }
}

#[test]
fn the_iterations_of_a_loop_are_renamed_with_their_step() {
    let world = begun(pages::paged);
    let report = world.completes(&pages::said::paged(world.path("allowed")));
    assert_eq!(report.passed, ["read_page[1]"]);
    assert_exact(&world);
}

mod parts {
    use super::*;

    #[reader]
    fn in_parts() -> VecReader<i64> {
        (1..=10).collect::<Vec<_>>().into()
    }

    #[step(chunk = 1, partitions = 2, threads = 1)]
    fn load() {
        in_parts | checked | keep
    }

    #[job]
    pub(super) fn parted(#[param(identifying = false)] allowed: PathBuf) {
        load;
    }

    pub(super) mod said {
        use super::*;

        #[step(chunk = 1, partitions = 3, threads = 2, renamed_from = "load")]
        fn load_all() {
            in_parts | checked | keep
        }

        #[job]
        pub(in super::super) fn parted(#[param(identifying = false)] allowed: PathBuf) {
            load_all;
        }
    }

    pub(super) mod in_one {
        use super::*;

        #[step(chunk = 1)]
        fn load() {
            in_parts | checked | keep
        }

        #[job]
        pub(in super::super) fn parted(#[param(identifying = false)] allowed: PathBuf) {
            load;
        }
    }
}

#[test]
fn partitions_are_renamed_with_their_step() {
    let world = begun(parts::parted);
    world.completes(&parts::said::parted(world.path("allowed")));
    assert_exact(&world);
    assert_eq!(world.texts("SELECT DISTINCT STEP_NAME FROM BATCH_PARTITION"), ["load_all"]);
}

#[test]
fn a_step_begun_in_partitions_resumes_in_partitions() {
    let world = begun(parts::parted);
    let what = refused(&world, parts::in_one::parted);
    assert!(what.contains("was begun with its input in partitions that the reader makes"), "{what}");
}

mod elsewhere {
    use super::*;

    #[database]
    fn warehouse(allowed: PathBuf) -> Sqlite {
        Sqlite::open(allowed.with_extension("db"))
    }

    #[writer]
    fn keep_there(numbers: &[i64], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
        tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
        numbers.iter().try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number]).map(drop))
    }

    #[step(chunk = 3)]
    fn load() {
        numbers | checked | keep_there
    }

    #[job]
    pub(super) fn sent(#[param(identifying = false)] allowed: PathBuf) {
        load;
    }

    pub(super) mod said {
        use super::*;

        #[step(chunk = 3, renamed_from = "load")]
        fn send() {
            numbers | checked | keep_there
        }

        #[job]
        pub(in super::super) fn sent(#[param(identifying = false)] allowed: PathBuf) {
            send;
        }
    }

    pub(super) mod gone {
        use super::*;

        #[job]
        pub(in super::super) fn sent(#[param(identifying = false)] _allowed: PathBuf) {
            report;
        }
    }
}

#[test]
fn a_step_that_commits_in_another_database_is_renamed_there_too() {
    let world = begun(elsewhere::sent);
    world.completes(&elsewhere::said::sent(world.path("allowed")));
    let there = rusqlite::Connection::open(world.path("allowed.db")).unwrap();
    let sums = there.query_row("SELECT COUNT(*), SUM(number) FROM kept", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    });
    assert_eq!(sums.unwrap(), (10, 55));
}

#[test]
fn commits_in_another_database_count_although_the_repository_does_not_know_them() {
    let world = begun(elsewhere::sent);
    // As after a crash: only the other database knows of the commits.
    world
        .database()
        .execute_batch(
            "UPDATE BATCH_STEP_EXECUTION SET COMMIT_COUNT = 0, WRITE_COUNT = 0;
             UPDATE BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = '{}';
             CREATE TABLE kept (number INTEGER)",
        )
        .unwrap();
    let what = refused(&world, elsewhere::gone::sent);
    assert!(
        what.starts_with("step `load` was begun, but the job no longer has a step of that name"),
        "{what}"
    );
}

mod nested {
    use super::*;

    #[job]
    fn import(#[param(identifying = false)] allowed: PathBuf) {
        load;
    }

    #[job]
    pub(super) fn outer(#[param(identifying = false)] allowed: PathBuf) {
        import;
        report;
    }

    pub(super) mod called_otherwise {
        use super::*;

        #[job]
        pub(in super::super) fn outer(#[param(identifying = false)] allowed: PathBuf) {
            import as import_all;
            report;
        }
    }

    pub(super) mod inside {
        use super::*;

        #[job]
        fn import(#[param(identifying = false)] _allowed: PathBuf) {
            report;
        }

        #[job]
        pub(in super::super) fn outer(#[param(identifying = false)] allowed: PathBuf) {
            import;
            report;
        }
    }
}

#[test]
fn a_begun_nested_job_with_another_name_is_refused() {
    let world = begun(nested::outer);
    let what = refused(&world, nested::called_otherwise::outer);
    assert!(
        what.starts_with("step `import` was begun, but the job no longer has a step of that name"),
        "{what}"
    );
}

#[test]
fn a_begun_step_that_is_gone_from_a_nested_job_fails_that() {
    let world = begun(nested::outer);
    let failed = world.fails(&nested::inside::outer(world.path("allowed")));
    let why = &failed.exit.description;
    assert!(
        why.contains("job `import` has changed") && why.contains("step `load` has committed 2 chunks"),
        "{why}"
    );
    world.completes(&nested::outer(world.path("allowed")));
    assert_exact(&world);
}

mod totals {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Total(i64);

    #[step]
    fn count() -> Total {
        Total(7)
    }

    #[step]
    fn tell(total: &Output<count>, allowed: PathBuf, tx: &Transaction<'_>) -> Result<(), String> {
        put(total.0, &allowed, tx)
    }

    pub(super) fn put(total: i64, allowed: &Path, tx: &Transaction<'_>) -> Result<(), String> {
        if !allowed.exists() {
            return Err("not yet".to_owned());
        }
        let made = tx.execute_batch(&format!("CREATE TABLE kept AS SELECT {total} AS number"));
        made.map_err(|error| error.to_string())
    }

    #[job]
    pub(super) fn totalled(#[param(identifying = false)] allowed: PathBuf) {
        count;
        tell;
    }

    pub(super) mod said {
        use super::*;

        #[step(renamed_from = "count")]
        fn count_all() -> Total {
            panic!("it is complete")
        }

        #[step]
        fn tell(total: &Output<count_all>, allowed: PathBuf, tx: &Transaction<'_>) -> Result<(), String> {
            put(total.0, &allowed, tx)
        }

        #[job]
        pub(in super::super) fn totalled(#[param(identifying = false)] allowed: PathBuf) {
            count_all;
            tell;
        }
    }
}

#[test]
fn a_complete_step_that_was_renamed_keeps_its_output_under_its_new_name() {
    let world = begun(totals::totalled);
    let report = world.completes(&totals::said::totalled(world.path("allowed")));
    assert_eq!(report.passed, ["count_all"]);
    assert_eq!(kept(&world), [7]);
}

mod repeated {
    use super::*;

    #[step]
    fn in_parts(
        tx: &Transaction<'_>,
        #[state] done: &mut i64,
        allowed: PathBuf,
    ) -> Result<Repeat, Box<dyn std::error::Error>> {
        part(tx, done, &allowed)
    }

    pub(super) fn part(
        tx: &Transaction<'_>,
        done: &mut i64,
        allowed: &Path,
    ) -> Result<Repeat, Box<dyn std::error::Error>> {
        *done += 1;
        if *done == 8 && !allowed.exists() {
            return Err("not yet".into());
        }
        tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
        tx.execute("INSERT INTO kept VALUES (?1)", [*done])?;
        Ok(if *done < 10 { Repeat::Again } else { Repeat::Done })
    }

    #[job]
    pub(super) fn parted(#[param(identifying = false)] allowed: PathBuf) {
        in_parts;
    }

    pub(super) mod said {
        use super::*;

        #[step(renamed_from = "in_parts")]
        fn part_by_part(
            tx: &Transaction<'_>,
            #[state] done: &mut i64,
            allowed: PathBuf,
        ) -> Result<Repeat, Box<dyn std::error::Error>> {
            part(tx, done, &allowed)
        }

        #[job]
        pub(in super::super) fn parted(#[param(identifying = false)] allowed: PathBuf) {
            part_by_part;
        }
    }

    pub(super) mod as_a_pipe {
        use super::*;

        #[step(chunk = 3)]
        fn in_parts() {
            numbers | checked | keep
        }

        #[job]
        pub(in super::super) fn parted(#[param(identifying = false)] allowed: PathBuf) {
            in_parts;
        }
    }
}

#[test]
fn a_tasklet_that_was_renamed_resumes_with_its_state() {
    let world = begun(repeated::parted);
    world.completes(&repeated::said::parted(world.path("allowed")));
    assert_exact(&world);
}

#[test]
fn a_tasklet_that_became_a_pipe_is_refused() {
    let world = begun(repeated::parted);
    let what = refused(&world, repeated::as_a_pipe::parted);
    assert!(what.ends_with("it was begun as a tasklet, and is a step with `chunk` now"), "{what}");
}
