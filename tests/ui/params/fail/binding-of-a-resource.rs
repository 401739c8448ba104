use batch_runtime::prelude::*;

struct Client;

#[resource]
fn client() -> Client {
    Client
}

#[resource]
fn other() -> Client {
    Client
}

#[reader]
fn numbers(client: &Client) -> impl Iterator<Item = u32> {
    let _ = client;
    0..10
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{}", numbers.len());
}

#[step(chunk = 100)]
fn load() {
    numbers(client = other) | print
}

fn main() {}
