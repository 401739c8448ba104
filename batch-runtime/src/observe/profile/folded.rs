//! Folded stacks: each line has the functions of one stack, separated by semicolons, and its number of samples.

use std::collections::BTreeMap;

use super::attribution::{Attributed, FRAMEWORK};

/// Stacks with their samples. The first two parts of each are its step and its component.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Folded(pub(crate) BTreeMap<Vec<String>, u64>);

impl Folded {
    pub(crate) fn of(stacks: &[(Attributed, u64)]) -> Self {
        let mut folded = BTreeMap::new();
        for (stack, count) in stacks {
            let component = stack.component.as_deref().unwrap_or(FRAMEWORK);
            let path = stack.path.iter().map(|function| &**function);
            // The work of the framework for itself already has the name of the framework as its component.
            let path = path.skip_while(|function| stack.component.is_none() && *function == FRAMEWORK);
            let parts = [stack.step, component].into_iter().chain(path).map(word).collect();
            *folded.entry(parts).or_default() += count;
        }
        Self(folded)
    }

    /// The stacks in a file; the error names the first wrong line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut folded = BTreeMap::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let parsed = line.trim_end().rsplit_once(' ').and_then(|(stack, count)| {
                let parts: Vec<_> = stack.split(';').map(|part| part.trim().to_owned()).collect();
                let count: u64 = count.parse().ok()?;
                (parts.iter().all(|part| !part.is_empty())).then_some((parts, count))
            });
            let Some((stack, count)) = parsed else {
                return Err(format!("line {number} is not a folded stack, such as `load;late;parse 12`"));
            };
            *folded.entry(stack).or_default() += count;
        }
        Ok(Self(folded))
    }

    /// The lines of the file.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(stack, count)| format!("{} {count}", stack.join(";"))).collect()
    }

    pub(crate) fn samples(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Replaces the characters of a name that have a meaning in the file.
fn word(name: &str) -> String {
    let kept = |letter: char| if letter == ';' || letter.is_control() { ':' } else { letter };
    name.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::Folded;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "load;late 3\nload;late;parse::<A, B> 12";
        let folded = Folded::parse(text).unwrap();
        assert_eq!(folded.samples(), 15);
        assert_eq!(folded.lines().join("\n"), text);
    }

    #[test]
    fn a_line_that_is_not_a_stack_is_named() {
        for wrong in ["load;late", "load;late x", "load;;late 3", " 3", "3"] {
            let error = Folded::parse(&format!("a 1\n{wrong}")).unwrap_err();
            assert!(error.starts_with("line 2 is not a folded stack"), "{wrong}: {error}");
        }
    }
}
