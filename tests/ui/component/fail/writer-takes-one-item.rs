use batch_runtime::prelude::*;

#[writer]
fn print(line: String) -> std::io::Result<()> {
    println!("{line}");
    Ok(())
}

fn main() {}
