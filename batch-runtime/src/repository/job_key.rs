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

    let mut hash = Md5::new();
    for (name, parameter) in parameters.iter().filter(|(_, parameter)| parameter.identifying) {
        let class = parameter.value.java_class();
        hash.update(format!(
            "JobParameter{{name='{name}', value={}, type=class {class}, identifying=true}}",
            parameter.value
        ));
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
    }

    #[test]
    fn non_identifying_parameters_do_not_change_the_key() {
        let mut parameters = Parameters::new();
        let value = ParameterValue::Boolean(true);
        parameters.insert("dry", crate::definition::Parameter { value, identifying: false, secret: false });
        assert_eq!(job_key(&parameters), job_key(&Parameters::new()));
    }
}
