use batch_runtime::prelude::*;
use batch_runtime::readers::Prefetch;
use batch_runtime::readers::http::{Offset, Total, numbered, offset};

#[resource]
fn api() -> Http {
    Http::new("http://api.example.org").rate(10, "1s")
}

#[reader]
fn movies(api: &Http, year: u32) -> Prefetch<HttpPages<String>> {
    let pages = numbered("page").size("limit", 100).from(1).total("/total");
    api.get("movies").query("year", year).items("/movies").pages(pages).prefetch(100)
}

#[reader]
fn actors(api: &Http) -> HttpPages<String, Offset<Total>> {
    api.get("actors").pages(offset("start", "limit").total_header("X-Total-Count"))
}

#[writer]
fn save(names: &[String]) {
    println!("{names:?}");
}

#[step(chunk = 10, partitions = 8, threads = 4, skip(HttpError, limit = 3), retry(HttpError::Unavailable { .. }, limit = 2))]
fn load_movies() {
    movies | save
}

#[step(chunk = 10, partitions = 8)]
fn load_actors() {
    actors | save
}

#[job]
fn load(year: u32) {
    load_movies;
    load_actors;
}

fn main() {}
