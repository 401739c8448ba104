use batch_runtime::prelude::*;

#[database]
fn warehouse(warehouse_path: PathBuf) -> Sqlite {
    Sqlite::open(warehouse_path)
}

#[step]
fn copy(here: &Transaction<'_>, there: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    here.execute("DELETE FROM a", [])?;
    there.execute("DELETE FROM a", [])?;
    Ok(())
}

fn main() {}
