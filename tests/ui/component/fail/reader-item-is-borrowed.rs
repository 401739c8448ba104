use batch_runtime::prelude::*;

#[reader]
fn words(text: &Text) -> impl Iterator<Item = &str> {
    text.0.split(' ')
}

struct Text(String);

#[resource]
fn text() -> Text {
    Text(String::from("a b"))
}

fn main() {}
