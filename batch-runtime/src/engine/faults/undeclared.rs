//! Warns at launch of each `skip` or `retry` rule for an error that no component of its step returns.

use crate::definition::{OPTION, Raises, StepInfo};

/// Logs a warning for each rule that probably names the wrong error.
pub(crate) fn warn_of_undeclared(job: &str, steps: &[&'static StepInfo]) {
    for step in steps {
        for warning in undeclared(step) {
            tracing::warn!(job, step = step.name, "{warning}");
        }
    }
}

/// Returns one warning for each rule whose error no component of the step returns.
fn undeclared(step: &StepInfo) -> Vec<String> {
    let mut declared = Vec::new();
    for component in
        step.components.iter().filter(|component| ![OPTION, "listener"].contains(&component.role))
    {
        match component.raises {
            Raises::Nothing => {}
            Raises::Type { id, name } => declared.push((id(), name())),
            // This component may return any error, so every rule may apply.
            Raises::Unknown => return Vec::new(),
        }
    }
    let faults = step.options.faults;
    let skip =
        faults.skip.iter().map(|rule| (if rule.skips { "skip" } else { "no_skip" }, rule.what, rule.of));
    let retry =
        faults.retry.iter().map(|rule| (if rule.repeats { "retry" } else { "no_retry" }, rule.what, rule.of));
    skip.chain(retry)
        .filter_map(|(option, what, of)| {
            let of = of?();
            if declared.iter().any(|(id, _)| *id == of) {
                return None;
            }
            let mut names: Vec<_> = declared.iter().map(|(_, name)| format!("`{name}`")).collect();
            names.dedup();
            Some(format!(
                "`{option}({what})` names an error that no component of step `{}` returns; it matches only as a source of {}, and never inside an `#[error(transparent)]`: name the variant that holds it",
                step.name,
                names.join(" or ")
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;
    use std::fmt;

    use super::*;
    use crate::definition::{
        ComponentUse, FaultRules, RaisesAny as _, RaisesOf, Rank, SkipRule, StepKind, StepOptions,
    };

    const fn component(raises: Raises) -> ComponentUse {
        ComponentUse { role: "reader", name: "rows", needs: &[], bindings: &[], raises }
    }

    fn step(components: &'static [ComponentUse]) -> StepInfo {
        const FAULTS: &FaultRules = &FaultRules {
            skip: &[SkipRule {
                what: "io::Error",
                of: Some(TypeId::of::<std::io::Error>),
                rank: Rank::Type,
                covers: |_, _| None,
                skips: true,
                limit: None,
            }],
            retry: &[],
        };
        StepInfo {
            id: "load",
            name: "load",
            doc: "",
            kind: StepKind::Chunk,
            options: StepOptions::DEFAULT.faults(FAULTS),
            components,
            kinds: None,
            run: |_| unreachable!("the step is not run"),
        }
    }

    #[test]
    fn a_rule_for_an_error_that_no_component_returns_causes_a_warning() {
        let step = step(const { &[component(RaisesOf::<fmt::Error>::IS), component(Raises::Nothing)] });
        assert_eq!(
            undeclared(&step),
            [
                "`skip(io::Error)` names an error that no component of step `load` returns; it matches only as a source of `core::fmt::Error`, and never inside an `#[error(transparent)]`: name the variant that holds it"
            ]
        );
    }

    #[test]
    fn a_rule_for_an_error_that_a_component_returns_causes_no_warning() {
        let step = step(
            const { &[component(RaisesOf::<fmt::Error>::IS), component(RaisesOf::<std::io::Error>::IS)] },
        );
        assert!(undeclared(&step).is_empty());
    }

    #[test]
    fn a_component_that_may_return_any_error_silences_the_warning() {
        let step =
            step(const { &[component(RaisesOf::<fmt::Error>::IS), component(RaisesOf::<String>::IS)] });
        assert!(undeclared(&step).is_empty());
    }
}
