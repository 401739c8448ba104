use batch_runtime::prelude::*;

#[reader]
fn lines(input: &Path) -> impl Iterator<Item = String> {
    [input.display().to_string()].into_iter()
}

struct Words<'w> {
    left: std::str::SplitWhitespace<'w>,
    read: u64,
}

impl Reader for Words<'_> {
    type Item = String;
    type Position = u64;
    type Error = std::convert::Infallible;

    fn read(&mut self) -> Result<Option<String>, Self::Error> {
        self.read += 1;
        Ok(self.left.next().map(str::to_owned))
    }

    fn position(&self) -> u64 {
        self.read
    }

    fn resume(&mut self, position: u64) -> Result<(), Self::Error> {
        (0..position).for_each(|_| {
            self.left.next();
        });
        self.read = position;
        Ok(())
    }
}

#[reader]
fn words(text: &str) -> Words<'_> {
    Words { left: text.split_whitespace(), read: 0 }
}

#[writer]
fn save(words: &[String]) {
    let _ = words;
}

#[step(chunk = 10)]
fn load() {
    (lines, words) | save
}

#[job]
fn all(input: PathBuf, text: String) {
    load;
}

fn main() {
    let _ = all(PathBuf::new(), String::new());
}
