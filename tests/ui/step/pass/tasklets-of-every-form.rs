use batch_runtime::prelude::*;

#[step]
fn nothing() {}

#[step]
fn fallible(tx: &Transaction<'_>, context: &StepContext) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM line WHERE step = ?1", [context.step()]).map(drop)
}

#[step(start_limit = 2, allow_start_if_complete = true)]
fn repeats(#[state] done: &mut u32) -> Repeat {
    *done += 1;
    if *done < 3 { Repeat::Again } else { Repeat::Done }
}

#[step]
fn repeats_or_fails() -> anyhow::Result<Repeat> {
    Ok(Repeat::Done)
}

enum Route {
    Left,
    Right,
}

#[step]
fn routes(go_left: bool) -> Result<Route, String> {
    Ok(if go_left { Route::Left } else { Route::Right })
}

#[derive(Serialize, Deserialize)]
struct Total {
    rows: u64,
}

#[step]
fn leaves() -> Total {
    Total { rows: 3 }
}

#[step]
fn only_serialises() -> &'static str {
    "text"
}

// In a function that returns something, an expression with `|` is a value.
#[step]
fn bits() -> u32 {
    1 | 2
}

#[step]
fn asks(total: &Output<leaves>, maybe: Option<&Output<bits>>) {
    println!("{} {}", total.rows, maybe.is_some());
}

fn main() {
    nothing();
    assert_eq!(repeats(&mut 2), Repeat::Done);
    assert!(matches!(routes(true), Ok(Route::Left)));
    assert!(matches!(routes(false), Ok(Route::Right)));
    assert_eq!(bits(), 3);
    assert_eq!(only_serialises(), "text");
    asks(&Output::new(leaves()), None);
    let _ = (fallible, repeats_or_fails);
}
