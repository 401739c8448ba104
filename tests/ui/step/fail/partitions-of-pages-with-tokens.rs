use batch_runtime::prelude::*;
use batch_runtime::readers::http::{Token, token};

#[resource]
fn api() -> Http {
    Http::new("http://api.example.org")
}

#[reader]
fn movies(api: &Http) -> HttpPages<String, Token> {
    api.get("movies").items("/movies").pages(token("cursor", "/next"))
}

#[writer]
fn save(movies: &[String]) {
    println!("{movies:?}");
}

#[step(chunk = 10, partitions = 8)]
fn load() {
    movies | save
}

fn main() {}
