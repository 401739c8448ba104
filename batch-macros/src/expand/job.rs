//! Expands `#[job] fn etl(input: PathBuf) { load; report; }`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ItemFn;
use syn::spanned::Spanned;

use super::job_body::{Tree, is_complete, panic_at, tree};
use super::marked_function::{checked, implement, marked_function};
use super::parameters::{Parameters, parameter_alias, parameters, warn_if_unused};
use super::role_aliases::{self, Roles};
use crate::check;
use crate::errors::Errors;
use crate::model::job::{self, Options, Parameter, lints};
use crate::model::schedule::{Missed, Schedule};
use crate::syntax::component::{self, doc};
use crate::syntax::name::{parameter_name, plain};

/// Expands `#[job]`.
pub(crate) fn job(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let before = errors.count();
    let mut job = job::job(given, function, errors);
    let sound = before == errors.count();
    check::recursion::check("job", &function.sig.ident, &mut job.body, errors);
    check::reachable::check(&job.body, errors);
    check::end_texts::check("job", &job.parameters, &mut job.body, errors);
    check::schedule::check(&job, errors);
    let Tree { items, nodes, checks, imports } = tree(&job.body, &job.parameters);
    let (name, text) = (&function.sig.ident, plain(&function.sig.ident));
    let (doc, complete) = (doc(&function.attrs), is_complete(&job.body));
    let (listeners, listener_checks) = listeners(&job.options);
    let options = options(&job.options);
    let Parameters { aliases, specs, checks: parameter_checks } = parameters(&job.parameters);
    let heard_by = if job.options.listeners.is_empty() { quote!(&[]) } else { quote!(__LISTENERS) };
    let unused = sound.then(|| warn_if_unused(&job.parameters, &lints(&function.attrs), &heard_by));
    let mention = sound.then(|| quote!(let _ = #name;));
    let definition = implement(
        quote!(__batch::JobDefinition),
        name,
        quote! {
            const INFO: &'static __batch::JobInfo = {
                #mention
                &__batch::JobInfo {
                    id: ::core::concat!(::core::module_path!(), "::", #text),
                    name: #text,
                    doc: #doc,
                    parameters: __PARAMETERS,
                    flow: __NODES,
                    options: #options,
                }
            };
        },
    );
    let runs = implement(
        quote!(__batch::Runs),
        name,
        quote!(
            const ACTIVITY: __batch::Activity =
                __batch::Activity::Job(<Self as __batch::JobDefinition>::INFO);
        ),
    );
    let decides = implement(
        quote!(__batch::Decides),
        name,
        quote! {
            type Outcome = __batch::Ended;
            const SUBJECT: __batch::Subject = __batch::Subject::Ended(<Self as __batch::Runs>::ACTIVITY);
        },
    );
    let body = quote! {
        use ::batch_runtime::graph::wiring as __wiring;
        use __wiring::Nothing as _;
        #aliases
        const __PARAMETERS: &'static [__batch::ParameterSpec] = &[#(#specs),*];
        #listeners
        #items
        const __NODES: &'static [__batch::Node] = #nodes;
        #definition
        #runs
        #decides
        #[cfg(not(rust_analyzer))]
        const _: () = {
            const __WIRING: &__wiring::Wiring = &__wiring::Wiring {
                noun: "job",
                name: #text,
                parameters: ::core::option::Option::Some(__PARAMETERS),
                nodes: __NODES,
                complete: #complete,
            };
            const __PLACE_0: __wiring::Place = __wiring::Place::FIRST;
            #checks
            #listener_checks
            #parameter_checks
            #unused
        };
        #imports
    };
    marked_function("job", function, launch(function, &job.parameters, sound), body)
}

fn options(options: &Options) -> TokenStream {
    let restartable = options.restartable.map(|yes| quote!(.restartable(#yes)));
    let exclusive = options.exclusive.then(|| quote!(.exclusive(true)));
    let max_recoveries = options.max_recoveries.as_ref().map(|times| {
        let typed = quote_spanned!(times.span()=> u32);
        quote!(.max_recoveries({ const TIMES: #typed = #times; TIMES }))
    });
    let listeners = (!options.listeners.is_empty()).then(|| quote!(.listeners(__LISTENERS)));
    let schedule = options.schedule.as_ref().map(schedule);
    quote!(__batch::JobOptions::DEFAULT #restartable #exclusive #max_recoveries #listeners #schedule)
}

fn schedule(schedule: &Schedule) -> TokenStream {
    let expression = &schedule.expression;
    let zone = schedule.zone.as_ref().map_or_else(|| "UTC".to_owned(), syn::LitStr::value);
    let missed = schedule.missed.as_ref().map(|missed| {
        let missed = match missed {
            Missed::Latest => quote!(Latest),
            Missed::All(nanoseconds) => {
                quote!(All { within: ::core::time::Duration::from_nanos(#nanoseconds) })
            }
            Missed::None => quote!(None),
        };
        quote!(.missed(__batch::Missed::#missed))
    });
    let overlap = schedule.overlap.map(|word| {
        let word = format_ident!("{word}");
        quote!(.overlap(__batch::Overlap::#word))
    });
    let restarts = schedule.restarts.as_ref().map(|(_, times)| quote!(.restarts(#times)));
    let on_failure = schedule.on_failure.map(|word| {
        let word = format_ident!("{word}");
        quote!(.on_failure(__batch::OnFailure::#word))
    });
    quote!(.schedule(__batch::Schedule::new(#expression, #zone) #missed #overlap #restarts #on_failure))
}

/// The listeners as a constant, and the checks of their arguments.
fn listeners(options: &Options) -> (TokenStream, TokenStream) {
    let (mut types, mut checks, mut each) = (TokenStream::new(), TokenStream::new(), Vec::new());
    let mut roles = Roles::default();
    for (index, path) in options.listeners.iter().enumerate() {
        let last = path.segments.last().map(|segment| &segment.ident);
        let span = last.map_or_else(|| path.span(), Ident::span);
        let name = last.map(plain).unwrap_or_default();
        let (named, user) =
            (format_ident!("__Named{index}", span = span), roles.alias(&format!("listener_{name}"), span));
        let alias = format_ident!("__Listener{index}");
        let is = quote_spanned!(span=> let _ = <#user as __batch::JobListenerDefinition>::LISTENER;);
        types.extend(role_aliases::in_role(&user, &named, path, "job listener", Vec::new()));
        types.extend(role_aliases::alias_of(&named, path, &[]));
        types.extend(checked(&alias, &user, is));
        let listener = quote!(<#alias as __batch::JobListenerDefinition>::LISTENER);
        checks.extend(panic_at(
            span,
            &[],
            quote!(__wiring::missing_for_listener(__WIRING, #name, #listener.needs)),
        ));
        each.push(listener);
    }
    if !each.is_empty() {
        types.extend(quote!(const __LISTENERS: &[__batch::JobListener] = &[#(#each),*];));
    }
    (types, checks)
}

/// The user's function: called with the job's parameters, it returns a launch.
fn launch(function: &ItemFn, parameters: &[Parameter], sound: bool) -> TokenStream {
    let mut function = component::stripped(function);
    let name = &function.sig.ident;
    let body = if sound {
        let each = parameters.iter().zip(0..).map(|(parameter, index)| {
            let (text, name) = (parameter_name(&parameter.name), &parameter.name);
            let alias = format_ident!("__Parameter{index}");
            quote!(.with::<#alias>(#text, ::batch_runtime::__private::same(#name)))
        });
        let aliases = parameters.iter().zip(0..).filter_map(|(parameter, index)| {
            let alias = format_ident!("__Parameter{index}");
            parameter.ty.as_ref().map(|ty| parameter_alias(&alias, ty))
        });
        quote! {
            #(#aliases)*
            ::batch_runtime::__private::Launch::new(
                <#name as ::batch_runtime::__private::JobDefinition>::INFO
            ) #(#each)*
        }
    } else {
        quote!(::core::unimplemented!("a job with mistakes in it does not compile"))
    };
    function.sig.asyncness = None;
    function.sig.constness = None;
    function.sig.inputs =
        function.sig.inputs.into_iter().filter(|input| matches!(input, syn::FnArg::Typed(_))).collect();
    let (attributes, vis, mut sig) = (&function.attrs, &function.vis, function.sig.clone());
    sig.output = syn::parse_quote!(-> ::batch_runtime::__private::Launch);
    let unused = (!sound).then(|| quote!(#[allow(unused_variables, unused_mut)]));
    let underscored = parameters.iter().any(|parameter| parameter.name.to_string().starts_with('_'));
    let underscored = underscored.then(|| quote!(#[allow(clippy::used_underscore_binding)]));
    let mut block = TokenStream::new();
    function.block.brace_token.surround(&mut block, |inside| body.to_tokens(inside));
    // A job may have any number of parameters.
    quote!(#(#attributes)* #unused #underscored #[allow(clippy::too_many_arguments)] #vis #sig #block)
}
