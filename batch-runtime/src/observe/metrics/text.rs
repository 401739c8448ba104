//! Writes metrics in the text format of Prometheus.

use std::fmt::{self, Display, Write as _};

use super::{Kind, Labels, Metric, Value};

/// Returns the metrics as text.
pub(super) fn text(metrics: &[Metric]) -> String {
    let mut text = Text(String::new());
    for metric in metrics {
        text.metric(metric);
    }
    text.0
}

/// The lines so far.
struct Text(String);

impl Text {
    fn metric(&mut self, Metric { name, kind, help, samples }: &Metric) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            match value {
                Value::Count(count) => self.sample(name, labels, count),
                Value::Number(number) => self.sample(name, labels, number),
                Value::Times { count, sum } => {
                    self.sample(&format!("{name}_count"), labels, count);
                    self.sample(&format!("{name}_sum"), labels, sum.as_secs_f64());
                }
            }
        }
    }

    fn sample(&mut self, name: &str, labels: &Labels, value: impl Display) {
        self.0 += name;
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, Escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

/// The value of a label.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_label_is_escaped() {
        assert_eq!(Escaped("a \"b\"\n\\c").to_string(), r#"a \"b\"\n\\c"#);
    }
}
