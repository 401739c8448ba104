//! Compile-time checks between the constants of components and steps. Generated code panics with the message
//! at the relevant token of the user's source.

use super::message::{Message, distance, is_near, same_text};
use crate::definition::{
    Binding, BoundTo, ComponentUse, ConstantValue, DatabaseKind, Need, NeedKind, Of, Raises, TypeName,
};
use crate::definition::{Kind, expected};

/// The type of a bound constant.
#[must_use]
pub const fn type_of<T: ConstantValue>(_: &T) -> TypeName {
    T::TYPE
}

/// Reports the binding of an argument that does not exist.
#[must_use]
pub const fn no_such_argument(whose: &str, needs: &[Need], argument: &str) -> Option<Message> {
    if Need::is_hidden(needs) {
        return None;
    }
    let mut near: Option<&str> = None;
    let mut i = 0;
    while i < needs.len() {
        let need = &needs[i];
        if same_text(need.name, argument) {
            let kind = match need.kind {
                NeedKind::Parameter(_) => return None,
                NeedKind::Resource(_) => "a resource, which is found by its name",
                NeedKind::Output { .. } => "the output of a step",
                NeedKind::Partition => "a partition, which the step's partitioner makes",
                NeedKind::Transaction(_) => "the chunk's transaction",
                NeedKind::Connection(_) => "a connection",
                NeedKind::State(_) => "a state, which a checkpoint holds",
                NeedKind::JobContext => "the running job",
                NeedKind::Ahead | NeedKind::Keeps(_) | NeedKind::Hidden => "not an argument",
            };
            return Some(
                Message::of("`")
                    .and(argument)
                    .and("` of ")
                    .and(whose)
                    .and(" is ")
                    .and(kind)
                    .and("; only parameters can be bound: leave `")
                    .and(argument)
                    .and(" = ..` out"),
            );
        }
        if matches!(need.kind, NeedKind::Parameter(_)) && is_near(argument, need.name) {
            near = match near {
                Some(other) if distance(argument, other) <= distance(argument, need.name) => near,
                _ => Some(need.name),
            };
        }
        i += 1;
    }
    let message = Message::of(whose).and(" has no argument `").and(argument).and("`");
    Some(match near {
        Some(near) => message.and("; did you mean `").and(near).and("`?"),
        None => list_parameters(message, needs),
    })
}

const fn list_parameters(message: Message, needs: &[Need]) -> Message {
    let mut message = message;
    let mut any = false;
    let mut i = 0;
    while i < needs.len() {
        if let NeedKind::Parameter(_) = needs[i].kind {
            message = message.and(if any { ", `" } else { "; it takes `" }).and(needs[i].name).and("`");
            any = true;
        }
        i += 1;
    }
    if any { message } else { message.and("; it takes no parameters: leave the binding out") }
}

/// Reports the binding of a constant that does not fit the argument.
#[must_use]
pub const fn does_not_fit(
    whose: &str,
    needs: &[Need],
    binding: &Binding,
    number: Option<i128>,
) -> Option<Message> {
    let BoundTo::Constant { ty: given, .. } = &binding.to else { return None };
    let mut i = 0;
    while i < needs.len() {
        if let NeedKind::Parameter(asked) = &needs[i].kind
            && same_text(needs[i].name, binding.argument)
        {
            let message = Message::of("`").and(binding.argument).and("` of ").and(whose).and(" is of type ");
            let message = named(message, asked);
            if !fits(given, asked) {
                return Some(named(message.and(", and this is "), given));
            }
            if let Some(number) = number
                && !in_range(number, asked)
            {
                return Some(message.and(", which cannot hold this number"));
            }
            return None;
        }
        i += 1;
    }
    None
}

/// Appends the name of the type for the user.
#[must_use]
pub const fn named(message: Message, ty: &TypeName) -> Message {
    if same_text(ty.name, "{integer}") {
        message.and("a whole number")
    } else if same_text(ty.name, "{float}") {
        message.and("a number")
    } else if same_text(ty.name, "&str") {
        message.and("a string")
    } else {
        spelled(message.and("`"), ty).and("`")
    }
}

const fn spelled(message: Message, ty: &TypeName) -> Message {
    let message = message.and(ty.name);
    match ty.of {
        Some(of) => spelled(message.and("<"), of).and(">"),
        None => message,
    }
}

/// Returns whether the types are the same, by whatever path they were named.
#[must_use]
pub const fn same_type(a: &TypeName, b: &TypeName) -> bool {
    same_text(a.module, b.module)
        && same_text(a.name, b.name)
        && match (a.of, b.of) {
            (None, None) => true,
            (Some(a), Some(b)) => same_type(a, b),
            _ => false,
        }
}

/// Reports a string that cannot be the default of a parameter of that type.
#[must_use]
pub const fn ill_text(name: &str, ty: &TypeName, values: &[&str], text: &str) -> Option<Message> {
    let message = Message::of("`").and(name).and("` is of type ");
    if same_text(ty.name, "Vec") {
        return Some(named(message, ty).and(": write its values as `[\"..\", \"..\"]`"));
    }
    let kind = match ty.name.as_bytes() {
        b"Date" => Kind::Date,
        b"DateTime" => Kind::DateTime,
        b"Timestamp" => Kind::Timestamp,
        b"PathBuf" if text.is_empty() => return Some(named(message, ty).and(", and a path cannot be empty")),
        b"String" | b"PathBuf" => return None,
        _ => {
            if ty.module.is_empty() {
                return Some(named(message, ty).and(": write its value without quotes"));
            }
            return not_a_value(message, ty, values, text);
        }
    };
    match expected(kind, text) {
        Some(expected) => Some(named(message, ty).and(": ").and(expected)),
        // The offset could move the time past the last representable day.
        None if matches!(kind, Kind::Timestamp) && has_no_instant(text) => {
            Some(named(message, ty).and(": a year before 9999 is expected"))
        }
        None => None,
    }
}

const fn has_no_instant(text: &str) -> bool {
    let bytes = text.as_bytes();
    let at = if bytes[0].is_ascii_digit() { 0 } else { 3 };
    bytes[at] == b'9' && bytes[at + 1] == b'9' && bytes[at + 2] == b'9' && bytes[at + 3] == b'9'
}

const fn not_a_value(message: Message, ty: &TypeName, values: &[&str], text: &str) -> Option<Message> {
    let mut list = named(message, ty);
    let mut at = 0;
    while at < values.len() {
        if same_text(values[at], text) {
            return None;
        }
        list = list.and(if at == 0 { ", whose values are `" } else { ", `" }).and(values[at]).and("`");
        at += 1;
    }
    Some(list)
}

const INTEGERS: [(&str, i128, i128); 12] = [
    ("i8", i8::MIN as i128, i8::MAX as i128),
    ("i16", i16::MIN as i128, i16::MAX as i128),
    ("i32", i32::MIN as i128, i32::MAX as i128),
    ("i64", i64::MIN as i128, i64::MAX as i128),
    ("u8", 0, u8::MAX as i128),
    ("u16", 0, u16::MAX as i128),
    ("u32", 0, u32::MAX as i128),
    ("u64", 0, u64::MAX as i128),
    ("usize", 0, usize::MAX as i128),
    ("isize", isize::MIN as i128, isize::MAX as i128),
    ("i128", i128::MIN, i128::MAX),
    // A literal in a binding is checked as an `i128`.
    ("u128", 0, i128::MAX),
];

const fn range(ty: &TypeName) -> Option<(i128, i128)> {
    let mut i = 0;
    while i < INTEGERS.len() {
        if same_text(INTEGERS[i].0, ty.name) {
            return Some((INTEGERS[i].1, INTEGERS[i].2));
        }
        i += 1;
    }
    None
}

pub(crate) const fn in_range(number: i128, asked: &TypeName) -> bool {
    if let Some(of) = asked.of {
        return in_range(number, of);
    }
    match range(asked) {
        Some((least, most)) => least <= number && number <= most,
        None => true,
    }
}

pub(crate) const fn fits(given: &TypeName, asked: &TypeName) -> bool {
    if same_type(given, asked) {
        return true;
    }
    if let Some(of) = asked.of
        && same_text(asked.name, "Option")
    {
        return fits(given, of);
    }
    if same_text(given.name, "&str") {
        return same_text(asked.name, "String") || same_text(asked.name, "PathBuf");
    }
    if same_text(given.name, "{integer}") {
        return range(asked).is_some();
    }
    same_text(given.name, "{float}") && (same_text(asked.name, "f64") || same_text(asked.name, "f32"))
}

const fn transaction_of(component: &ComponentUse) -> Option<Of> {
    let mut i = 0;
    while i < component.needs.len() {
        if let NeedKind::Transaction(database) = component.needs[i].kind {
            return Some(database);
        }
        i += 1;
    }
    None
}

const fn of_database(message: Message, database: Of) -> Message {
    match database {
        Of::Named(database) => message.and("database `").and(database.name).and("`"),
        Of::Own(_) => message.and("the repository's own database"),
    }
}

/// Returns whether both are the same database. Two components that ask for the repository's own database get the same
/// one only if they ask for it as the same kind.
const fn is_same(one: Of, other: Of) -> bool {
    match (one, other) {
        (Of::Named(one), Of::Named(other)) => same_text(one.id, other.id),
        (Of::Own(one), Of::Own(other)) => same_text(one.ty, other.ty),
        (Of::Named(_), Of::Own(_)) | (Of::Own(_), Of::Named(_)) => false,
    }
}

/// Reports a mistake of the component at `index`, given the components before it.
#[must_use]
pub const fn out_of_place(step: &str, components: &[ComponentUse], index: usize) -> Option<Message> {
    match runs_ahead(components, index) {
        None => second_database(step, components, index),
        message => message,
    }
}

/// Reports the component at `index` if it works on several items at once and must not.
const fn runs_ahead(components: &[ComponentUse], index: usize) -> Option<Message> {
    if !is_ahead(&components[index]) {
        return None;
    }
    let mut i = 0;
    while i < index {
        if let Some(what) = kept(&components[i]) {
            return Some(
                Message::of("`")
                    .and(components[i].name)
                    .and("` comes before `")
                    .and(components[index].name)
                    .and("`, which works on several items at once: it would run ahead of the last commit, and it keeps ")
                    .and(what)
                    .and("; put it after `")
                    .and(components[index].name)
                    .and("`, or drop `concurrency`"),
            );
        }
        i += 1;
    }
    None
}

const fn is_ahead(component: &ComponentUse) -> bool {
    let mut i = 0;
    while i < component.needs.len() {
        if let NeedKind::Ahead = component.needs[i].kind {
            return true;
        }
        i += 1;
    }
    false
}

const fn kept(component: &ComponentUse) -> Option<&'static str> {
    let mut i = 0;
    while i < component.needs.len() {
        if let NeedKind::Keeps(what) = component.needs[i].kind {
            return Some(what);
        }
        i += 1;
    }
    None
}

/// Reports the component at `index` if it writes to another database than an earlier one.
const fn second_database(step: &str, components: &[ComponentUse], index: usize) -> Option<Message> {
    let Some(database) = transaction_of(&components[index]) else { return None };
    let mut i = 0;
    while i < index {
        if let Some(first) = transaction_of(&components[i]) {
            if is_same(first, database) {
                return None;
            }
            if let (Of::Own(one), Of::Own(other)) = (first, database) {
                return Some(two_kinds(step, (components[i].name, one), (components[index].name, other)));
            }
            let message = Message::of("step `")
                .and(step)
                .and("` would write to two databases, which cannot be committed together: `")
                .and(components[i].name)
                .and("` asks for a transaction of ");
            let message = of_database(message, first).and(", `").and(components[index].name);
            let message = of_database(message.and("` for one of "), database);
            return Some(message.and("; write to one database here, and to the other in a step of its own"));
        }
        i += 1;
    }
    None
}

/// Reports two components that ask for the repository's own database as two different kinds.
const fn two_kinds(
    step: &str,
    (first, one): (&str, DatabaseKind),
    (second, other): (&str, DatabaseKind),
) -> Message {
    Message::of("step `")
        .and(step)
        .and("` would write to two kinds of database: `")
        .and(first)
        .and("` asks for a transaction of `")
        .and(one.ty)
        .and("`, `")
        .and(second)
        .and("` for one of `")
        .and(other.ty)
        .and("`, and both mean the repository's own; ask for the same kind in both, or name a `#[database]`")
}

/// Reports a rule about errors in a step that cannot fail.
#[must_use]
pub const fn nothing_fails(step: &str, components: &[ComponentUse]) -> Option<Message> {
    let mut i = 0;
    while i < components.len() {
        // The failure of a listener falls under no rule.
        if !same_text(components[i].role, "listener") && !matches!(components[i].raises, Raises::Nothing) {
            return None;
        }
        i += 1;
    }
    Some(
        Message::of("no component of step `")
            .and(step)
            .and("` can fail; leave this out, or let the component that may fail return a `Result`"),
    )
}
