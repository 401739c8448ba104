//! Checks that the job declares every parameter that a use in its body asks for, with the same type, and that each
//! binding names an argument that exists, and has a value that fits.

use crate::__private::wiring::{fits as fits_constant, in_range, named as described};
use crate::definition::{BoundTo, JobListener, Need, ParameterSpec, TypeName};
use crate::graph::{Activity, Use};

use super::Wiring;
use super::message::{Message, is_near, same, same_type};
use super::needs::{Asked, asked, asked_by_listener, asked_in, bound, is_asked_for, is_asked_for_by};
use super::places::{Place, places, use_at};

const fn declared(parameters: &'static [ParameterSpec], name: &str) -> Option<&'static ParameterSpec> {
    let mut at = 0;
    while at < parameters.len() {
        if same(parameters[at].name, name) {
            return Some(&parameters[at]);
        }
        at += 1;
    }
    None
}

const fn nearest(parameters: &'static [ParameterSpec], asked: &Asked) -> Option<&'static ParameterSpec> {
    let mut at = 0;
    while at < parameters.len() {
        if fits(&asked.ty, &parameters[at].ty) && is_near(asked.name, parameters[at].name) {
            return Some(&parameters[at]);
        }
        at += 1;
    }
    None
}

/// Returns whether a parameter of the type `given` can be passed as `asked`. If one of the types is unknown, they fit.
const fn fits(asked: &TypeName, given: &TypeName) -> bool {
    given.name.is_empty()
        || asked.name.is_empty()
        || same_type(asked, given)
        || match asked.optional() {
            Some(of) => same_type(of, given),
            None => false,
        }
}

/// Returns whether the use binds the parameter, even if the binding misspells its name. The typo is then reported at
/// the binding, and the parameter is not reported as missing as well.
const fn is_bound(used: &Use, asked_for: &Asked) -> bool {
    if asked_for.past_bindings {
        return false;
    }
    let mut at = 0;
    while at < used.bindings.len() {
        let argument = used.bindings[at].argument;
        if same(argument, asked_for.name) || (is_near(argument, asked_for.name) && !is_asked(used, argument))
        {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_asked(used: &Use, argument: &str) -> bool {
    let mut before = 0;
    while let Some(next) = asked(used, before) {
        if same(next.name, argument) {
            return true;
        }
        before += 1;
    }
    false
}

/// Returns whether the parameter has a mistake: it is not declared, has another type, or is not secret.
const fn fault(parameters: &'static [ParameterSpec], asked: &Asked) -> bool {
    match declared(parameters, asked.name) {
        None => asked.required,
        Some(spec) => !fits(&asked.ty, &spec.ty) || (asked.secret && !spec.secret),
    }
}

/// Reports a use whose parameters are missing in the job, or declared with another type. A parameter that an earlier
/// use lacks, too, is reported only there.
#[must_use]
pub const fn missing(wiring: &Wiring, used: &Use, place: Place) -> Option<Message> {
    let place = place.number();
    let Some(parameters) = wiring.parameters else {
        return None;
    };
    let mut message: Option<Message> = None;
    let mut before = 0;
    while let Some(next) = asked(used, before) {
        if !is_bound(used, &next)
            && fault(parameters, &next)
            && !was_reported(wiring, &next, place)
            && !is_repeated(used, &next, before)
        {
            let so_far = match message {
                None => Message::new(),
                Some(message) => message.and("\n"),
            };
            message = Some(tell(so_far, wiring, parameters, used, &next));
        }
        before += 1;
    }
    message
}

const fn is_repeated(used: &Use, asked_again: &Asked, end: usize) -> bool {
    let mut at = 0;
    while at < end {
        if let Some(earlier) = asked(used, at)
            && same(earlier.name, asked_again.name)
            && same_type(&earlier.ty, &asked_again.ty)
        {
            return true;
        }
        at += 1;
    }
    false
}

const fn was_reported(wiring: &Wiring, fault: &Asked, place: usize) -> bool {
    let mut at = 0;
    while at < place
        && let Some(used) = use_at(wiring.nodes, at)
    {
        let mut before = 0;
        while let Some(earlier) = asked(used, before) {
            if same(earlier.name, fault.name)
                && same_type(&earlier.ty, &fault.ty)
                && !is_bound(used, &earlier)
            {
                return true;
            }
            before += 1;
        }
        at += places(&used.activity);
    }
    false
}

/// "step `load` of flow `nightly`".
const fn who(message: Message, used: &Use, asked: &Asked) -> Message {
    let message = message.and(asked.noun).and(" ").code(asked.user);
    match &used.activity {
        Activity::Flow(flow) => message.and(" of flow ").code(flow.name),
        _ => message,
    }
}

const fn parameter(message: Message, name: &str, ty: &TypeName, with_module: bool) -> Message {
    message.and("`").and(name).and(": ").ty(ty, with_module).and("`")
}

const fn asker(message: Message, asked: &Asked) -> Message {
    if asked.by.is_empty() { message } else { message.and(" (asked for by ").and(asked.by).and(")") }
}

const fn tell(
    message: Message,
    wiring: &Wiring,
    parameters: &'static [ParameterSpec],
    used: &Use,
    asked: &Asked,
) -> Message {
    let message = who(message, used, asked).and(" needs the parameter ");
    let Some(spec) = declared(parameters, asked.name) else {
        let message = asker(parameter(message, asked.name, &asked.ty, false), asked)
            .and("; add it to the arguments of job ")
            .code(wiring.name);
        return match nearest(parameters, asked) {
            Some(near) if !asked.past_bindings => message
                .and(", or bind it to `")
                .and(near.name)
                .and("`: `")
                .and(used.activity.name())
                .and("(")
                .and(asked.name)
                .and(" = ")
                .and(near.name)
                .and(")`"),
            _ => message,
        };
    };
    // The modules distinguish two types with the same name.
    let with_module =
        same(asked.ty.name, spec.ty.name) && same(asked.ty.single().name, spec.ty.single().name);
    let message = asker(parameter(message, asked.name, &asked.ty, with_module), asked)
        .and(", but job ")
        .code(wiring.name);
    if !fits(&asked.ty, &spec.ty) {
        let message = parameter(message.and(" declares "), spec.name, &spec.ty, with_module);
        return match spec.ty.optional() {
            Some(of) if same_type(of, &asked.ty) => {
                message.and(", which may be left out; drop the `Option`, or ask for it as an `Option`")
            }
            _ => {
                let message = message.and("; declare it there as `").ty(&asked.ty, with_module);
                message.and("`, or ask here for `").ty(&spec.ty, with_module).and("`")
            }
        };
    }
    message
        .and(" does not keep it secret, although ")
        .code(asked.user)
        .and(" does; put `#[param(secret)]` on it there, too")
}

/// Reports a listener of the job whose parameters are missing there, or declared with another type.
#[must_use]
pub const fn missing_for_listener(
    wiring: &Wiring,
    name: &'static str,
    needs: &'static [Need],
) -> Option<Message> {
    const ALONE: &Use = &Use { name: "", activity: super::probe::UNKNOWN, bindings: &[] };
    let Some(parameters) = wiring.parameters else {
        return None;
    };
    let mut before = 0;
    while let Some(next) = asked_by_listener(name, needs, before) {
        if fault(parameters, &next) {
            return Some(tell(Message::new(), wiring, parameters, ALONE, &next));
        }
        before += 1;
    }
    None
}

/// Returns whether a mistake in a component, or in the step itself, hides its needs.
const fn is_hidden(activity: &Activity) -> bool {
    let Activity::Step(step) = activity else {
        return false;
    };
    let mut at = 0;
    while at < step.components.len() {
        if Need::is_hidden(step.components[at].needs) {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether the job or one of its listeners asks for the parameter. If the needs of
/// an activity are unknown, it counts as asking.
#[must_use]
pub const fn is_used(wiring: &Wiring, listeners: &'static [JobListener], name: &'static str) -> bool {
    let mut at = 0;
    while let Some(used) = use_at(wiring.nodes, at) {
        if super::probe::is_unknown(&used.activity) || is_hidden(&used.activity) {
            return true;
        }
        at += 1;
    }
    let mut listener = 0;
    while listener < listeners.len() {
        if is_asked_for_by(listeners[listener].needs, name) {
            return true;
        }
        listener += 1;
    }
    !wiring.complete || is_asked_for(wiring.nodes, name) || has_fault(wiring)
}

/// Returns whether the body asks for a parameter that the job does not declare in that form. An unused parameter may
/// then be the one that the user meant.
const fn has_fault(wiring: &Wiring) -> bool {
    let Some(parameters) = wiring.parameters else {
        return false;
    };
    let mut before = 0;
    while let Some(next) = asked_in(wiring.nodes, before) {
        if fault(parameters, &next) {
            return true;
        }
        before += 1;
    }
    false
}

/// Reports the binding of an argument for which nothing asks.
#[must_use]
pub const fn unknown_argument(used: &Use, argument: &str) -> Option<Message> {
    if super::probe::is_unknown(&used.activity) || is_hidden(&used.activity) {
        return None;
    }
    let mut near: Option<&'static str> = None;
    let mut list = Message::new();
    let mut before = 0;
    while let Some(next) = asked(used, before) {
        if !next.past_bindings {
            if same(next.name, argument) {
                return None;
            }
            if near.is_none() && is_near(argument, next.name) {
                near = Some(next.name);
            }
            if !is_repeated(used, &next, before) {
                list = if list.as_str().is_empty() { list } else { list.and(", ") }.code(next.name);
            }
        }
        before += 1;
    }
    let message = Message::of(used.activity.noun())
        .and(" ")
        .code(used.activity.name())
        .and(" asks for no parameter ")
        .code(argument);
    Some(match near {
        Some(near) => message.and("; did you mean ").code(near).and("?"),
        None if list.as_str().is_empty() => message.and("; it takes none"),
        None => message.and("; it takes ").and(list.as_str()),
    })
}

/// Reports the binding of a value that does not fit the argument.
#[must_use]
pub const fn ill_bound(wiring: &Wiring, used: &Use, argument: &str, number: Option<i128>) -> Option<Message> {
    let Some(binding) = bound(used.bindings, argument) else {
        return None;
    };
    let mut before = 0;
    while let Some(next) = asked(used, before) {
        before += 1;
        if next.past_bindings || !same(next.name, argument) {
            continue;
        }
        match binding.to {
            BoundTo::Constant { ty, .. } => {
                if !fits_constant(&ty, &next.ty) {
                    let message = who(Message::new(), used, &next).and(" needs ");
                    let message = asker(parameter(message, next.name, &next.ty, false), &next);
                    return Some(described(message.and(", and this is "), &ty));
                }
                if next.size
                    && let Some(0) = number
                {
                    let message = who(Message::new(), used, &next).and(" needs ");
                    let message = asker(parameter(message, next.name, &next.ty, false), &next);
                    return Some(message.and(", which must be at least 1"));
                }
                if let Some(number) = number
                    && !in_range(number, &next.ty)
                {
                    let message = who(Message::new(), used, &next).and(" needs ");
                    let message = asker(parameter(message, next.name, &next.ty, false), &next);
                    return Some(message.and(", which cannot hold this number"));
                }
            }
            BoundTo::Parameter(outer) => {
                let Some(parameters) = wiring.parameters else {
                    continue;
                };
                match declared(parameters, outer) {
                    None => {
                        let message =
                            Message::of("job ").code(wiring.name).and(" has no argument ").code(outer);
                        let message = parameter(message.and("; add "), outer, &next.ty, false).and(" to it");
                        return Some(match nearest(parameters, &Asked { name: outer, ..next }) {
                            Some(near) => message.and(", or did you mean ").code(near.name).and("?"),
                            None => message,
                        });
                    }
                    Some(spec) if !fits(&next.ty, &spec.ty) => {
                        let message = who(Message::new(), used, &next).and(" needs ");
                        let message =
                            asker(parameter(message, next.name, &next.ty, false), &next).and(", but job ");
                        let message =
                            parameter(message.code(wiring.name).and(" declares "), outer, &spec.ty, false);
                        return Some(message.and("; use one type for both"));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    None
}
