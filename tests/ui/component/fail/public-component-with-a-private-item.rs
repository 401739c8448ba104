mod parts {
    use batch_runtime::prelude::*;

    struct Flight {
        minutes: f64,
    }

    #[allow(private_interfaces, dead_code)]
    #[processor]
    pub fn late(minutes: f64) -> Flight {
        println!("{}", Flight { minutes }.minutes);
        Flight { minutes }
    }
}

fn main() {}
