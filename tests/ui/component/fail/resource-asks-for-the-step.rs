use batch_runtime::prelude::*;

struct Client(String);

#[resource]
fn client(context: &StepContext) -> Client {
    Client(context.step().to_owned())
}

fn main() {}
