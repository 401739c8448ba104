//! Guesses which known word an unknown word was meant to be.

/// The candidate with the smallest edit distance, if that is at most a third of the longer word.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> { text.to_lowercase().replace('-', "_").chars().collect() };
    let wanted = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(changes, candidate)| *changes <= candidate.chars().count().max(wanted.len()).div_ceil(3))
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

/// The number of insertions, deletions, replacements and transpositions that turn one word into the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut fewest = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                fewest = fewest.min(before_last[j - 1] + 1);
            }
            row.push(fewest);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_is_recognised() {
        for (word, meant) in [("inptu", "input"), ("run-date", "run_date"), ("INPUT", "input")] {
            assert_eq!(nearest(word, ["input", "output", "run_date"]), Some(meant), "{word}");
        }
    }

    #[test]
    fn another_word_is_not_taken_for_a_typo() {
        assert_eq!(nearest("carrier", ["input", "output"]), None);
    }
}
