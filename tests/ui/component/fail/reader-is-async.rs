use batch_runtime::prelude::*;

#[reader]
async fn lines() -> std::vec::IntoIter<String> {
    Vec::new().into_iter()
}

fn main() {}
