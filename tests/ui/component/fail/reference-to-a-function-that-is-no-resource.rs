use batch_runtime::prelude::*;

struct Client;

fn client() -> Client {
    Client
}

#[processor]
fn fetch(line: String, client: &Client) -> usize {
    let _ = client;
    line.len()
}

fn main() {}
