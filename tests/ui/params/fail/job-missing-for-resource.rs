use batch_runtime::prelude::*;

struct Client;

#[resource]
fn client(base_url: String) -> Client {
    let _ = base_url;
    Client
}

#[step]
fn fetch(client: &Client) {
    let _ = client;
}

#[job]
fn etl() {
    fetch;
}

fn main() {}
