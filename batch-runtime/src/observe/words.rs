//! Formats numbers, times and strings for people.

use std::time::Duration;

use jiff::Timestamp;

/// `336,776`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `85 ms`, `1.9 s`, `2 min 05 s`, `1 h 02 min`
pub(crate) fn time(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    // Rounds before choosing the unit, so that no time reads `60.0 s`.
    let tenths = (milliseconds + 50) / 100;
    let seconds = (milliseconds + 500) / 1000;
    if milliseconds == 0 {
        "<1 ms".to_owned()
    } else if milliseconds < 1_000 {
        format!("{milliseconds} ms")
    } else if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3_600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60)
    }
}

/// The items per second; `None` if the time is too short to tell.
pub(crate) fn rate(items: u64, elapsed: Duration) -> Option<u64> {
    let nanoseconds = elapsed.as_nanos();
    if nanoseconds == 0 {
        return None;
    }
    u64::try_from(u128::from(items) * 1_000_000_000 / nanoseconds).ok()
}

/// Whole percentages that add up to 100: the largest remainders are rounded up.
pub(crate) fn percents(parts: &[u64]) -> Option<Vec<u64>> {
    let total: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    if total == 0 {
        return None;
    }
    let share = |part: u64| u128::from(part) * 100;
    let mut whole: Vec<u64> =
        parts.iter().map(|part| u64::try_from(share(*part) / total).unwrap_or(100)).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(share(parts[*index]) % total));
    let missing = 100_u64.saturating_sub(whole.iter().sum());
    for index in order.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        whole[index] += 1;
    }
    Some(whole)
}

/// The time between two moments; zero if the clock was set back.
pub(crate) fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or(Duration::ZERO)
}

/// The text on one line, without characters that move the cursor of a terminal, cut after `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let mut line: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators_between_thousands() {
        let texts: Vec<String> = [0, 999, 1_000, 336_776, u64::MAX].into_iter().map(count).collect();
        assert_eq!(texts, ["0", "999", "1,000", "336,776", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn times_are_shown_in_a_fitting_unit() {
        let texts: Vec<String> = [0, 85, 1_000, 1_949, 59_960, 125_000, 3_599_600, 3_725_000]
            .into_iter()
            .map(|ms| time(Duration::from_millis(ms)))
            .collect();
        assert_eq!(
            texts,
            ["<1 ms", "85 ms", "1.0 s", "1.9 s", "1 min 00 s", "2 min 05 s", "1 h 00 min", "1 h 02 min"]
        );
    }

    #[test]
    fn percentages_add_up_to_a_hundred() {
        assert_eq!(percents(&[1, 1, 1]), Some(vec![34, 33, 33]));
        assert_eq!(percents(&[u64::MAX, u64::MAX, 0]), Some(vec![50, 50, 0]));
        assert_eq!(percents(&[0, 0]), None);
    }

    #[test]
    fn a_time_of_zero_has_no_rate() {
        assert_eq!(rate(10, Duration::ZERO), None);
        assert_eq!(rate(336_776, Duration::from_secs(2)), Some(168_388));
    }

    #[test]
    fn a_text_that_would_move_the_cursor_stays_on_its_line() {
        assert_eq!(line("a\r\n\u{1b}[2Jb", 100), "a   [2Jb");
        assert_eq!(line("abcdef", 4), "abc…");
    }

    #[test]
    fn a_clock_that_was_set_back_yields_a_time_of_zero() {
        assert_eq!(between(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
    }
}
