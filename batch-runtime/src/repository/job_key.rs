//! Computes `JOB_KEY` from the identifying parameters of a launch, as Spring Batch does.

use md5::{Digest, Md5};

use crate::definition::Parameters;

/// The lowercase hex MD5 over the identifying parameters, sorted by name, each as
/// `JobParameter{name='N', value=V, type=class T, identifying=true}`: Spring Batch's
/// `DefaultJobKeyGenerator`.
///
/// ```
/// use batch_runtime::{ParameterValue, Parameters, repository::job_key};
///
/// assert_eq!(job_key(&Parameters::new()), "d41d8cd98f00b204e9800998ecf8427e");
/// let run = Parameters::new().with("run.id", ParameterValue::Long(1));
/// assert_eq!(job_key(&run), "c10c24e08259063ee40f28b6aa617f12");
/// ```
#[must_use]
pub fn job_key(parameters: &Parameters) -> String {
    use std::fmt::Write;

    let mut identifying: Vec<_> = parameters.iter().filter(|(_, parameter)| parameter.identifying).collect();
    // Java compares texts by their UTF-16 units.
    identifying.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    let mut hash = Md5::new();
    for (name, parameter) in identifying {
        let (class, value) = parameter.value.in_job_key();
        hash.update(format!("JobParameter{{name='{name}', value={value}, type={class}, identifying=true}}"));
    }
    hash.finalize().iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ParameterValue;

    fn key_of(parameters: &[(&str, ParameterValue)]) -> String {
        job_key(
            &parameters.iter().fold(Parameters::new(), |all, (name, value)| all.with(*name, value.clone())),
        )
    }

    fn text(value: &str) -> ParameterValue {
        ParameterValue::String(value.to_owned())
    }

    #[test]
    fn job_keys_equal_those_of_spring_batch() {
        assert_eq!(key_of(&[("name", text("foo"))]), "e67c91b540ae6eedc616d31e3bfd0604");
        assert_eq!(key_of(&[("foo", text("bar")), ("bar", text("foo"))]), "4ed4b8e1e365cfb2b467fd0e4f5eb4d9");
        let date = ParameterValue::Date(jiff::civil::date(2024, 1, 31));
        assert_eq!(key_of(&[("schedule.date", date)]), "a5dedfd2d57a24e86d18518e64dcda84");
        assert_eq!(key_of(&[("d", ParameterValue::Double(1e10))]), "79f9cdc4d5e4d5fa002ff8d29a79cb82");
        assert_eq!(key_of(&[("d", ParameterValue::Double(5e-324))]), "a88085b65e8d65b7ca68af95e7369a16");
        assert_eq!(key_of(&[("f", ParameterValue::Float(1e-45))]), "a92c5ba6ef76970c4aa39415ee0a81d4");
        assert_eq!(key_of(&[("b", ParameterValue::Boolean(true))]), "54a5f45bb02e54e745ed536335d6af25");
        let minute = ParameterValue::DateTime(jiff::civil::date(2024, 1, 31).at(8, 30, 0, 0));
        assert_eq!(key_of(&[("at", minute)]), "e96c7e4eb1915f65cfd2d90a5b58e836");
        let large = ParameterValue::BigInteger(u64::MAX.into());
        assert_eq!(key_of(&[("n", large)]), "8ed4fbf8bf55ad68bdb44eff44f90a01");
        assert_eq!(key_of(&[("größe", text("ß\u{1f600} 'x' {y}"))]), "bf700d78e228167a66e0c6634bf7ff9d");
    }

    #[test]
    fn job_keys_of_lists_and_instants_equal_those_of_what_spring_batch_reads() {
        let list = |texts: &[&str]| ParameterValue::List(texts.iter().map(ToString::to_string).collect());
        assert_eq!(key_of(&[("list", list(&["a", "b c"]))]), "022ed954838d6982be3d6d45b8b0312d");
        assert_eq!(key_of(&[("list", list(&[]))]), "1f4c25527b59749b71f3a1c457ff187b");
        assert_eq!(key_of(&[("list", list(&["a,b"]))]), "30b35e6e3ff75b6eda4ceeb8f007380b");
        let instant = ParameterValue::Timestamp("2024-01-31T09:30+01:00".parse().unwrap());
        assert_eq!(key_of(&[("at", instant)]), "f809a94af8c67c013841790f5140952b");
    }

    #[test]
    fn names_are_sorted_as_java_sorts_them() {
        let parameters = [("\u{fb01}", ParameterValue::Long(1)), ("\u{1f600}", ParameterValue::Long(2))];
        assert_eq!(key_of(&parameters), "f2e112fe7c2d97d5b578b04713df4135");
    }

    #[test]
    fn non_identifying_parameters_do_not_change_the_key() {
        let mut parameters = Parameters::new();
        let value = ParameterValue::Boolean(true);
        parameters.insert("dry", crate::definition::Parameter { value, identifying: false, secret: false });
        assert_eq!(job_key(&parameters), job_key(&Parameters::new()));
    }
}
