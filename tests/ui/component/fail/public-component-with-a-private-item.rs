mod parts {
    use batch_runtime::prelude::*;

    struct Flight {
        minutes: f64,
    }

    #[processor]
    pub fn late(minutes: f64) -> Flight {
        println!("{}", Flight { minutes }.minutes);
        Flight { minutes }
    }
}

fn main() {
    let _ = parts::late(3.0);
}
