//! Measures how the memory of a process grows with the rows that it copies from table to table.

use batch_tests::postgres::Server;

use crate::report::{Row, Target};
use crate::{Outcome, Plan, process};

/// Ten times as many rows, from table to table.
pub(crate) fn memory_growth(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let server = super::server(false)?;
    process::growth(plan, name, Target::must_and_aim(2.0, 0.0), |_, rows| peak(&server, rows))
}

fn peak(server: &Server, rows: u64) -> Outcome<f64> {
    let database = server.database();
    database.connect().batch_execute(&format!(
        "CREATE UNLOGGED TABLE stored AS
             SELECT n AS id, 'Customer ' || n % 1000 AS customer, 'DE' AS country, 'Mug' AS product,
                    (n % 60 + 1)::int AS quantity, 9.99::float8 AS price, NULL::float8 AS discount
             FROM generate_series(1::bigint, {rows}) AS n;
         ALTER TABLE stored ADD PRIMARY KEY (id);
         CREATE UNLOGGED TABLE sale (LIKE stored)"
    ))?;
    database.connect().batch_execute("VACUUM ANALYZE stored")?;
    let repository = format!("{}?schema=batch", database.url());
    let peak = process::peak_of("postgres_to_postgres", repository.as_ref(), &[])?;
    let copied: i64 = database.connect().query_one("SELECT count(*) FROM sale", &[])?.get(0);
    if copied.cast_unsigned() != rows {
        return Err(format!("{copied} rows of {rows} were copied").into());
    }
    // Ten million rows take two gigabytes of the disk, until the server ends.
    database.connect().batch_execute("DROP TABLE stored, sale")?;
    Ok(peak)
}
