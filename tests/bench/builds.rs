//! Measures how long cargo takes to build this workspace, and generated jobs that use it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::Spread;
use crate::report::{Row, Target};
use crate::{Outcome, Plan};

/// The benchmarks of building.
pub(crate) const NAMES: [&str; 4] =
    ["build_example", "rebuild_50_steps", "check_200_steps", "build_200_steps"];

/// The rows of the table about builds.
pub(crate) fn all(plan: &Plan) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let [of_example, of_steps @ ..] = NAMES;
    if plan.wants(of_example) {
        rows.push(example(plan)?);
    }
    if of_steps.iter().any(|name| plan.wants(name)) {
        rows.extend(steps(plan)?);
    }
    Ok(rows)
}

pub(crate) fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Runs cargo, quietly and without the network.
pub(crate) fn cargo(folder: &Path, target: &Path, arguments: &[&str]) -> Outcome<Duration> {
    eprintln!("  cargo {} …", arguments.join(" "));
    let begin = Instant::now();
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--quiet"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .output()?;
    let took = begin.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("cargo {} failed:\n{said}", arguments.join(" ")).into());
    }
    Ok(took)
}

fn row(name: &'static str, took: &[Duration], must: f64, detail: &str) -> Row {
    Row {
        name,
        unit: "s",
        value: Spread::of(took.iter().map(Duration::as_secs_f64)),
        target: Target::must(must),
        detail: detail.to_owned(),
    }
}

/// Builds everything from scratch, including dependencies and the bundled `SQLite`.
fn example(plan: &Plan) -> Outcome<Row> {
    let target = plan.disk.folder("example")?;
    let took = cargo(&workspace(), &target, &["build", "--package", "batch-examples", "--example", EXAMPLE])?;
    fs::remove_dir_all(&target)?;
    Ok(row("build_example", &[took], 90.0, &format!("{EXAMPLE}, with all it depends on")))
}

const EXAMPLE: &str = "flight_delays";

/// A package with a job of this many steps, each in its own module.
struct Package(PathBuf);

impl Package {
    fn create(folder: PathBuf, steps: usize) -> Outcome<Self> {
        let runtime = workspace().join("batch-runtime");
        let manifest = format!(
            "[package]\nname = \"steps-{steps}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\nbatch-runtime = {{ path = '{}' }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n",
            runtime.display()
        );
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let (mut modules, mut body) = (String::new(), String::new());
        for step in 0..steps {
            writeln!(modules, "mod step_{step};\nuse step_{step}::load_{step};")?;
            writeln!(body, "    load_{step};")?;
        }
        let main = format!(
            "use batch_runtime::prelude::*;\n\n{modules}\n/// Loads all of it.\n#[job]\nfn load(input: PathBuf) {{\n{body}}}\n\n\
             batch_runtime::main!(load);\n"
        );
        fs::write(folder.join("src/main.rs"), main)?;
        let package = Self(folder);
        for step in 0..steps {
            package.write_step(step, 0)?;
        }
        Ok(package)
    }

    /// Writes a step with a number in its processor, which the measured edit changes.
    fn write_step(&self, step: usize, edit: usize) -> Outcome {
        let module = MODULE.replace("STEP", &step.to_string()).replace("EDIT", &edit.to_string());
        fs::write(self.0.join(format!("src/step_{step}.rs")), module)?;
        Ok(())
    }

    fn cargo(&self, target: &Path, arguments: &[&str]) -> Outcome<Duration> {
        cargo(&self.0, target, arguments)
    }
}

/// One step as in a typical program: rows of a file are filtered, transformed and saved in a table.
const MODULE: &str = r#"use batch_runtime::prelude::*;
use batch_runtime::readers::{CsvReader, ReadError};

#[derive(Debug, Deserialize)]
pub struct OrderSTEP {
    customer: String,
    country: String,
    quantity: u32,
    price: f64,
    discount: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct ChargeSTEP {
    customer: String,
    country: String,
    amount: f64,
}

/// The orders of a file.
#[reader]
pub fn orders_STEP(input: PathBuf) -> Result<CsvReader<OrderSTEP>, ReadError> {
    CsvReader::open(input)
}

/// Filters cancelled orders.
#[processor]
pub fn charge_STEP(order: OrderSTEP) -> Option<ChargeSTEP> {
    if order.quantity <= EDIT {
        return None;
    }
    let amount = f64::from(order.quantity) * order.price * (1.0 - order.discount.unwrap_or(0.0));
    Some(ChargeSTEP { customer: order.customer, country: order.country, amount })
}

/// Saves a row per charge.
#[writer]
pub fn save_STEP(charges: &[ChargeSTEP], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO charge_STEP VALUES (?1, ?2, ?3)")?;
    for charge in charges {
        insert.execute((&charge.customer, &charge.country, charge.amount))?;
    }
    Ok(())
}

#[step(chunk = 1_000)]
pub fn load_STEP() {
    orders_STEP | charge_STEP | save_STEP
}
"#;

/// Builds jobs of many steps; their dependencies are built beforehand.
fn steps(plan: &Plan) -> Outcome<Vec<Row>> {
    let target = plan.disk.folder("steps-target")?;
    let rounds = plan.rounds(5);
    let mut rows = Vec::new();

    if plan.wants("rebuild_50_steps") {
        let fifty = Package::create(plan.disk.folder("steps-50")?, 50)?;
        fifty.cargo(&target, &["build"])?;
        let took = (1..=rounds)
            .map(|edit| {
                fifty.write_step(25, edit)?;
                fifty.cargo(&target, &["build"])
            })
            .collect::<Outcome<Vec<_>>>()?;
        rows.push(row("rebuild_50_steps", &took, 4.0, "after an edit in one processor"));
    }

    let two_hundred = Package::create(plan.disk.folder("steps-200")?, 200)?;
    for (name, command, must) in [("check_200_steps", "check", 10.0), ("build_200_steps", "build", 40.0)] {
        if !plan.wants(name) {
            continue;
        }
        two_hundred.cargo(&target, &[command])?;
        let took = (0..rounds.min(3))
            .map(|_| {
                two_hundred.cargo(&target, &["clean", "--package", "steps-200"])?;
                two_hundred.cargo(&target, &[command])
            })
            .collect::<Outcome<Vec<_>>>()?;
        rows.push(row(name, &took, must, "from nothing but the dependencies"));
    }
    fs::remove_dir_all(&target)?;
    Ok(rows)
}
