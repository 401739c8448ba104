use batch_runtime::prelude::*;

struct Client;
struct Prices;

#[resource]
fn client() -> Client {
    Client
}

#[processor]
fn fetch(line: String, client: &Prices) -> usize {
    let _ = client;
    line.len()
}

fn main() {}
